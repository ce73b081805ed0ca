export * from './adamw.js';
export * from './gradients.js';
export * from './finite.js';
