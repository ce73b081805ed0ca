export { generate, type GenerateOptions } from './generate.js';
export {
  ContinuousBatch,
  type BatchLimits,
  type FinishedSequence,
  type SequenceRequest,
} from './continuous-batch.js';
export { rankedLogps, type RankedLogps } from './ranked-logps.js';
export { GREEDY, sampleToken, type SamplingOptions } from './sampling.js';
