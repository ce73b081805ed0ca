/**
 * How fast the reference cache is written and read on this machine.
 *
 *   npm run build
 *   node bench/cache.mjs [--pairs 10000] [--repetitions 5] [--batch 8]
 *
 * Writes a synthetic cache (150 prompt and twice 80 response tokens a pair on average) with CacheWriter: Parquet, Arrow,
 * digests, flushed to disk. Reads it with CacheReader: the first time, when each shard's digest is checked, and after
 * that, in the order of the file and in a shuffled training order, a batch ahead, as the trainer does. Prints medians over
 * the repetitions, which are interleaved, with the smallest and largest, and the machine's own rates; CPU seconds are those
 * of all threads of the process, less touched by what else the machine does. MB are of Arrow files in reading, of all files in
 * writing.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CacheReader } from '@selective-dpo/data';
import { inFileOrder, inTrainingOrder } from './cache-reading.mjs';
import { printTable, spread } from './medians.mjs';
import { timePasses } from './stopwatch.mjs';
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

/** Opened anew, so that digests are checked. */
async function readOnce(cache) {
  const reader = await CacheReader.open(cache);
  try {
    await inFileOrder(reader);
  } finally {
    await reader.close();
  }
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
  const block = new Uint8Array(readFileSync(files[0]));
  const target = new Uint8Array(block.length);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const again = join(folder, `again-${repetition}`);
    times.written.push(await writeSyntheticCache(again, pairs));
    rmSync(again, { recursive: true });
    times.first.push(await timePasses(() => readOnce(cache)));
    times.order.push(await timePasses(() => inFileOrder(steady)));
    times.shuffled.push(await timePasses(() => inTrainingOrder(steady, repetition, batch)));
    times.file.push(
      await timePasses(async () => {
        for (const file of files) await readFile(file);
      }),
    );
    times.copy.push(await timePasses(() => files.forEach(() => target.set(block))));
    times.digest.push(
      await timePasses(() => files.forEach(() => createHash('sha256').update(block).digest())),
    );
  }
  await steady.close();
} finally {
  rmSync(folder, { recursive: true });
}

const { arrowBytes, parquetBytes } = size;
const row = (name, list, bytes) => [
  name,
  spread(list.map(({ seconds }) => bytes / 1e6 / seconds)),
  spread(list.map(({ seconds }) => pairs / seconds)),
  spread(list.map(({ cpu }) => bytes / 1e6 / cpu)),
];
printTable(
  ['what', 'MB/s', 'pairs/s', 'MB a CPU second'],
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
