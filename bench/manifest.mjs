/**
 * What the manifest of a cache of very many shards costs to seal, write and read, without the shards.
 *
 *   npm run build
 *   node bench/manifest.mjs [--shards 2000,20000,195313]
 *
 * 195,313 shards of 512 rows are 100 million pairs. Every size is a process of its own; memory is the peak of resident memory in MB (1e6 bytes).
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MANIFEST_FILE, readManifest } from '@selective-dpo/data';
import { publishManifest, sealManifest } from '../packages/data/dist/cache/manifest.js';
import { benchFile } from './measured-program.mjs';
import { peakMemory } from './peak-memory.mjs';
import { printTable } from './spread.mjs';
import { Stopwatch } from './stopwatch.mjs';
import { ROWS_PER_SHARD, SYNTHETIC_INPUTS } from './synthetic-cache.mjs';

const { values } = parseArgs({
  options: {
    shards: { type: 'string', default: '2000,20000,195313' },
    one: { type: 'string' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

if (values.help) console.log('node bench/manifest.mjs [--shards 2000,20000,195313]');
else if (values.one !== undefined) console.log(JSON.stringify(await measure(values.one)));
else {
  const rows = values.shards.split(',').map((shards) => {
    const folder = mkdtempSync(join(tmpdir(), 'sdpo-manifest-'));
    try {
      const [written, read] = [['--write'], []].map((args) =>
        JSON.parse(
          execFileSync(process.execPath, [
            benchFile('manifest.mjs'),
            '--shards',
            shards,
            '--one',
            folder,
            ...args,
          ]),
        ),
      );
      const megabytes = statSync(join(folder, MANIFEST_FILE)).size / 1e6;
      return [
        shards,
        megabytes.toFixed(1),
        ...[written, read].flatMap(({ seconds, peak }) => [seconds, peak]),
      ];
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  printTable(['shards', 'MB', 'seconds to seal and write', 'peak MB', 'seconds to read', 'peak MB'], rows);
}

async function measure(folder) {
  const watch = new Stopwatch();
  const count = Number(values.shards);
  if (values.write) {
    const manifest = manifestOf(count);
    await watch.time(() => publishManifest(folder, sealManifest(manifest)));
  } else {
    const { shards } = await watch.time(() => readManifest(folder));
    if (shards.length !== count) throw new Error(`${shards.length} shards of ${count}`);
  }
  return { seconds: watch.seconds.toFixed(2), peak: Math.round(peakMemory() / 1e6) };
}

/** With sizes and digests of the usual length. */
function manifestOf(count) {
  const digest = (i) => i.toString(16).padStart(8, '0').repeat(8);
  const shards = Array.from({ length: count }, (_, i) => {
    const stem = `shards/shard-${String(i).padStart(5, '0')}`;
    return {
      ...{ rows: ROWS_PER_SHARD, responseTokens: 20 * ROWS_PER_SHARD },
      parquet: { name: `${stem}.parquet`, bytes: 140_000, sha256: digest(2 * i) },
      arrow: { name: `${stem}.arrow`, bytes: 150_000, sha256: digest(2 * i + 1) },
    };
  });
  const sum = (name) => shards.reduce((total, shard) => total + shard[name], 0);
  return {
    inputs: SYNTHETIC_INPUTS,
    ...{ rows: sum('rows'), responseTokens: sum('responseTokens'), recordBatchRows: 32, shards, dropped: {} },
    droppedFile: { name: 'dropped.jsonl', bytes: 0, sha256: digest(0) },
  };
}
