/** A cache in other programs, and log-probs of other programs in a cache. */
import { execFileSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CacheReader, type CacheRow } from '@selective-dpo/data';
import { beforeAll, describe, expect, it } from 'vitest';
import { demo, freshFolder, sdpo } from './run-sdpo.js';

const python = process.env['SELECTIVE_DPO_PYTHON'] ?? 'python3';
const readers = fileURLToPath(new URL('../../../../docs/readers', import.meta.url));
const policy = join(demo, 'policy');
const PAIRS = 24;

let folder: string;
let cache: string;
let exported: string;
let rows: CacheRow[];

beforeAll(async () => {
  folder = await freshFolder();
  [cache, exported] = [join(folder, 'cache'), join(folder, 'trl.parquet')];
  const data = join(demo, 'preferences/preferences.jsonl');
  const score = ['score', '--model', join(demo, 'reference'), '--tokenizer', policy, '--data', data];
  const more = ['--out', cache, '--limit', String(PAIRS), '--rows-per-shard', '10', '--engine', 'wasm'];
  const scored = await sdpo([...score, ...more]);
  expect(scored.code, scored.stderr).toBe(0);
  const written = await sdpo(['cache', 'export', cache, '--to', 'trl', '--out', exported, '--json']);
  expect(written.code, written.stderr).toBe(0);
  expect(written.stdout).toContain(`"pairs":${PAIRS}`);
  const reader = await CacheReader.open(cache);
  rows = [];
  for await (const row of reader.rows()) rows.push(row);
  await reader.close();
});

const has = (module: string): boolean => {
  try {
    execFileSync(python, ['-c', `import ${module}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

async function firstLoss(from: string): Promise<number> {
  const out = join(await freshFolder(), 'run');
  const settings = ['selection=all', `batchSize=${PAIRS}`, 'maxSteps=1', 'engine=wasm', 'beta=0.1'];
  const trained = await sdpo(['train', '--policy', policy, '--cache', from, '--out', out, ...settings]);
  expect(trained.code, trained.stderr).toBe(0);
  const [line] = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).split('\n');
  return (JSON.parse(line!) as { loss: number }).loss;
}

describe('a cache', () => {
  it('opens in pyarrow, pandas, polars and DuckDB with the same values (needs readers)', (context) => {
    if (!['pyarrow', 'pandas', 'polars', 'duckdb'].every(has)) context.skip(`${python} has not all of them`);
    for (const place of [0, 13, PAIRS - 1]) {
      const out = execFileSync(python, [join(readers, 'read_cache.py'), cache, String(place)], {
        encoding: 'utf8',
      });
      const lines = out.trim().split('\n');
      const row = rows[place]!;
      const wanted = {
        ...{ pair_id: row.pairId, source_row: row.sourceRow, prompt_ids: [...row.promptIds] },
        ...{ chosen_ids: [...row.chosenIds], rejected_ids: [...row.rejectedIds] },
        chosen_ref_logps: [...row.chosenRefLogps],
        rejected_ref_logps: [...row.rejectedRefLogps],
      };
      const found = lines.map((line) => JSON.parse(line) as { reader: string; rows: number; row: object });
      expect(found.map(({ reader }) => reader)).toEqual([
        'pyarrow',
        'pyarrow, Arrow shards',
        'pandas',
        'polars',
        'duckdb',
      ]);
      for (const { reader, rows: count, row: read } of found) {
        expect(count, reader).toBe(PAIRS);
        expect(read, reader).toMatchObject(wanted);
      }
    }
  });

  it('gives TRL the loss that it gives our trainer (needs trl)', async (context) => {
    if (!has('trl')) context.skip(`${python} has no trl`);
    const script = join(readers, 'train_with_trl.py');
    const settings = [
      `per_device_train_batch_size=${PAIRS}`,
      'max_steps=1',
      'logging_steps=1',
      'use_cpu=true',
      'bf16=false',
    ];
    const args = [
      script,
      policy,
      exported,
      join(folder, 'trl-out'),
      ...settings,
      'report_to="none"',
      'beta=0.1',
    ];
    const out = execFileSync(python, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const [{ loss }] = JSON.parse(out.trim().split('\n').at(-1)!) as [{ loss: number }];
    expect(Math.abs(loss - (await firstLoss(cache)))).toBeLessThan(1e-4);
  }, 120_000);

  it('comes back from its own Parquet with the same loss, to the last bit', async () => {
    const shard = join(folder, 'one');
    const data = join(demo, 'preferences/preferences.jsonl');
    const score = ['score', '--model', join(demo, 'reference'), '--tokenizer', policy, '--data', data];
    expect((await sdpo([...score, '--out', shard, '--limit', String(PAIRS), '--engine', 'wasm'])).code).toBe(
      0,
    );
    const back = join(folder, 'back');
    const file = join(shard, 'shards', 'shard-00000.parquet');
    const args = [
      'cache',
      'import',
      file,
      '--tokenizer',
      policy,
      '--reference',
      'demo/reference',
      '--out',
      back,
    ];
    const { code, stderr } = await sdpo(args);
    expect(code, stderr).toBe(0);
    expect(await firstLoss(back)).toBe(await firstLoss(shard));
    expect((await sdpo(['cache', 'info', back])).stdout).toContain('demo/reference');
  }, 60_000);

  it.each<[string, () => string[], string]>([
    ['a program that is not known', () => ['export', cache, '--to', 'axolotl', '--out', 'x'], 'one of trl'],
    ['an export over a file', () => ['export', cache, '--to', 'trl', '--out', exported], 'is there already'],
    [
      'sums in place of log-probs a token',
      () => ['import', exported, '--tokenizer', policy, '--reference', 'm', '--out', join(folder, 'no')],
      'one log-prob a token',
    ],
    [
      'an import without a name',
      () => ['import', exported, '--tokenizer', policy, '--out', 'x'],
      '--reference',
    ],
    [
      'a name with a line end',
      () => ['import', exported, '--tokenizer', policy, '--reference', 'a\nb', '--out', 'x'],
      '--reference',
    ],
  ])('refuses %s', async (_, args, part) => {
    const { code, stderr } = await sdpo(['cache', ...args()]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(part) as string]);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(await readdir(folder)).not.toContain('no');
  });
});
