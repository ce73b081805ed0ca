/**
 * What 8 training runs with a large reference cost from one cache, and with the reference online in every step of every run.
 *
 *   npm run build
 *   node bench/sweep-cost.mjs --policy DIR --reference DIR --data FILE [--pairs 3] [--steps 10] [--batch 4] [--runs 8]
 *        [--epochs 1,3] [--max-length 512] [--keep 0.4] [--precision fp32] [--python PYTHON]
 *
 * Policy and reference share a tokenizer. Measured, interleaved, on the same pairs, in seconds a pair: S, stage one; T, a
 * training step from the cache; the step with the reference online (same scorer and kernels, prompts shared), with the
 * selection of `--keep` and with every token in the backward pass, as the method's first implementation has it; with
 * --python also TRL's DPOTrainer with its reference online (needs bench/trl/requirements.txt). Then the arithmetic: S once
 * and T for every pair of every epoch of every run, beside the online step for the same pairs.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { expectedTensors, readModelConfig } from '@selective-dpo/model';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import { benchFile, measuredBench, measuredProgram } from './measured-program.mjs';
import { writePreferenceTexts } from './preference-texts.mjs';
import { median, ratios, spread, tableRow } from './spread.mjs';
import { trunkParameters } from './trunk-flops.mjs';

const { values } = parseArgs({
  options: {
    policy: { type: 'string' },
    reference: { type: 'string' },
    data: { type: 'string' },
    python: { type: 'string' },
    pairs: { type: 'string', default: '3' },
    steps: { type: 'string', default: '10' },
    batch: { type: 'string', default: '4' },
    runs: { type: 'string', default: '8' },
    epochs: { type: 'string', default: '1,3' },
    'max-length': { type: 'string', default: '512' },
    keep: { type: 'string', default: '0.4' },
    precision: { type: 'string', default: 'fp32' },
  },
});
if (!values.policy || !values.reference || !values.data) {
  console.log(
    'node bench/sweep-cost.mjs --policy DIR --reference DIR --data FILE …, see the head of the file',
  );
  process.exit(2);
}
const [repeats, steps, batch, runs] = [values.pairs, values.steps, values.batch, values.runs].map(Number);
const maxLength = Number(values['max-length']);
/** Share of the online cost that a sweep from the cache is meant to stay below. */
const WANTED = 1 / 6;

const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const [rows, steadyRows, cache] = ['rows.jsonl', 'steady.jsonl', 'cache'].map((name) => join(folder, name));
const settings = (keep) => [
  ...[`batchSize=${batch}`, 'shuffle=false', 'lrSchedule=constant', 'learningRate=1e-6', `keep=${keep}`],
  ...['engine=tensorflow', `precision=${values.precision}`],
];
const onPolicy = ['--policy', values.policy, '--cache', cache, '--steps', values.steps];
const programs = {
  score: () => {
    const { seconds, pairs, peakRssMb } = measuredBench('scoring-pass.mjs', [
      ...['--model', values.reference, '--data', steadyRows, '--max-length', values['max-length']],
      ...['--precision', values.precision],
    ]);
    return { secondsPerPair: seconds.scoring / pairs, peakRssMb };
  },
  cached: () => measuredBench('training-step.mjs', [...onPolicy, ...settings(values.keep)]),
  online: () =>
    measuredBench('online-step.mjs', [
      ...onPolicy,
      ...['--reference', values.reference, ...settings(values.keep)],
    ]),
  onlineFull: () =>
    measuredBench('online-step.mjs', [...onPolicy, '--reference', values.reference, ...settings(1)]),
};
if (values.python !== undefined) {
  programs.trl = () => {
    const { seconds, peakRssMb } = measuredProgram(values.python, [
      ...[benchFile('trl/train_dpo.py'), '--model', values.policy, '--reference', values.reference],
      ...['--rows', rows, '--steps', values.steps, '--batch', values.batch],
      ...['--max-length', values['max-length'], '--precision', values.precision],
    ]);
    const steady = seconds.slice(2);
    return { secondsPerPair: steady.reduce((a, b) => a + b, 0) / steady.length / batch, peakRssMb };
  };
}
const NAMES = {
  score: 'S: stage one',
  cached: `T: step from the cache, keep ${values.keep}`,
  online: `step, reference online, keep ${values.keep}`,
  onlineFull: 'step, reference online, keep 1',
  trl: 'TRL, reference online',
};

