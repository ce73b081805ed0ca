export * from './rows/index.js';
export * from './tokenization/index.js';
export * from './cache/index.js';
export * from './records/index.js';
export * from './exchange/index.js';
