import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder =
  process.env['SELECTIVE_DPO_SHARED'] ?? fileURLToPath(new URL('../../../../shared', import.meta.url));
const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('shared');

/** Folder of the real test data, or undefined where it is absent (its tests are then skipped). */
export const shared: string | undefined =
  existsSync(`${folder}/data`) || required ? `${folder}/data` : undefined;

export function sharedJson<T>(path: string): T {
  return JSON.parse(readFileSync(`${shared}/${path}`, 'utf8')) as T;
}
