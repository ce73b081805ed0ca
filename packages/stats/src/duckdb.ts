/** DuckDB, loaded when it is first asked for: its binding is native, and most commands do without it. */
import type * as NodeApi from '@duckdb/node-api';
import { InputError } from '@selective-dpo/foundation';

export type DuckDB = typeof NodeApi;

/**
 * The library with this platform's binding.
 * @param load for tests.
 * @throws InputError `duckdb-missing` where there is no binding for this platform, or it cannot be loaded.
 */
export async function loadDuckDB(
  load: () => Promise<DuckDB> = () => import('@duckdb/node-api'),
): Promise<DuckDB> {
  try {
    return await load();
  } catch (error) {
    const platform = `${process.platform}-${process.arch}`;
    throw new InputError('duckdb-missing', 'DuckDB cannot be loaded on this machine', {
      found: firstLine(error),
      expected: `DuckDB’s binding for ${platform}`,
      hint: 'run npm install again without --omit=optional; DuckDB has bindings for Linux, macOS and Windows on x64 and arm64',
    });
  }
}

/** The first line of what went wrong. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0]!;
}

/** A text as an SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
