/**
 * Training speed and memory beside TRL: the same model, rows, batch, lengths, precision, threads and allocator settings,
 * reference log-probs precomputed in both, runs interleaved.
 *
 *   npm run build
 *   pip install -r bench/trl/requirements.txt
 *   node bench/training-against-trl.mjs --model DIR --data FILE [--python python3] [--pairs 5] [--steps 6] [--batch 4]
 *        [--max-length 512] [--precision fp32] [--keep 0.4] [--activations keep|recompute]
 *
 * Prints a table of medians over the pairs of runs, with the smallest and largest, and the machine's own matmul.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import { benchFile, measuredBench, measuredProgram } from './measured-program.mjs';
import { writePreferenceTexts } from './preference-texts.mjs';
import { median, ratios, spread, tableRow } from './spread.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    pairs: { type: 'string', default: '5' },
    steps: { type: 'string', default: '6' },
    batch: { type: 'string', default: '4' },
    'max-length': { type: 'string', default: '512' },
    precision: { type: 'string', default: 'fp32' },
    keep: { type: 'string', default: '0.4' },
    activations: { type: 'string', default: 'keep' },
  },
});
if (!values.model || !values.data) {
  console.log(
    'node bench/training-against-trl.mjs --model DIR --data FILE [--python PYTHON] …, see the head of the file',
  );
  process.exit(2);
}
const [pairs, steps, batch] = [values.pairs, values.steps, values.batch].map(Number);
const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const [rows, cache] = [join(folder, 'rows.jsonl'), join(folder, 'cache')];
const results = { trl: [], own: [] };
try {
  await writePreferenceTexts(
    { ...values, maxLength: Number(values['max-length']), count: steps * batch },
    rows,
  );
  await scoreDataset({
    ...{ modelDirectory: values.model, dataFile: rows, outDirectory: cache },
    ...{ engine: 'tensorflow', limits: { maxLength: Number(values['max-length']) } },
  });
  for (let pair = 0; pair < pairs; pair++) {
    const trl = measuredProgram(values.python, [
      ...[benchFile('trl/train_dpo.py'), '--model', values.model, '--rows', rows],
      ...['--steps', values.steps, '--batch', values.batch, '--max-length', values['max-length']],
      ...[
        '--precision',
        values.precision,
        ...(values.activations === 'recompute' ? ['--checkpointing'] : []),
      ],
    ]);
    const own = measuredBench('training-step.mjs', [
      ...['--policy', values.model, '--cache', cache, '--steps', values.steps],
      ...[
        `batchSize=${batch}`,
        'shuffle=false',
        'lrSchedule=constant',
        'learningRate=1e-6',
        `keep=${values.keep}`,
      ],
      ...['engine=tensorflow', `precision=${values.precision}`, `activations=${values.activations}`],
    ]);
    results.trl.push({ pairsPerSecond: batch / median(trl.seconds.slice(2)), peakRssMb: trl.peakRssMb });
    results.own.push(own);
    console.error(
      `pair ${pair + 1}: TRL ${results.trl.at(-1).pairsPerSecond.toFixed(2)}, own ${own.pairsPerSecond.toFixed(2)} pairs/s`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
const each = (side, name) => results[side].map((result) => result[name]);
const beside = (name) => spread(ratios(each('own', name), each('trl', name)));
console.log(tableRow('', 'TRL', 'selective-dpo', 'ratio'));
console.log(tableRow(...Array(4).fill('---')));
console.log(
  tableRow(
    ...['pairs/s', spread(each('trl', 'pairsPerSecond')), spread(each('own', 'pairsPerSecond'))],
    `${beside('pairsPerSecond')} ×`,
  ),
);
const gigabytes = (side) => each(side, 'peakRssMb').map((mb) => mb / 1024);
console.log(
  tableRow('peak GB', spread(gigabytes('trl')), spread(gigabytes('own')), `${beside('peakRssMb')} ×`),
);
console.log(
  `own trunk ${spread(each('own', 'trunkGflops'))} of ${spread(each('own', 'matmulGflops'))} GFLOP/s matmul, ` +
    `utilisation ${spread(each('own', 'trunkUtilisation'))}`,
);
