export { generate, type GenerateOptions } from './generate.js';
export { GREEDY, sampleToken, type SamplingOptions } from './sampling.js';
