/** The input of one case, to look at: node packages/fuzz/dist/input-of-case.js TARGET SEED CASE > FILE */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inputOfCase } from './run/input-of-case.js';
import { targets } from './targets/index.js';

const [name, seed, index] = process.argv.slice(2);
const target = targets.find((one) => one.name === name);
if (target === undefined || seed === undefined || index === undefined) {
  const names = targets.map((one) => one.name).join(', ');
  process.stderr.write(`input-of-case.js TARGET SEED CASE, TARGET being one of ${names}\n`);
  process.exitCode = 2;
} else {
  const folder = await mkdtemp(join(tmpdir(), 'sdpo-fuzz-'));
  const prepared = await target.prepare(folder);
  process.stdout.write(inputOfCase(target, prepared.seeds, Number(seed), Number(index)));
  await rm(folder, { recursive: true });
}
