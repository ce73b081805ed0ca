/**
 * A user's own question in SQL. It must be one SELECT: with its views a query may read the shards, and DuckDB's list of allowed paths
 * opens them for writing, too, so that COPY or EXPLAIN ANALYZE COPY must never run. A few of DuckDB's table functions write files or
 * change settings from within a SELECT (`enable_profiling`), so that only those that make rows out of nothing are let through.
 */
import { InputError, Interrupted, quoteValue } from '@selective-dpo/foundation';
import type { DuckDBResult, DuckDBType, DuckDBValue, JsonDuckDBValueConverter } from '@duckdb/node-api';
import type { CacheDatabase } from './cache-database.js';
import { memoryError } from './cache-database.js';
import { CACHE_VIEWS } from './cache-views.js';
import { firstLine, literal, loadDuckDB } from './duckdb.js';

/** Longest question, in characters. */
const MAX_QUESTION = 100_000;
/** Characters of DuckDB's own words in an error. */
const MAX_MESSAGE = 300;

/** Table functions that read nothing but their arguments, or the catalogue. */
const TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  ...['range', 'generate_series', 'unnest', 'repeat', 'repeat_row', 'histogram', 'histogram_values'],
  ...['duckdb_columns', 'duckdb_functions', 'duckdb_types', 'duckdb_views', 'pragma_table_info'],
]);

/** A value of JSON: whole numbers beyond 2^53 and numbers without a JSON form are texts. */
export type AnswerValue = null | boolean | number | string | AnswerValue[] | { [key: string]: AnswerValue };

export interface Answer {
  columns: readonly string[];
  /** Rows in batches, as DuckDB finds them. */
  batches: AsyncIterable<AnswerValue[][]>;
}

/**
 * Asks one SELECT of the cache's views. Memory: a batch of rows beside what DuckDB is allowed.
 * @throws InputError `sql-refused`, `sql-failed`, `memory-limit`; Interrupted. So do the batches.
 */
export async function ask(cache: CacheDatabase, sql: string): Promise<Answer> {
  const { JsonDuckDBValueConverter: json, StatementType } = await loadDuckDB();
  await refuseAllButSelect(cache, sql);
  const result = await explained(sql, async () => {
    const statement = await cache.database.prepare(sql);
    // The check above once more, by other means.
    if (statement.statementType !== StatementType.SELECT) throw refused(sql, 'something else', 'one SELECT');
    return cache.database.guarded(() => statement.stream());
  });
  return { columns: result.deduplicatedColumnNames(), batches: batchesOf(cache, sql, result, json) };
}

async function* batchesOf(
  cache: CacheDatabase,
  sql: string,
  result: DuckDBResult,
  json: typeof JsonDuckDBValueConverter,
): AsyncGenerator<AnswerValue[][]> {
  const batches = result.yieldConvertedRows<AnswerValue>(answerConverter(json));
  for (;;) {
    const { value, done } = await explained(sql, () => cache.database.guarded(() => batches.next()));
    if (done === true) return;
    yield value;
  }
}

/** DuckDB's JSON form, but whole numbers and short decimals as numbers. */
function answerConverter(json: typeof JsonDuckDBValueConverter) {
  const convert = (value: DuckDBValue, type: DuckDBType): AnswerValue => {
    if (typeof value === 'bigint') {
      return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
    }
    const text = json(value, type, convert) as AnswerValue;
    const short = 'width' in type && type.width <= 15;
    return short && typeof text === 'string' ? Number(text) : text;
  };
  return convert;
}

/**
 * The question as DuckDB's own parser sees it.
 * @throws InputError `sql-refused` for anything but one SELECT that names no other table function; `sql-failed` for its syntax.
 */
async function refuseAllButSelect(cache: CacheDatabase, sql: string): Promise<void> {
  if (sql.length > MAX_QUESTION) {
    throw refused(sql, `${sql.length} characters`, `at most ${MAX_QUESTION} characters`);
  }
  // A NUL would end the text for DuckDB, and what is checked would not be what is asked.
  if (sql.includes('\0')) throw refused(sql, 'a NUL character', 'SQL');
  const [row] = await explained(sql, () =>
    cache.database.rows(`SELECT json_serialize_sql(${literal(sql)}) AS parsed`),
  );
  const parsed = JSON.parse(String(row!['parsed'])) as ParsedSql;
  if (parsed.error && parsed.error_type === 'parser') throw failed(sql, parsed.error_message ?? '');
  const count = parsed.statements?.length ?? 0;
  if (parsed.error || count !== 1) {
    const found = parsed.error || count === 0 ? 'something else' : `${count} statements`;
    throw refused(sql, found, 'one SELECT');
  }
  const other = tableFunctionsIn(parsed.statements).find((name) => !TABLE_FUNCTIONS.has(name));
  if (other !== undefined) {
    throw refused(sql, `the table function ${other}`, `none but ${[...TABLE_FUNCTIONS].join(', ')}`);
  }
}

/** What `json_serialize_sql` says. */
interface ParsedSql {
  error: boolean;
  error_type?: string;
  error_message?: string;
  statements?: unknown[];
}

/** Names of all table functions anywhere in a parsed statement, in lower case. */
function tableFunctionsIn(parsed: unknown): string[] {
  const names: string[] = [];
  const waiting: unknown[] = [parsed];
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (node === null || typeof node !== 'object') continue;
    const { type, function: called } = node as { type?: unknown; function?: { function_name?: unknown } };
    if (type === 'TABLE_FUNCTION') names.push(String(called?.function_name).toLowerCase());
    waiting.push(...(Object.values(node) as unknown[]));
  }
  return names;
}

/** Runs what asks DuckDB, and turns its errors into what a user can act on. */
async function explained<T>(sql: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof InputError || error instanceof Interrupted) throw error;
    const found = firstLine(error);
    throw found.startsWith('Out of Memory') ? memoryError(found) : failed(sql, found);
  }
}

function failed(sql: string, message: string): InputError {
  const short = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
  const views = Object.entries(CACHE_VIEWS).map(([name, columns]) => `${name} (${columns})`);
  return new InputError('sql-failed', `DuckDB cannot answer: ${short}`, {
    field: '--sql',
    found: quoteValue(sql),
    hint: `the views are ${views.join('; ')}`,
  });
}

function refused(sql: string, found: string, expected: string): InputError {
  return new InputError('sql-refused', 'the question is not one that may be asked', {
    field: '--sql',
    found: `${found} in ${quoteValue(sql)}`,
    expected,
  });
}
