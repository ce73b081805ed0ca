/**
 * How long the one pass takes by which the inspector comes to know a cache, and what memory it needs.
 *
 *   npm run build
 *   node bench/inspection.mjs [--pairs 100000] [--prompt-tokens 50] [--response-tokens 50] [--folder FOLDER]
 *
 * Writes a synthetic cache with CacheWriter (lengths uniform between half and one and a half of those given). Then a process of its own
 * makes the derived data (pair table, figures, duplicates) without a tokenizer, and another one with that of the demo. Prints seconds,
 * pairs/s and the process's peak resident memory, and beside it that of a process that only reads the same rows. The cache stays
 * in --folder, where one is named.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CacheReader, loadPairTokenizer } from '@selective-dpo/data';
import { derivedData } from '@selective-dpo/inspector';
import { inFileOrder } from './cache-reading.mjs';
import { measuredBench } from './measured-program.mjs';
import { printTable } from './spread.mjs';
import { Stopwatch } from './stopwatch.mjs';
import { SYNTHETIC_INPUTS, writeSyntheticCache } from './synthetic-cache.mjs';
import { TOKENIZER_DIRECTORY } from './synthetic-preferences.mjs';

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '100000' },
    'prompt-tokens': { type: 'string', default: '50' },
    'response-tokens': { type: 'string', default: '50' },
    folder: { type: 'string' },
    task: { type: 'string' },
    cache: { type: 'string' },
    derived: { type: 'string' },
    help: { type: 'boolean' },
  },
});

/** What a process of its own does with the rows of a cache. */
const TASKS = {
  read: (reader) => inFileOrder(reader),
  derive: (reader) => derivedData(reader),
  'derive, with the prompts’ ends': (reader) =>
    derivedData(reader, { tokenizerDirectory: TOKENIZER_DIRECTORY }),
};

if (values.help) {
  console.log(
    'node bench/inspection.mjs [--pairs 100000] [--prompt-tokens 50] [--response-tokens 50] [--folder FOLDER]',
  );
} else if (values.task === undefined) {
  await measureAll();
} else {
  process.env.XDG_CACHE_HOME = values.derived;
  const watch = new Stopwatch();
  const reader = await CacheReader.open(values.cache);
  await watch.time(() => TASKS[values.task](reader));
  await reader.close();
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ seconds: watch.seconds, cpu: watch.cpu, peakMegabytes }));
}

async function measureAll() {
  const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
  const pairs = Number(values.pairs);
  try {
    const cache = values.folder ?? join(folder, 'cache');
    const tokenizer = await loadPairTokenizer(TOKENIZER_DIRECTORY);
    const shape = {
      prompt: Number(values['prompt-tokens']),
      response: Number(values['response-tokens']),
      vocabulary: tokenizer.vocabularySize,
    };
    await writeSyntheticCache(cache, pairs, shape, {
      ...SYNTHETIC_INPUTS,
      tokenizer: { chatTemplateNow: null, chatTemplateGiven: false, ...tokenizer.fingerprint() },
    });
    const rows = Object.keys(TASKS).map((task) => {
      const { seconds, cpu, peakMegabytes } = measuredBench('inspection.mjs', [
        '--task',
        task,
        '--cache',
        cache,
        '--derived',
        folder,
      ]);
      return [
        task,
        seconds.toFixed(1),
        cpu.toFixed(1),
        (pairs / seconds).toFixed(0),
        peakMegabytes.toFixed(0),
      ];
    });
    printTable([`${pairs} pairs`, 'seconds', 'CPU seconds', 'pairs/s', 'peak MB'], rows);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
