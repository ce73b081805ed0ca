export * from './errors.js';
export * from './tokens.js';
export * from './durable-file.js';
export * from './digest.js';
export * from './safe-path.js';
export * from './progress.js';
export * from './random.js';
