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
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openPreferenceSource } from '@selective-dpo/data';
import { scoreDataset } from '@selective-dpo/ref-scorer';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
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
// Without these glibc gives memory back after every operation and PyTorch spends most of a step on page faults.
const env = {
  ...process.env,
  MALLOC_MMAP_THRESHOLD_: String(2 ** 32),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 32),
  OMP_NUM_THREADS: '2',
};

/** The first usable rows as texts, for both sides. */
async function writeRows(file) {
  const source = await openPreferenceSource(values.data);
  const out = createWriteStream(file);
  let rows = 0;
  for await (const row of source.rows()) {
    const text = row?.text;
    if (!text || !text.chosen.trim() || !text.rejected.trim() || text.chosen === text.rejected) continue;
    out.write(`${JSON.stringify({ prompt: text.prompt, chosen: text.chosen, rejected: text.rejected })}\n`);
    if (++rows === steps * batch) break;
  }
  out.end();
  await once(out, 'finish');
  if (rows < steps * batch)
    throw new Error(`${values.data} has ${rows} usable rows, ${steps * batch} are needed`);
}

const run = (program, args) =>
  JSON.parse(
    execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .split('\n')
      .at(-1),
  );
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const spread = (list) =>
  `${median(list).toFixed(2)} (${Math.min(...list).toFixed(2)}–${Math.max(...list).toFixed(2)})`;

const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const [rows, cache] = [join(folder, 'rows.jsonl'), join(folder, 'cache')];
const results = { trl: [], own: [] };
try {
  await writeRows(rows);
  await scoreDataset({
    ...{ modelDirectory: values.model, dataFile: rows, outDirectory: cache },
    ...{ engine: 'tensorflow', limits: { maxLength: Number(values['max-length']) } },
  });
  for (let pair = 0; pair < pairs; pair++) {
    const trl = run(values.python, [
      ...[here('trl/train_dpo.py'), '--model', values.model, '--rows', rows],
      ...['--steps', values.steps, '--batch', values.batch, '--max-length', values['max-length']],
      ...[
        '--precision',
        values.precision,
        ...(values.activations === 'recompute' ? ['--checkpointing'] : []),
      ],
    ]);
    const own = run(process.execPath, [
      ...[here('training-step.mjs'), '--policy', values.model, '--cache', cache, '--steps', values.steps],
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
const ratios = (name, [over, under]) => each(over, name).map((value, i) => value / each(under, name)[i]);
console.log('|  | TRL | selective-dpo | ratio |');
console.log('|---|---|---|---|');
console.log(
  `| pairs/s | ${spread(each('trl', 'pairsPerSecond'))} | ${spread(each('own', 'pairsPerSecond'))} | ` +
    `${spread(ratios('pairsPerSecond', ['own', 'trl']))} × |`,
);
const gigabytes = (side) => each(side, 'peakRssMb').map((mb) => mb / 1024);
console.log(
  `| peak GB | ${spread(gigabytes('trl'))} | ${spread(gigabytes('own'))} | ` +
    `${spread(ratios('peakRssMb', ['own', 'trl']))} × |`,
);
console.log(
  `own trunk ${spread(each('own', 'trunkGflops'))} of ${spread(each('own', 'matmulGflops'))} GFLOP/s matmul, ` +
    `utilisation ${spread(each('own', 'trunkUtilisation'))}`,
);
