export * from './packed-batch.js';
export * from './response-lists.js';
export * from './rotary-embedding.js';
export * from './parameters.js';
export * from './head-logps.js';
export type { MostLikely } from './most-likely.js';
export * from './memory-estimate.js';
export {
  disposeGradients,
  type ActivationPolicy,
  type Gradients,
  type PassOptions,
} from './backward-pass.js';
export * from './causal-lm.js';
