/**
 * Speed and memory of stage one beside transformers: the same model, texts, lengths, precision, threads and allocator
 * settings, runs interleaved. First both must give the same ids and log-probs, of every row; then the yardstick's best batch
 * is looked for, with the output projection on all positions (the usual call) and on those of responses alone.
 *
 *   npm run build
 *   pip install -r bench/transformers/requirements.txt
 *   node bench/scoring-against-transformers.mjs --model DIR --data FILE [--python python3] [--pairs 5] [--rows 96]
 *        [--batches 4,8,16] [--max-length 512] [--precision fp32] [--batch-tokens N]
 *
 * Both clocks run from the loaded model to log-probs: tokenising, batching, the model; ours writes its cache as well. Tokens
 * are those of a plain evaluation, prompt + response of both answers. Prints medians, smallest and largest.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CacheReader } from '@selective-dpo/data';
import { benchFile, measuredBench, measuredProgram } from './measured-program.mjs';
import { writePreferenceTexts } from './preference-texts.mjs';
import { ratios, spread, tableRow } from './spread.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    pairs: { type: 'string', default: '5' },
    rows: { type: 'string', default: '96' },
    batches: { type: 'string', default: '4,8,16' },
    'max-length': { type: 'string', default: '512' },
    precision: { type: 'string', default: 'fp32' },
    'batch-tokens': { type: 'string' },
  },
});
if (!values.model || !values.data) {
  console.log(
    'node bench/scoring-against-transformers.mjs --model DIR --data FILE …, see the head of the file',
  );
  process.exit(2);
}
/**
 * Most that two float32 evaluations of a log-prob may differ: in nats, and of a log-prob below -1 as a share of it. Both with
 * rotary angles in float64: those of a plain call of transformers alone make up to 1.1e-4 nats at position 500.
 */
const TOLERANCE = 4e-5;
const HEADS = ['all', 'response'];
const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const rows = join(folder, 'rows.jsonl');
const shared = [
  '--model',
  values.model,
  '--max-length',
  values['max-length'],
  '--precision',
  values.precision,
];

const yardstick = (head, batch, more = []) =>
  measuredProgram(values.python, [
    ...[benchFile('transformers/score.py'), ...shared, '--rows', rows],
    ...['--head', head, '--batch', String(batch), ...more],
  ]);
const own = (more = []) =>
  measuredBench('scoring-pass.mjs', [
    ...[...shared, '--data', rows, ...more],
    ...(values['batch-tokens'] === undefined ? [] : ['--batch-tokens', values['batch-tokens']]),
  ]);

/** The largest difference of any log-prob, in nats. @throws Error where ids or log-probs differ. */
async function largestDifference() {
  const [cacheFolder, file] = [join(folder, 'cache'), join(folder, 'logps.jsonl')];
  own(['--out', cacheFolder]);
  yardstick('all', 8, ['--out', file, '--exact-angles']);
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const cache = await CacheReader.open(cacheFolder);
  try {
    if (lines.length !== 2 * cache.rowCount) {
      throw new Error(
        `${cache.rowCount} pairs here, ${lines.length / 2} there: both must score the same rows`,
      );
    }
    let largest = 0;
    for (let i = 0; i < cache.rowCount; i++) {
      const row = await cache.row(i);
      for (const [j, side] of ['chosen', 'rejected'].entries()) {
        const { ids, start, logps } = lines[2 * i + j];
        const ownIds = [...row.promptIds, ...row[`${side}Ids`]];
        if (start !== row.promptIds.length || ids.join() !== ownIds.join()) {
          throw new Error(`row ${i}, ${side}: the ids differ`);
        }
        row[`${side}RefLogps`].forEach((logp, t) => {
          const difference = Math.abs(logp - logps[t]);
          largest = Math.max(largest, difference);
          if (difference <= TOLERANCE * Math.max(1, Math.abs(logp))) return;
          throw new Error(`row ${i}, ${side}, token ${t}: log-prob ${logp} here, ${logps[t]} there`);
        });
      }
    }
    return largest;
  } finally {
    await cache.close();
  }
}

const results = { all: [], response: [], own: [] };
try {
  await writePreferenceTexts(
    { ...values, maxLength: Number(values['max-length']), count: Number(values.rows) },
    rows,
  );
  console.log(`largest difference of a log-prob: ${(await largestDifference()).toExponential(1)} nats`);
  const best = {};
  for (const head of HEADS) {
    const tried = values.batches.split(',').map((batch) => [batch, yardstick(head, batch).seconds]);
    best[head] = tried.reduce((a, b) => (b[1] < a[1] ? b : a))[0];
    const shown = tried.map(([batch, seconds]) => `${batch}: ${seconds.toFixed(1)} s`).join(', ');
    console.log(`transformers, head on ${head}: batch ${best[head]} (${shown})`);
  }
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    for (const head of HEADS) {
      const run = yardstick(head, best[head]);
      results[head].push({ ...run, tokensPerSecond: run.tokens / run.seconds });
    }
    results.own.push(own(['--matmul']));
    const speeds = [...HEADS, 'own'].map((side) => results[side].at(-1).tokensPerSecond.toFixed(0));
    console.error(`pair ${pair + 1}: transformers ${speeds[0]}, ${speeds[1]}, own ${speeds[2]} tokens/s`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

const [{ pairs, tokens, responseTokens, packedTokens }] = results.own;
const each = (side, pick) => results[side].map(pick);
const row = (name, pick, digits) =>
  tableRow(
    ...[name, ...HEADS.map((head) => spread(each(head, pick), digits)), spread(each('own', pick), digits)],
    ...HEADS.map((head) => `${spread(ratios(each('own', pick), each(head, pick)))} ×`),
  );
console.log(
  `${pairs} pairs: ${tokens} tokens, ${packedTokens} with each prompt once, ${responseTokens} of responses`,
);
console.log(tableRow('', 'transformers', 'its head on responses', 'selective-dpo', 'ratio', 'ratio'));
console.log(tableRow(...Array(6).fill('---')));
console.log(row('tokens/s', (run) => run.tokensPerSecond, 0));
console.log(row('response tokens/s', (run) => (run.tokensPerSecond * responseTokens) / tokens, 0));
console.log(row('processor seconds', (run) => run.processorSeconds, 1));
console.log(row('peak GB', (run) => run.peakRssMb / 1024, 2));
const percent = (pick) => `${spread(each('own', pick).map((share) => 100 * share))}%`;
console.log(
  `own trunk ${spread(each('own', (run) => run.trunkGflops))} of ${spread(each('own', (run) => run.matmulGflops))} GFLOP/s ` +
    `matmul; outside the model ${percent((run) => run.outsideModel)} of the time`,
);
