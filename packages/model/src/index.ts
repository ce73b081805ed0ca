export * from './engine/index.js';
export * from './files/index.js';
export * from './causal-lm/index.js';
export * from './training/index.js';
export * from './generation/index.js';
