/**
 * How fast the reference cache is written and read on this machine.
 *
 *   npm run build
 *   node bench/cache.mjs [--pairs 10000] [--repetitions 5] [--batch 8]
 *
 * Writes a synthetic cache (150 prompt and twice 80 response tokens a pair on average) with CacheWriter: Parquet, Arrow,
 * digests, flushed to disk. Reads it with CacheReader: the first time, when each shard's digest is checked, and after
 * that, in the order of the file and in a shuffled training order, a batch ahead, as the trainer does. Prints medians over
 * the repetitions, which are interleaved, with the smallest and largest, and the machine's own rates. MB are of Arrow
 * files in reading, of all files in writing.
 */
import { performance } from 'node:perf_hooks';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CacheReader } from '@selective-dpo/data';
import { inFileOrder, inTrainingOrder } from './cache-reading.mjs';
import { printTable, spread } from './medians.mjs';
import { writeSyntheticCache } from './synthetic-cache.mjs';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '10000' },
    repetitions: { type: 'string', default: '5' },
    batch: { type: 'string', default: '8' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  console.log('node bench/cache.mjs [--pairs 10000] [--repetitions 5] [--batch 8]');
  process.exit(0);
}
const [pairs, repetitions, batch] = [values.pairs, values.repetitions, values.batch].map(Number);

async function seconds(work) {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const times = { written: [], first: [], order: [], shuffled: [], file: [], copy: [], digest: [] };
let size;
try {
  const cache = join(folder, 'cache');
  size = await writeSyntheticCache(cache, pairs);
  const steady = await CacheReader.open(cache);
  await inFileOrder(steady);
  const files = steady.manifest.shards.map((shard) => join(cache, shard.arrow.name));
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const again = join(folder, `again-${repetition}`);
    times.written.push((await writeSyntheticCache(again, pairs)).seconds);
    rmSync(again, { recursive: true });
    const fresh = await CacheReader.open(cache);
    times.first.push(await seconds(() => inFileOrder(fresh)));
    await fresh.close();
    times.order.push(await seconds(() => inFileOrder(steady)));
    times.shuffled.push(await seconds(() => inTrainingOrder(steady, repetition, batch)));
    times.file.push(
      await seconds(async () => {
        for (const file of files) await readFile(file);
      }),
    );
    const block = new Uint8Array(await readFile(files[0]));
    const target = new Uint8Array(block.length);
    times.copy.push(
      await seconds(async () => {
        for (let i = 0; i < files.length; i++) target.set(block);
      }),
    );
    times.digest.push(
      await seconds(async () => {
        for (let i = 0; i < files.length; i++) createHash('sha256').update(block).digest();
      }),
    );
  }
  await steady.close();
} finally {
  rmSync(folder, { recursive: true });
}

const { arrowBytes, parquetBytes } = size;
const row = (name, list, bytes) => [
  name,
  spread(list.map((time) => bytes / 1e6 / time)),
  spread(list.map((time) => pairs / time)),
];
printTable(
  ['what', 'MB/s', 'pairs/s'],
  [
    row('written (Parquet, Arrow, digests)', times.written, arrowBytes + parquetBytes),
    row('read, digests checked', times.first, arrowBytes),
    row('read again, order of the file', times.order, arrowBytes),
    row(`read again, training order, batches of ${batch}`, times.shuffled, arrowBytes),
    row('machine: the Arrow files with readFile', times.file, arrowBytes),
    row('machine: memory copy', times.copy, arrowBytes),
    row('machine: SHA-256', times.digest, arrowBytes),
  ],
);
console.log(
  `${pairs} pairs, ${(arrowBytes / 1e6).toFixed(1)} MB Arrow, ${(parquetBytes / 1e6).toFixed(1)} MB Parquet, ` +
    `${repetitions} repetitions, peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`,
);
