import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, Interrupted } from '@selective-dpo/foundation';
import { parquetReadObjects } from 'hyparquet';
import { beforeAll, describe, expect, it } from 'vitest';
import { CacheReader, cacheInfo, exportTrl, importCache, sumLogps, verifyCache } from '../../src/index.js';
import type { CacheRow } from '../../src/cache/cache-row.js';
import { freshFolder, sampleRows, writeCache } from '../cache/sample-cache.js';
import { writeModel } from '../tokenization/byte-level-model.js';

const ROWS = 90;
let folder: string;
let cache: string;
let tokenizer: string;
let rows: CacheRow[];

beforeAll(async () => {
  folder = await freshFolder();
  cache = join(folder, 'cache');
  tokenizer = writeModel(join(folder, 'tokenizer'));
  // Ids of the small tokenizer.
  rows = sampleRows(ROWS).map((row) => ({
    ...row,
    promptIds: row.promptIds.map((id) => id % 200),
    chosenIds: row.chosenIds.map((id) => id % 200),
    rejectedIds: row.rejectedIds.map((id, i) => (i === 0 ? 201 : id % 200)),
  }));
  await writeCache(cache, rows);
});

async function rowsOf(directory: string): Promise<CacheRow[]> {
  const reader = await CacheReader.open(directory);
  const found: CacheRow[] = [];
  for await (const row of reader.rows()) found.push(row);
  await reader.close();
  return found;
}

const plain = (row: CacheRow) => ({
  ...{ prompt_ids: [...row.promptIds], chosen_ids: [...row.chosenIds], rejected_ids: [...row.rejectedIds] },
});

/** Imports rows from JSON Lines. */
async function imported(lines: readonly object[], signal?: AbortSignal): Promise<string> {
  const out = join(await freshFolder(), 'imported');
  const dataFile = `${out}.jsonl`;
  await writeFile(dataFile, lines.map((line) => JSON.stringify(line)).join('\n'));
  await importCache({
    ...{ dataFile, tokenizerDirectory: tokenizer, reference: 'org/model', outDirectory: out, signal },
    ...{ toolVersion: '0.0.0', rowsPerShard: 40 },
  });
  return out;
}

const problemOf = async (row: object): Promise<InputError> => {
  const problem = await imported([row]).catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(InputError);
  return problem as InputError;
};

