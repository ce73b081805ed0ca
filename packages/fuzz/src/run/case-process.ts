/** The process in which inputs are parsed, one after the other: node case-process.js MODULE TARGET SEED FIRST END FOLDER. */
import { inputOfCase } from './input-of-case.js';
import { runCase } from './run-case.js';
import type { FuzzTarget } from './target.js';

/** Peak memory of this process, in MiB. */
function peakMiB(): number {
  return process.resourceUsage().maxRSS / 1024;
}

function tell(message: object): Promise<void> {
  return new Promise((resolve) => {
    process.send!(message, () => resolve());
  });
}

async function main(): Promise<void> {
  const [module, name, seed, first, end, folder] = process.argv.slice(2) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const { targets } = (await import(module)) as { targets: readonly FuzzTarget[] };
  const target = targets.find((one) => one.name === name)!;
  const prepared = await target.prepare(folder);
  // Seeds first: what they take is what the parser takes at rest, and each of them has to be read.
  for (const [i, input] of prepared.seeds.entries()) {
    const outcome = await runCase(prepared, input);
    if (outcome.kind !== 'right') await tell({ badSeed: `seed ${i}: ${outcome.kind} ${outcome.detail}` });
  }
  const atRest = peakMiB();
  // What never answers hangs, though nothing is under way.
  process.on('message', () => undefined);
  await tell({ ready: true });
  for (let index = Number(first); index < Number(end); index++) {
    const input = inputOfCase(target, prepared.seeds, Number(seed), index);
    const before = process.cpuUsage();
    const outcome = await runCase(prepared, input);
    const { user, system } = process.cpuUsage(before);
    const memoryMiB = peakMiB() - atRest;
    await tell({ index, ...outcome, cpuMs: (user + system) / 1000, memoryMiB });
    // Peak memory never falls: what comes next needs a new process.
    if (memoryMiB > target.memoryMiB) break;
  }
  await prepared.close?.();
  process.disconnect();
}

await main();
