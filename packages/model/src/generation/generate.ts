/** Continues a list of prompts. */
import { SeededRandom, mixSeeds, type TokenIds } from '@selective-dpo/foundation';
import type { CausalLM } from '../causal-lm/index.js';
import { ContinuousBatch } from './continuous-batch.js';
import { GREEDY, type SamplingOptions } from './sampling.js';

export interface GenerateOptions {
  maxNewTokens: number;
  /** Generation of a prompt ends with any of these; it is not part of the result. */
  stopIds: readonly number[];
  sampling?: SamplingOptions;
  /** Each prompt draws from its own sequence, by its place in the list: batch size changes nothing. */
  seed?: number;
  /** Prompts computed together. */
  batchSize?: number;
}

/**
 * Continues every prompt (at least one token each). Returns the new tokens of each, in the order given.
 * @throws RangeError for an empty prompt; as {@link ContinuousBatch.generate}.
 */
export async function generate(
  model: CausalLM,
  prompts: readonly TokenIds[],
  { maxNewTokens, stopIds, sampling = GREEDY, seed = 0, batchSize = 64 }: GenerateOptions,
): Promise<Int32Array[]> {
  const batch = new ContinuousBatch(model, { maxSequences: batchSize });
  const stops = new Set(stopIds);
  const finished = await Promise.all(
    prompts.map((prompt, i) =>
      batch.generate({
        ...{ prompt, maxNewTokens, sampling, stopIds: stops },
        random: new SeededRandom(mixSeeds(seed, i)),
      }),
    ),
  );
  return finished.map(({ tokens }) => tokens);
}