describe('an export for TRL', () => {
  it('has the ids, and the sums of the log-probs as float32', async () => {
    const file = join(folder, 'trl.parquet');
    expect(await exportTrl(cache, file)).toBe(ROWS);
    const bytes = await readFile(file);
    const found = await parquetReadObjects({ file: Uint8Array.from(bytes).buffer });
    expect(found).toEqual(
      rows.map((row) => ({
        ...plain(row),
        ref_chosen_logps: Math.fround(sumLogps(row.chosenRefLogps)),
        ref_rejected_logps: Math.fround(sumLogps(row.rejectedRefLogps)),
      })),
    );
  });

  it('takes the place of nothing, stays out of the cache, and leaves nothing when stopped', async () => {
    const file = join(folder, 'mine.txt');
    await writeFile(file, 'mine');
    await expect(exportTrl(cache, file)).rejects.toMatchObject({ code: 'already-exists' });
    expect(await readFile(file, 'utf8')).toBe('mine');
    await expect(exportTrl(cache, join(cache, 'x'))).rejects.toMatchObject({ code: 'output-inside-input' });
    const stopped = exportTrl(cache, join(folder, 'stopped'), { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toBeInstanceOf(Interrupted);
    expect((await readdir(folder)).filter((name) => name.includes('stopped'))).toEqual([]);
  });
});

describe('an import', () => {
  const columns = (row: CacheRow): [number[], number[]] => [
    [...row.chosenRefLogps],
    [...row.rejectedRefLogps],
  ];
  const whole = (row: CacheRow, list: number[]) => [
    ...Array.from(row.promptIds.subarray(1), () => -99),
    ...list,
  ];
  const forms: [string, (row: CacheRow) => object][] = [
    [
      'a cache’s own columns',
      (row) => ({ chosen_ref_logps: columns(row)[0], rejected_ref_logps: columns(row)[1] }),
    ],
    [
      'TRL’s names with lists',
      (row) => ({ ref_chosen_logps: columns(row)[0], ref_rejected_logps: columns(row)[1] }),
    ],
    [
      'RLHF-V’s lists over the whole sequence',
      (row) => ({
        ref_win_per_token_logp: whole(row, columns(row)[0]),
        ref_rej_per_token_logp: whole(row, columns(row)[1]),
      }),
    ],
    [
      'RLHF-V’s logps as JSON',
      (row) => {
        const [chosen, rejected] = [whole(row, columns(row)[0]), whole(row, columns(row)[1])];
        return { logps: JSON.stringify({ logps: [-1, -1, chosen, -1, -1, rejected] }) };
      },
    ],
    ['RLHF-V’s logps as a list', (row) => ({ logps: [-1, -1, columns(row)[0], -1, -1, columns(row)[1]] })],
  ];

  it.each(forms)('of %s has the same values', async (_, form) => {
    const out = await imported(rows.map((row) => ({ pair_id: row.pairId, ...plain(row), ...form(row) })));
    expect(await rowsOf(out)).toEqual(rows);
    expect((await cacheInfo(out)).inputs.model).toEqual({ importedModel: 'org/model' });
    expect(await verifyCache(out)).toMatchObject({ rows: ROWS, shards: 3 });
  });

  it('of a cache’s Parquet shard has its rows, named by row and ids where they have no name', async () => {
    const out = join(await freshFolder(), 'imported');
    await importCache({
      ...{ dataFile: join(cache, 'shards/shard-00001.parquet'), tokenizerDirectory: tokenizer },
      ...{ reference: 'm', outDirectory: out, toolVersion: '0.0.0', rowsPerShard: 512 },
    });
    expect(await rowsOf(out)).toEqual(rows.slice(40, 80).map((row, i) => ({ ...row, sourceRow: i })));
    const [row] = rows as [CacheRow];
    const unnamed = await rowsOf(await imported([{ ...plain(row), ...forms[0]![1](row) }]));
    expect(unnamed[0]!.pairId).toMatch(/^0-[0-9a-f]{16}$/);
  });

  it('drops pairs of equal answers, and says so', async () => {
    const same = { ...plain(rows[0]!), chosen_ids: [5], rejected_ids: [5], chosen_ref_logps: [-1] };
    const sound = { ...plain(rows[1]!), ...forms[0]![1](rows[1]!) };
    const out = await imported([{ ...same, rejected_ref_logps: [-1] }, sound]);
    expect((await cacheInfo(out)).dropped).toEqual({ identical: 1 });
    expect(await rowsOf(out)).toHaveLength(1);
  });

  it('goes on after a stop, to the same bytes', async () => {
    const lines = rows.map((row) => ({ ...plain(row), ...forms[0]![1](row) }));
    const out = join(await freshFolder(), 'resumed');
    await writeFile(`${out}.jsonl`, lines.map((line) => JSON.stringify(line)).join('\n'));
    const options = {
      ...{
        dataFile: `${out}.jsonl`,
        tokenizerDirectory: tokenizer,
        reference: 'org/model',
        outDirectory: out,
      },
      ...{ toolVersion: '0.0.0', rowsPerShard: 40 },
    };
    await expect(importCache({ ...options, signal: AbortSignal.abort() })).rejects.toBeInstanceOf(
      Interrupted,
    );
    expect(await readdir(join(out, 'shards'))).toContain('shard-00000.parquet');
    await importCache(options);
    const undisturbed = await imported(lines);
    for (const name of ['shards/shard-00000.arrow', 'shards/shard-00002.parquet', 'manifest.json'])
      expect(await readFile(join(out, name))).toEqual(await readFile(join(undisturbed, name)));
  });

  const sound = { prompt_ids: [1, 2], chosen_ids: [3, 4], rejected_ids: [5] };
  const logps = { chosen_ref_logps: [-1, -2], rejected_ref_logps: [-1] };
  it.each<[string, object, string, string]>([
    [
      'sums a pair',
      { ...sound, ref_chosen_logps: -3, ref_rejected_logps: -1 },
      'logps-per-pair',
      'one log-prob a token',
    ],
    ['no ids', { chosen: 'a', rejected: 'b', logps: '[]' }, 'ids-missing', 'image tokens'],
    ['no log-probs', sound, 'logps-missing', 'ref_win_per_token_logp'],
    [
      'too few values',
      { ...sound, ...logps, chosen_ref_logps: [-1] },
      'logps-misaligned',
      '2, one a response token, or 3',
    ],
    [
      'ids beyond the vocabulary',
      { ...sound, ...logps, chosen_ids: [3, 400] },
      'token-out-of-range',
      'from 0 to',
    ],
    [
      'ids that are no whole numbers',
      { ...sound, ...logps, chosen_ids: [3, 0.5] },
      'token-out-of-range',
      'from 0 to',
    ],
    ['no prompt', { ...sound, ...logps, prompt_ids: [] }, 'token-out-of-range', 'at least one id'],
    ['a text among numbers', { ...sound, ...logps, rejected_ref_logps: ['-1'] }, 'row-unreadable', ''],
    ['null among numbers', { ...sound, ...logps, rejected_ref_logps: [null] }, 'row-unreadable', ''],
    [
      'a positive log-prob',
      { ...sound, ...logps, rejected_ref_logps: [0.5] },
      'cache-row-invalid',
      'at most 0',
    ],
    [
      'a sum beyond float32',
      { ...sound, ...logps, chosen_ref_logps: [-2e38, -2e38] },
      'cache-row-invalid',
      'float32',
    ],
    ['logps that are no JSON', { ...sound, logps: '[1,' }, 'row-unreadable', ''],
    ['logps of another length', { ...sound, logps: [1, 2] }, 'row-unreadable', ''],
    ['a row that is no object', [1], 'row-unreadable', ''],
    ['names of a prototype', JSON.parse('{"__proto__": {"prompt_ids": [1]}}') as object, 'ids-missing', ''],
  ])('refuses %s, naming the row', async (_, row, code, expected) => {
    const problem = await problemOf(row);
    expect([problem.code, problem.details.row]).toEqual([code, 0]);
    expect(problem.details.expected ?? '').toContain(expected);
  });

  it('that is refused at its first row leaves nothing, and without pairs is none', async () => {
    const out = join(await freshFolder(), 'refused');
    await writeFile(`${out}.jsonl`, JSON.stringify(sound));
    const options = {
      ...{ dataFile: `${out}.jsonl`, tokenizerDirectory: tokenizer, reference: 'm', outDirectory: out },
      ...{ toolVersion: '0.0.0', rowsPerShard: 40 },
    };
    await expect(importCache(options)).rejects.toMatchObject({ code: 'logps-missing' });
    expect(await readdir(join(out, '..'))).toEqual(['refused.jsonl']);
    const same = { ...sound, chosen_ids: [5], chosen_ref_logps: [-1], rejected_ref_logps: [-1] };
    await expect(imported([same])).rejects.toMatchObject({ code: 'no-pairs' });
  });
});
