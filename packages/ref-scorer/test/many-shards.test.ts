/** A pass that would make more shards than a manifest may name ends before its first one. */
import type { PairTokenizer, PreferenceSource } from '@selective-dpo/data';
import { InputError } from '@selective-dpo/foundation';
import { expect, it } from 'vitest';
import { ScoringPass, type ShardTaker } from '../src/scoring-pass.js';
import type { Scorer } from '../src/scorer.js';
import { freshFolder } from './small-reference.js';

const ENDED = new Error('the pass began');

/** What becomes of a dataset of so many rows; its second reading, which scores, ends at once. */
async function outcomeOf(count: number, rowsPerShard: number): Promise<unknown> {
  let readings = 0;
  async function* rows() {
    if (readings++ > 0) throw ENDED;
    for (let row = 0; row < count; row++) yield { row };
  }
  const source = { rows, layout: 'preference' } as unknown as PreferenceSource;
  const taker = { resumeFrom: { shards: 0, rows: 0 } } as unknown as ShardTaker;
  const reference = { name: 'reference', vocabSize: 1, maxPositionEmbeddings: 1 };
  const options = { dataFile: 'pairs.jsonl', outDirectory: await freshFolder(), limits: {} };
  const tokenizer = {} as PairTokenizer;
  const pass = new ScoringPass(options, source, tokenizer, {} as Scorer, taker, rowsPerShard, reference);
  return pass.run().catch((error: unknown) => error);
}

it('is told how many rows a shard must have', async () => {
  const error = await outcomeOf(500_001, 1);
  expect(error).toBeInstanceOf(InputError);
  const { code, details } = error as InputError;
  expect([code, details.file, details.field]).toEqual(['too-many-shards', 'pairs.jsonl', '--rows-per-shard']);
  expect(details.hint).toContain('--rows-per-shard 2;');
});

it('begins where there are no more than that', async () => {
  expect(await outcomeOf(500_001, 2)).toBe(ENDED);
  expect(await outcomeOf(500_000, 1)).toBe(ENDED);
});
