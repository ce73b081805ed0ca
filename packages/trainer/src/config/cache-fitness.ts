/** Whether a cache holds what a configuration needs of it. */
import { InputError } from '@selective-dpo/foundation';
import type { CacheReader } from '@selective-dpo/data';
import type { TrainingConfig } from './training-config.js';

/** @throws InputError `cache-without-top-logprobs`, `config-value`. */
export function refuseUnfitCache(
  { loss, distillationTopN }: Pick<TrainingConfig, 'loss' | 'distillationTopN'>,
  { directory, manifest }: Pick<CacheReader, 'directory' | 'manifest'>,
): void {
  if (loss !== 'distillation') return;
  const { topLogprobs } = manifest.inputs;
  const again = `score again into another folder: sdpo score --top-logprobs ${distillationTopN || 8} …`;
  if (topLogprobs === undefined) {
    throw new InputError(
      'cache-without-top-logprobs',
      'loss=distillation learns from the reference’s likeliest tokens, and the cache holds none',
      { file: directory, field: 'topLogprobs', found: 'nothing', expected: 'at least 1', hint: again },
    );
  }
  if (distillationTopN <= topLogprobs) return;
  throw new InputError('config-value', 'distillationTopN has a value that is not allowed', {
    file: directory,
    field: 'distillationTopN',
    found: String(distillationTopN),
    expected: `at most ${topLogprobs}, as many as the cache holds`,
    hint: again,
  });
}
