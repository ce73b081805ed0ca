export * from './adamw.js';
export * from './gradients.js';
