/** Pairs of random tokens with random reference log-probs, and a cache of them that fits a policy's tokenizer. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import {
  CACHE_SCHEMA_VERSION,
  CacheWriter,
  DROPPED_FILE,
  loadPairTokenizer,
  type CacheRow,
} from '@selective-dpo/data';
import { CausalLM } from '@selective-dpo/model';
import { freshFolder } from './fresh-folder.js';
import { VOCABULARY } from './small-policy.js';

const ROWS_PER_SHARD = 40;

/** Rows of varied lengths; row `i` is the same in every call with the same seed. */
export function pairRows(count: number, seed = 1): CacheRow[] {
  const random = new SeededRandom(seed);
  const ids = (n: number) => Int32Array.from({ length: n }, () => random.below(VOCABULARY));
  const logps = (n: number) => Float32Array.from({ length: n }, () => -5 * random.next());
  return Array.from({ length: count }, (_, i) => {
    const [prompt, chosen, rejected] = [4, 10, 10].map((most) => 1 + random.below(most)) as [
      number,
      number,
      number,
    ];
    return {
      ...{ pairId: `pair-${i}`, sourceRow: i },
      ...{ promptIds: ids(prompt), chosenIds: ids(chosen), rejectedIds: ids(rejected) },
      ...{ chosenRefLogps: logps(chosen), rejectedRefLogps: logps(rejected) },
    };
  });
}

/** The rows as a model on the current engine scores them, with its `n` likeliest tokens in the place of each. */
export async function scoredRows(
  modelDirectory: string,
  rows: readonly CacheRow[],
  n: number,
): Promise<CacheRow[]> {
  const model = await CausalLM.load(modelDirectory);
  const { logps, top } = await model.mostLikely(
    rows.map((row) => ({ prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] })),
    n,
  );
  model.dispose();
  return rows.map((row, i) => {
    const [chosen, rejected] = [top[i]![0]!, top[i]![1]!];
    return {
      ...row,
      ...{ chosenRefLogps: logps[i]![0]!, rejectedRefLogps: logps[i]![1]! },
      refTop: {
        ...{ chosenIds: chosen.ids, chosenLogps: chosen.logps },
        ...{ rejectedIds: rejected.ids, rejectedLogps: rejected.logps },
      },
    };
  });
}

/** Writes a finished cache and returns its folder. */
export async function writeCache(
  policyDirectory: string,
  rows: readonly CacheRow[],
  {
    topLogprobs,
    ...change
  }: { tokenizer?: string; chatTemplate?: string; chatTemplateGiven?: boolean; topLogprobs?: number } = {},
): Promise<string> {
  const directory = join(await freshFolder(), 'cache');
  const digest = 'a'.repeat(64);
  const tokenizer = (await loadPairTokenizer(policyDirectory)).fingerprint();
  const writer = await CacheWriter.open(directory, {
    ...{ schemaVersion: CACHE_SCHEMA_VERSION, toolVersion: '0.0.0', rowsPerShard: ROWS_PER_SHARD },
    dataset: { sha256: digest, bytes: 10, layout: 'preference', limit: null },
    tokenizer: { chatTemplateNow: null, chatTemplateGiven: false, ...tokenizer, ...change },
    limits: { maxLength: 64, maxPromptLength: null, truncation: 'keep_start' },
    model: { weightsSha256: digest, configSha256: digest },
    scorer: { kind: 'local' },
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
  });
  try {
    for (let at = 0; at < rows.length; at += ROWS_PER_SHARD) {
      await writer.publishShard(rows.slice(at, at + ROWS_PER_SHARD));
    }
    await writeFile(join(directory, DROPPED_FILE), '');
    await writer.finish({});
  } finally {
    await writer.close();
  }
  return directory;
}
