/** The real models that some tests use; see the folder's SOURCES.md. They are not part of the repository. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const besideRepository = fileURLToPath(new URL('../../../../../shared', import.meta.url));
const root = process.env['SELECTIVE_DPO_SHARED'] ?? besideRepository;
const models = [join(root, 'data/models'), join(root, 'models')].find((path) => existsSync(path));

/** Whether the real models are absent and the tests on them may be skipped. */
export const sharedIsAbsent =
  models === undefined && !(process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('shared');

/** Path of a real model directory. */
export function sharedModel(name: string): string {
  if (models === undefined) throw new Error('set SELECTIVE_DPO_SHARED to the folder of shared test data');
  return resolve(models, name);
}