/** @throws Error where the steps from the cache and with the reference online have other losses. */
function refuseOtherLosses(cached, online) {
  cached.losses.forEach((loss, step) => {
    if (Math.abs(loss - online.losses[step]) <= 1e-3) return;
    throw new Error(`step ${step + 1}: loss ${loss} from the cache, ${online.losses[step]} online`);
  });
}

const results = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
try {
  await writePreferenceTexts(
    { data: values.data, model: values.policy, maxLength, count: steps * batch },
    rows,
  );
  // Steps are timed from the third on: stage one is timed on the same pairs.
  const lines = readFileSync(rows, 'utf8').split('\n');
  writeFileSync(steadyRows, lines.slice(2 * batch).join('\n'));
  await scoreDataset({
    ...{ modelDirectory: values.reference, dataFile: rows, outDirectory: cache },
    ...{ engine: 'tensorflow', precision: values.precision, limits: { maxLength } },
  });
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [name, program] of Object.entries(programs)) results[name].push(program());
    refuseOtherLosses(results.cached.at(-1), results.online.at(-1));
    const shown = Object.entries(results).map(
      ([name, list]) => `${name} ${list.at(-1).secondsPerPair.toFixed(3)}`,
    );
    console.error(`round ${repeat + 1}, seconds a pair: ${shown.join(', ')}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

const secondsOf = (name) => results[name].map((run) => run.secondsPerPair);
await describeModels();
console.log(tableRow('', 's a pair', 'peak GB'));
console.log(tableRow('---', '---', '---'));
for (const [name, list] of Object.entries(results)) {
  const peaks = list.map((run) => run.peakRssMb / 1024);
  console.log(tableRow(NAMES[name], spread(secondsOf(name), 3), spread(peaks)));
}
console.log(`\nS is ${(median(secondsOf('score')) / median(secondsOf('cached'))).toFixed(2)} T\n`);
console.log(tableRow('beside', 'epochs', 'from the cache', 'online', 'share', 'limit', '1/6'));
console.log(tableRow(...Array(7).fill('---')));
for (const name of ['online', 'onlineFull', 'trl'].filter((one) => one in results)) {
  for (const epochs of values.epochs.split(',').map(Number)) console.log(costRow(name, epochs));
}
console.log(
  '\nlimit: the share with ever more runs and epochs, T beside the online step: what training itself costs',
);

/** A sweep of `runs` runs of `epochs` epochs, in seconds a pair of the dataset. */
function costRow(name, epochs) {
  const passes = runs * epochs;
  const cached = secondsOf('cached').map((step, i) => secondsOf('score')[i] + passes * step);
  const online = secondsOf(name).map((step) => passes * step);
  const shares = ratios(cached, online);
  return tableRow(
    ...[NAMES[name], epochs, `S + ${passes} T = ${spread(cached)}`, `${passes} steps = ${spread(online)}`],
    ...[`1/${spread(shares.map((share) => 1 / share))}`],
    `1/${spread(ratios(secondsOf(name), secondsOf('cached')))}`,
    median(shares) <= WANTED ? 'reached' : 'not reached',
  );
}

async function describeModels() {
  const [policy, reference] = await Promise.all(
    ['policy', 'reference'].map(async (role) => {
      const tensors = expectedTensors(await readModelConfig(values[role]));
      const all = [...tensors.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
      return { all, trunk: await trunkParameters(values[role]) };
    }),
  );
  const millions = ({ all, trunk }) =>
    `${(all / 1e6).toFixed(1)} M parameters, ${(trunk / 1e6).toFixed(1)} M in layers`;
  console.log(`policy: ${millions(policy)}; reference: ${millions(reference)}`);
  console.log(
    `reference beside policy: ${(reference.all / policy.all).toFixed(1)} × in all, ` +
      `${(reference.trunk / policy.trunk).toFixed(1)} × in layers`,
  );
}
