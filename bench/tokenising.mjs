/**
 * How fast rows become pairs of ids: what every worker of stage one does with the whole dataset, whichever shards are its own.
 *
 *   npm run build
 *   node bench/tokenising.mjs [--rows 5000] [--tokenizer DIR --data FILE]
 *
 * Synthetic rows of 120 and twice 64 words with the demo's tokenizer, unless others are given. Per second of CPU: rows read (done once more, to
 * know their number), pairs, and their tokens (prompt + chosen + rejected).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isDroppedRow, loadPairTokenizer, openPreferenceSource, tokenizePairs } from '@selective-dpo/data';
import { printTable } from './spread.mjs';
import { Stopwatch } from './stopwatch.mjs';
import { TOKENIZER_DIRECTORY, writeSyntheticPreferences } from './synthetic-preferences.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000' },
    tokenizer: { type: 'string', default: TOKENIZER_DIRECTORY },
    data: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  console.log('node bench/tokenising.mjs [--rows 5000] [--tokenizer DIR --data FILE]');
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
try {
  const file = values.data ?? join(folder, 'pairs.jsonl');
  if (values.data === undefined) await writeSyntheticPreferences(file, Number(values.rows));
  const source = await openPreferenceSource(file, { limit: Number(values.rows) });
  const tokenizer = await loadPairTokenizer(values.tokenizer);
  const [reading, tokenising] = [new Stopwatch(), new Stopwatch()];
  let [rows, pairs, tokens] = [0, 0, 0];
  await reading.time(async () => {
    for await (const row of source.rows()) if (row !== undefined) rows++;
  });
  await tokenising.time(async () => {
    for await (const pair of tokenizePairs(source, tokenizer)) {
      if (isDroppedRow(pair)) continue;
      pairs++;
      tokens += pair.promptIds.length + pair.chosenIds.length + pair.rejectedIds.length;
    }
  });
  printTable(
    ['rows', 'tokens a pair', 'rows read a CPU second', 'pairs a CPU second', 'tokens a CPU second'],
    [
      [rows, tokens / pairs, rows / reading.cpu, pairs / tokenising.cpu, tokens / tokenising.cpu].map(
        Math.round,
      ),
    ],
  );
} finally {
  rmSync(folder, { recursive: true });
}
