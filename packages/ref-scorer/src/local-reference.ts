/** A reference whose files are on this machine. */
import { join } from 'node:path';
import { sha256OfFile } from '@selective-dpo/foundation';
import { CONFIG_FILE, CausalLM, openEngine, readModelConfig, weightsDigest } from '@selective-dpo/model';
import { batchTokensWithin } from './batch-tokens.js';
import { LocalScorer } from './local-scorer.js';
import { refuseTooManyTop, type Reference } from './reference.js';
import type { ScoreOptions } from './score-options.js';

/** @throws InputError of the model's files, `option-value`, `memory-limit`, `engine-…`. */
export async function localReference(
  options: ScoreOptions,
  beforeEngine: () => Promise<void>,
): Promise<Reference> {
  const { modelDirectory, modelOrigin, topLogprobs } = options;
  const config = await readModelConfig(modelDirectory);
  refuseTooManyTop(topLogprobs, config.vocabSize);
  await beforeEngine();
  const engine = await openEngine(options.engine ?? 'auto', { precision: options.precision ?? 'fp32' });
  const batchTokens = batchTokensWithin(options, config, engine);
  return {
    name: modelDirectory,
    model: {
      weightsSha256: await weightsDigest(modelDirectory),
      configSha256: await sha256OfFile(join(modelDirectory, CONFIG_FILE)),
      ...(modelOrigin && { origin: modelOrigin }),
    },
    identity: LocalScorer.identityOf(engine, batchTokens),
    vocabSize: config.vocabSize,
    maxPositionEmbeddings: config.maxPositionEmbeddings,
    openScorer: async () =>
      new LocalScorer(await CausalLM.load(modelDirectory), engine, batchTokens, topLogprobs),
  };
}
