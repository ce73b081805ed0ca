/** The real data some tests use (see its SOURCES.md). It is not part of the repository. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const beside = fileURLToPath(new URL('../../../../../shared', import.meta.url));
const folder = process.env['SELECTIVE_DPO_SHARED'] ?? beside;
const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('shared');
const data = [join(folder, 'data'), folder].find((path) => existsSync(join(path, 'preferences')));

/** False where the real data is absent: its tests are then skipped, or fail if SELECTIVE_DPO_REQUIRE lists `shared`. */
export const shared = data !== undefined || required;

export function sharedPath(path: string): string {
  if (data === undefined) throw new Error('real data is required: set SELECTIVE_DPO_SHARED to its folder');
  return join(data, path);
}

export function sharedJson<T>(path: string): T {
  return JSON.parse(readFileSync(sharedPath(path), 'utf8')) as T;
}
