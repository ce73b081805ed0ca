/** node packages/fuzz/dist/main.js [--cases 10000] [--seed 1] [--target NAME]… [--save DIR]: every parser, a line each. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inputOfCase } from './run/case-process.js';
import { runTarget, type TargetResult } from './run/run-target.js';
import { targets } from './targets/index.js';
import type { FuzzTarget } from './run/target.js';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    target: { type: 'string', multiple: true },
    save: { type: 'string' },
  },
});
const module = new URL('./targets/index.js', import.meta.url).href;
const chosen = targets.filter(({ name }) => values.target?.includes(name) ?? true);
const scratch = await mkdtemp(join(tmpdir(), 'sdpo-fuzz-'));
const print = (line: string): boolean => process.stdout.write(`${line}\n`);

async function save(target: FuzzTarget, { failures }: TargetResult): Promise<void> {
  if (values.save === undefined) return;
  await mkdir(values.save, { recursive: true });
  const folder = join(scratch, `${target.name}-seeds`);
  await mkdir(folder);
  const { seeds, close } = await target.prepare(folder);
  for (const { index, kind } of failures.slice(0, 20)) {
    await writeFile(
      join(values.save, `${target.name}-${index}-${kind}`),
      inputOfCase(target, seeds, Number(values.seed), index),
    );
  }
  await close?.();
}

async function run(target: FuzzTarget): Promise<boolean> {
  const started = performance.now();
  const result = await runTarget(target, {
    ...{ module, cases: Number(values.cases), seed: Number(values.seed), first: Number(values.first) },
    folder: join(scratch, target.name),
  });
  const counts = [...result.counts].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${count} ${kind}`);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  print(
    `${target.name}: ${seconds} s, at most ${Math.round(result.mostCpuMs)} ms and ${Math.round(result.mostMemoryMiB)} MiB ` +
      `(limit ${target.memoryMiB}); ${counts.slice(0, 12).join(', ')}`,
  );
  for (const seed of result.badSeeds) print(`  ${seed}`);
  for (const { index, kind, detail } of result.failures.slice(0, 12))
    print(`  case ${index}: ${kind}: ${detail.slice(0, 400)}`);
  await save(target, result);
  return result.failures.length === 0 && result.badSeeds.length === 0;
}

const queue = [...chosen];
let sound = true;
await Promise.all(
  [0, 1].map(async () => {
    for (let target; (target = queue.shift()) !== undefined;) if (!(await run(target))) sound = false;
  }),
);
await rm(scratch, { recursive: true, force: true });
process.exitCode = sound ? 0 : 1;
