/**
 * What caches of many short pairs cost, and whether memory stays what it is as they grow: written by several workers, merged, verified,
 * shuffled, and read as a training reads them.
 *
 *   npm run build
 *   node bench/scale.mjs [--pairs 10000,100000,1000000] [--workers 8] [--at-once 2] [--rows-per-shard 512] [--folder DIR] [--json]
 *
 * Prompts have 8 to 24 tokens and answers 5 to 15, seeded. Every phase is a process of its own; --at-once of the workers run at one time.
 * Prints per phase seconds, pairs/s, MB/s of all files (1e6 bytes), and the peak of resident memory in MB (of the largest worker), beside the
 * machine's own rates of reading and of SHA-256; what each phase has seen is held against what was written. --phases takes some of them
 * (after `write` and `merge`, which are always done unless --folder, where the caches stay, has them). Exit code 1 if a count is wrong.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { MANIFEST_FILE, readManifest } from '@selective-dpo/data';
import { benchFile } from './measured-program.mjs';
import { peakMemory } from './peak-memory.mjs';
import { PHASES, sizeOf } from './scale-phases.mjs';
import { printTable } from './spread.mjs';
import { ROWS_PER_SHARD } from './synthetic-cache.mjs';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '10000,100000,1000000' },
    workers: { type: 'string', default: '8' },
    'at-once': { type: 'string', default: '2' },
    'rows-per-shard': { type: 'string', default: String(ROWS_PER_SHARD) },
    folder: { type: 'string' },
    phases: { type: 'string' },
    json: { type: 'boolean', default: false },
    phase: { type: 'string' },
    settings: { type: 'string' },
    help: { type: 'boolean' },
  },
});
const run = promisify(execFile);

if (values.help) {
  console.log(
    'node bench/scale.mjs [--pairs 10000,100000,1000000] [--workers 8] [--at-once 2] [--rows-per-shard 512] [--folder DIR] [--phases NAME,…] [--json]',
  );
} else if (values.phase !== undefined) {
  const { cache, ...settings } = JSON.parse(values.settings);
  const figures = await PHASES[values.phase](cache, settings);
  console.log(JSON.stringify({ ...figures, peak: peakMemory() }));
} else {
  await measureAll();
}

async function measureAll() {
  const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'sdpo-scale-'));
  mkdirSync(folder, { recursive: true });
  try {
    for (const pairs of values.pairs.split(',').map(Number)) await measure(folder, pairs);
  } finally {
    if (values.folder === undefined) rmSync(folder, { recursive: true });
  }
}

/** All phases on a cache of `pairs`. */
async function measure(folder, pairs) {
  const [workers, rowsPerShard] = [Number(values.workers), Number(values['rows-per-shard'])];
  const cache = join(folder, `cache-${pairs}-${rowsPerShard}`);
  const settings = { cache, pairs, workers, rowsPerShard, derived: join(folder, 'derived') };
  const results = [];
  const add = (phase, figures) => {
    results.push({ phase, ...figures });
    if (values.json) console.log(JSON.stringify({ pairs, phase, ...figures }));
    else console.error(`${pairs} pairs, ${phase}: ${figures.seconds.toFixed(1)} s`);
  };
  if (!existsSync(join(cache, MANIFEST_FILE))) {
    add('write', await writeByWorkers(settings));
    add('merge', await runPhase('merge', settings));
  }
  const named = values.phases?.split(',').map((name) => name.trim());
  for (const phase of Object.keys(PHASES)) {
    if (phase === 'write' || phase === 'merge' || (named && !named.some((name) => phase.startsWith(name))))
      continue;
    add(phase, await runPhase(phase, settings));
  }
  const size = await sizeOf(cache);
  const { rows, responseTokens, shards } = await readManifest(cache);
  const figures = { pairs: rows, responseTokens, shards: shards.length };
  refuseOtherCounts(pairs, results, figures);
  rmSync(settings.derived, { recursive: true, force: true });
  if (values.json) console.log(JSON.stringify({ ...figures, phase: 'cache', ...size }));
  else printSize(results, figures, size);
}

async function runPhase(phase, settings) {
  const args = [benchFile('scale.mjs'), '--phase', phase, '--settings', JSON.stringify(settings)];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 26 });
  return JSON.parse(stdout);
}

/** Every worker is a process; seconds are from the first one's start to the last one's end, the peak is the largest. */
async function writeByWorkers(settings) {
  const started = performance.now();
  const waiting = Array.from({ length: settings.workers }, (_, index) => index);
  const parts = [];
  const oneAfterTheOther = async () => {
    for (let index; (index = waiting.shift()) !== undefined;) {
      parts.push(await runPhase('write', { ...settings, index }));
    }
  };
  await Promise.all(Array.from({ length: Number(values['at-once']) }, oneAfterTheOther));
  const sum = (name) => parts.reduce((total, part) => total + part[name], 0);
  return {
    seconds: (performance.now() - started) / 1000,
    cpu: sum('cpu'),
    pairs: sum('pairs'),
    peak: Math.max(...parts.map(({ peak }) => peak)),
  };
}

/** Every phase tells what it has seen; all of it is what was asked for. */
function refuseOtherCounts(pairs, results, expected) {
  if (expected.pairs !== pairs) throw new Error(`${expected.pairs} pairs of ${pairs}`);
  for (const result of results) {
    for (const name of ['pairs', 'responseTokens', 'shards']) {
      if (result[name] === undefined || result[name] === expected[name]) continue;
      throw new Error(`${result.phase}: ${result[name]} ${name} of ${expected[name]}`);
    }
  }
}

function printSize(results, { pairs, responseTokens, shards }, { files, bytes, manifestBytes }) {
  console.log(
    `\n${pairs} pairs, ${responseTokens} response tokens, ${shards} shards: ${files} files, ${(bytes / 1e6).toFixed(1)} MB ` +
      `(${(bytes / pairs).toFixed(0)} bytes a pair), manifest.json ${(manifestBytes / 1e6).toFixed(2)} MB\n`,
  );
  printTable(
    ['phase', 'seconds', 'CPU seconds', 'pairs/s', 'MB/s', 'peak MB'],
    results.map(({ phase, seconds, cpu, peak, ...result }) => [
      phase,
      seconds.toFixed(2),
      cpu.toFixed(2),
      result.pairs === undefined ? '' : Math.round(pairs / seconds),
      result.pairs === undefined ? '' : Math.round(bytes / 1e6 / seconds),
      Math.round(peak / 1e6),
    ]),
  );
}
