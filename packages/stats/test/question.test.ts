import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Interrupted, InputError } from '@selective-dpo/foundation';
import { sumLogps } from '@selective-dpo/data';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CacheDatabase, ask, type AnswerValue } from '../src/index.js';
import { freshFolder, writeCache } from '../../data/test/cache/sample-cache.js';
import { plantedRows, writeCacheWithoutDrops } from './planted-cache.js';

const rows = plantedRows();
let folder: string;
let directory: string;
let cache: CacheDatabase;

beforeAll(async () => {
  folder = await freshFolder();
  // Characters that DuckDB reads as patterns, and quotes.
  directory = join(folder, "it's [a] *cache?");
  await writeCache(directory, rows);
  cache = await CacheDatabase.open(directory);
});

afterAll(async () => cache.close());

async function answerOf(sql: string, from = cache): Promise<AnswerValue[][]> {
  const answer = await ask(from, sql);
  const all: AnswerValue[][] = [];
  for await (const batch of answer.batches) all.push(...batch);
  return all;
}

async function refusalOf(sql: string): Promise<InputError> {
  try {
    await answerOf(sql);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error(`answered: ${sql}`);
}

describe('a question', () => {
  it('of pairs gives their lengths, sums and margins in the order of the cache', async () => {
    const found = await answerOf(
      'SELECT pair_index, pair_id, source_row, prompt_tokens, chosen_tokens, rejected_tokens, ref_chosen_logps, ref_rejected_logps, ' +
        'margin FROM pairs ORDER BY pair_index',
    );
    expect(found).toEqual(
      rows.map((row, i) => {
        const [chosen, rejected] = [sumLogps(row.chosenRefLogps), sumLogps(row.rejectedRefLogps)];
        const lengths = [row.promptIds.length, row.chosenIds.length, row.rejectedIds.length];
        return [i, row.pairId, row.sourceRow, ...lengths, chosen, rejected, chosen - rejected];
      }),
    );
  });

  it('of tokens gives every response token where it stands', async () => {
    const found = await answerOf(
      'SELECT side, position, id, ref_logp FROM tokens WHERE pair_index = 45 ORDER BY side, position',
    );
    const { chosenIds, chosenRefLogps, rejectedIds, rejectedRefLogps } = rows[45]!;
    expect(found).toEqual([
      ...[...chosenIds].map((id, i) => ['chosen', i, id, chosenRefLogps[i]]),
      ...[...rejectedIds].map((id, i) => ['rejected', i, id, rejectedRefLogps[i]]),
    ]);
    const all = rows.reduce((n, row) => n + row.chosenIds.length + row.rejectedIds.length, 0);
    expect(await answerOf('SELECT count(*) FROM tokens')).toEqual([[all]]);
  });

  it('may name dropped rows, use functions that make rows, and describe the views', async () => {
    expect(await answerOf('FROM dropped')).toEqual([[7, 'unreadable', 'x']]);
    expect(await answerOf('WITH n AS (SELECT * FROM range(2)) SELECT * FROM n; -- done')).toEqual([[0], [1]]);
    expect(await answerOf('DESCRIBE pairs')).toHaveLength(10);
    expect(await answerOf("SELECT 1.25, 2::HUGEINT ** 70, NULL, [1], {'a': 'b'}, 'NaN'::DOUBLE")).toEqual([
      [1.25, 2 ** 70, null, [1], { a: 'b' }, 'NaN'],
    ]);
    expect(await answerOf('SELECT 9007199254740993')).toEqual([['9007199254740993']]);
    const empty = await CacheDatabase.open(await writeCacheWithoutDrops(rows.slice(0, 3)));
    expect(await answerOf('FROM dropped', empty)).toEqual([]);
    await empty.close();
  });

  it('streams more rows than a batch holds', async () => {
    const { columns, batches } = await ask(cache, 'SELECT range AS n FROM range(1000000)');
    expect(columns).toEqual(['n']);
    let seen = 0;
    for await (const batch of batches) {
      seen += batch.length;
      if (seen > 5000) break;
    }
    expect(seen).toBeLessThan(1_000_000);
  });
});

describe('a question can do nothing but read the views', () => {
  const outside = "'/etc/passwd'";
  /** [question, code, what the error names] */
  const refused: [string, string, RegExp][] = [
    [`SELECT * FROM read_csv(${outside})`, 'sql-refused', /read_csv/],
    [`SELECT (SELECT count(*) FROM read_text(${outside}))`, 'sql-refused', /read_text/],
    [`WITH x AS (FROM glob('/etc/*')) SELECT 1 FROM x`, 'sql-refused', /glob/],
    [
      `SELECT * FROM pairs WHERE pair_id IN (SELECT content FROM read_blob(${outside}))`,
      'sql-refused',
      /read_blob/,
    ],
    [`SUMMARIZE FROM read_csv(${outside})`, 'sql-refused', /read_csv/],
    [`SELECT * FROM query('SELECT 1')`, 'sql-refused', /query/],
    [
      `SELECT * FROM system.main.enable_logging(storage = 'file', storage_path = 'OUT')`,
      'sql-refused',
      /enable_logging/,
    ],
    [
      `SELECT * FROM enable_profiling(format = 'json', save_location = 'OUT.json')`,
      'sql-refused',
      /enable_profiling/,
    ],
    [`SELECT * FROM ${outside}`, 'sql-failed', /passwd/],
    [`SELECT * FROM '/etc/hosts.csv'`, 'sql-failed', /file system operations are disabled/],
    [`SELECT * FROM 'https://example.org/x.parquet'`, 'sql-failed', /./],
    [`COPY (SELECT 1) TO 'OUT'`, 'sql-refused', /something else/],
    [`COPY (SELECT 1) TO 'SHARD' (USE_TMP_FILE false)`, 'sql-refused', /something else/],
    [`EXPLAIN ANALYZE COPY (SELECT 1) TO 'SHARD' (USE_TMP_FILE false)`, 'sql-refused', /something else/],
    ['INSTALL httpfs', 'sql-refused', /something else/],
    ['LOAD httpfs', 'sql-refused', /something else/],
    [`ATTACH 'OUT' AS other`, 'sql-refused', /something else/],
    [`EXPORT DATABASE 'OUT'`, 'sql-refused', /something else/],
    ['SET enable_external_access = true', 'sql-refused', /something else/],
    ['PRAGMA enable_external_access = true', 'sql-refused', /something else/],
    [`SET profiling_output = 'OUT'`, 'sql-refused', /something else/],
    ['CREATE TABLE t (i INTEGER)', 'sql-refused', /something else/],
    ['DROP VIEW pairs', 'sql-refused', /something else/],
    [`CALL enable_logging()`, 'sql-refused', /something else/],
    ['SELECT 1; SELECT 2', 'sql-refused', /2 statements/],
    [`SELECT 1; COPY (SELECT 1) TO 'OUT'`, 'sql-refused', /something else/],
    ['', 'sql-refused', /something else/],
    ['SELECT 1\0; SELECT 2', 'sql-refused', /NUL/],
    ['SELEC 1', 'sql-failed', /syntax error at or near/],
    ['SELECT nothing FROM pairs', 'sql-failed', /nothing/],
    ['SELECT $1', 'sql-failed', /./],
    [`SELECT error('x\ny')`, 'sql-failed', /x/],
  ];

  it.each(refused)('%s', async (question, code, named) => {
    const shard = join(directory, 'shards', 'shard-00000.parquet');
    const before = await readFile(shard);
    const out = join(folder, 'out');
    const quoted = (path: string) => path.replaceAll("'", "''");
    const error = await refusalOf(question.replace('OUT', quoted(out)).replace('SHARD', quoted(shard)));
    expect(error.code).toBe(code);
    expect(`${error.message} ${error.details.found}`).toMatch(named);
    expect(error.message).not.toContain('\n');
    expect(await readFile(shard)).toEqual(before);
    expect([out, `${out}.json`].some((path) => existsSync(path))).toBe(false);
    expect(await answerOf('SELECT count(*) FROM pairs')).toEqual([[130]]);
  });

  it('even past the check, DuckDB itself is locked (negative control of the check alone)', async () => {
    const { database } = cache;
    const run = async (sql: string) =>
      database.rows(sql).then(
        () => 'done',
        (error: Error) => error.message,
      );
    expect(await run(`SELECT * FROM read_csv(${outside})`)).toMatch(/disabled by configuration/);
    expect(await run(`COPY (SELECT 1) TO '${join(folder, 'out')}'`)).toMatch(/disabled by configuration/);
    expect(await run("SET memory_limit = '1GB'")).toMatch(/locked/);
    expect(await run('INSTALL httpfs')).toMatch(/Cannot access|disabled/);
    expect(await run('SELECT 1')).toBe('done');
  });
});

describe('the end of a question', () => {
  it('comes at once when it is interrupted, and leaves no folder behind', async () => {
    const controller = new AbortController();
    const other = await CacheDatabase.open(directory, { signal: controller.signal });
    const [[spilled]] = (await answerOf("SELECT current_setting('temp_directory')", other)) as [[string]];
    const work = answerOf(
      'SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range = b.range + 1 OR a.range % 7 = b.range % 11',
      other,
    );
    setTimeout(() => controller.abort(), 200);
    await expect(work).rejects.toThrow(Interrupted);
    await expect(answerOf('SELECT 1', other)).rejects.toThrow(Interrupted);
    expect(existsSync(spilled)).toBe(true);
    await other.close();
    expect(existsSync(spilled)).toBe(false);
  });

  it('comes with a typed error where the memory does not suffice', async () => {
    const small = await CacheDatabase.open(directory, { memoryLimit: 64 * 2 ** 20 });
    const work = answerOf("SELECT len(list(range::VARCHAR || repeat('x', 100))) FROM range(10000000)", small);
    await expect(work).rejects.toMatchObject({ code: 'memory-limit' });
    await small.close();
  });
});
