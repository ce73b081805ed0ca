/**
 * Whether time grows with a cache's pairs as it must and memory does not: synthetic caches of several sizes are written,
 * opened, and read once in the order of the file and in a shuffled training order, the largest also four times; preference
 * files of several sizes are scored by a scorer that needs no model. Each in a process of its own, repetitions interleaved.
 *
 *   npm run build
 *   node bench/growth.mjs [--sizes 1000,10000,100000] [--scored 1000,10000] [--repetitions 5] [--batch 8]
 *
 * Prints medians with the smallest and largest; CPU time is that of all threads of the process, less touched by what else the
 * machine does. Peak memory is resident, Node's own part of it is in the first line.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CacheReader, CacheWriter, loadPairTokenizer, openPreferenceSource } from '@selective-dpo/data';
import { inFileOrder, inTrainingOrder } from './cache-reading.mjs';
import { printTable, spread } from './medians.mjs';
import { Stopwatch } from './stopwatch.mjs';
import { SYNTHETIC_INPUTS, writeSyntheticCache } from './synthetic-cache.mjs';
import { TOKENIZER_DIRECTORY, constantScorer, writeSyntheticPreferences } from './synthetic-preferences.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sizes: { type: 'string', default: '1000,10000,100000' },
    scored: { type: 'string', default: '1000,10000' },
    repetitions: { type: 'string', default: '5' },
    batch: { type: 'string', default: '8' },
    help: { type: 'boolean' },
  },
});
const [repetitions, batch] = [values.repetitions, values.batch].map(Number);
const list = (text) => text.split(',').filter(Boolean).map(Number);

/** What a process of its own does; each says how many seconds it took, by the clock and of CPU. */
const tasks = {
  nothing: async () => ({ seconds: 0, cpu: 0 }),
  open: (cache) => timed(async () => (await CacheReader.open(cache)).close()),
  'read, file order': (cache) => reading(cache, inFileOrder),
  'read, training order': (cache) => reading(cache, (reader) => inTrainingOrder(reader, 0, batch)),
  'four times, file order': (cache) => reading(cache, (reader) => fourTimes(() => inFileOrder(reader))),
  'four times, training order': (cache) =>
    reading(cache, (reader) => fourTimes((epoch) => inTrainingOrder(reader, epoch, batch))),
  write: (cache, pairs) => timed(() => writeSyntheticCache(cache, Number(pairs))),
  score,
};

async function timed(work) {
  const watch = new Stopwatch();
  await watch.time(work);
  return { seconds: watch.seconds, cpu: watch.cpu };
}

async function reading(cache, read) {
  const reader = await CacheReader.open(cache);
  try {
    return await timed(() => read(reader));
  } finally {
    await reader.close();
  }
}

async function fourTimes(read) {
  for (let i = 0; i < 4; i++) await read(i);
}

/** The scoring pass from the preference file to the finished cache, without a model. */
async function score(dataFile, outDirectory) {
  const { ScoringPass } = await import('../packages/ref-scorer/dist/scoring-pass.js');
  const source = await openPreferenceSource(dataFile);
  const tokenizer = await loadPairTokenizer(TOKENIZER_DIRECTORY);
  const writer = await CacheWriter.open(outDirectory, SYNTHETIC_INPUTS);
  const { rowsPerShard } = SYNTHETIC_INPUTS;
  try {
    const options = { modelDirectory: TOKENIZER_DIRECTORY, dataFile, outDirectory };
    const pass = new ScoringPass(options, source, tokenizer, constantScorer, writer, rowsPerShard, 1 << 20);
    return await timed(() => pass.run());
  } finally {
    await writer.close();
  }
}

if (values.help) {
  console.log('node bench/growth.mjs [--sizes 1000,10000,100000] [--scored 1000,10000] [--repetitions 5]');
  process.exit(0);
}
if (positionals.length > 0) {
  const [task, ...args] = positionals;
  const result = { ...(await tasks[task](...args)), peakMb: process.resourceUsage().maxRSS / 1024 };
  console.log(JSON.stringify(result));
  process.exit(0);
}

const results = new Map();
function runAlone(task, pairs, ...args) {
  const self = fileURLToPath(import.meta.url);
  const out = execFileSync(process.execPath, [self, '--batch', values.batch, task, ...args], {
    encoding: 'utf8',
  });
  const key = `${task}/${pairs}`;
  results.set(key, [...(results.get(key) ?? []), JSON.parse(out)]);
}

const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const place = (name, size) => join(folder, `${name}-${size}`);
try {
  for (const size of list(values.sizes)) runAlone('write', size, place('cache', size), String(size));
  for (const size of list(values.scored)) await writeSyntheticPreferences(place('rows', size), size);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    runAlone('nothing', 0);
    for (const task of ['open', 'read, file order', 'read, training order']) {
      for (const size of list(values.sizes)) runAlone(task, size, place('cache', size));
    }
    const largest = Math.max(...list(values.sizes), 0);
    for (const task of ['four times, file order', 'four times, training order']) {
      if (largest > 0) runAlone(task, largest, place('cache', largest));
    }
    for (const size of list(values.scored)) {
      const out = place('scored', size);
      runAlone('score', size, place('rows', size), out);
      rmSync(out, { recursive: true });
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}

printTable(
  ['what', 'pairs', 'seconds', 'µs a pair', 'CPU µs a pair', 'peak MB'],
  [...results].map(([key, runs]) => {
    const [task, pairs] = key.split('/');
    const each = (name) =>
      spread(
        runs.map((run) => (run[name] / Math.max(1, Number(pairs))) * 1e6),
        1,
      );
    const times = spread(
      runs.map((run) => run.seconds),
      3,
    );
    return [task, pairs, times, each('seconds'), each('cpu'), spread(runs.map((run) => run.peakMb))];
  }),
);
