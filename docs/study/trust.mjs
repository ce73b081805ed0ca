/**
 * Does trust in the reference help where labels or reference are rotten? The tables of docs/reference-trust.md.
 *
 *   npm run build
 *   node docs/study/trust.mjs --out DIR [--parallel 2]
 *
 * Five caches of the café's 1,000 pairs: sound; 20% and 40% of the pairs with their answers swapped; sound pairs scored by a reference
 * that was trained (DPO) on pairs half of which, or all of which, are swapped. One sweep over refTrust, three seeds. Every policy is
 * measured on the 200 pairs that nothing was trained on and whose labels are right. Goes on where it was stopped.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DEMO_FILES, DEMO_LIMITS } from '../../packages/cli/dist/demo/index.js';
import { CacheReader } from '../../packages/data/dist/index.js';
import { SeededRandom } from '../../packages/foundation/dist/index.js';
import { CausalLM, openEngine } from '../../packages/model/dist/index.js';
import { scoreDataset } from '../../packages/ref-scorer/dist/index.js';
import {
  MeanMetrics,
  evaluatedBatches,
  objectiveOfStep,
  referenceMargin,
  resolveTrainingConfig,
  train,
} from '../../packages/trainer/dist/index.js';
import { percent, plain, readTable } from './tables.mjs';

const sdpo = join(dirname(fileURLToPath(import.meta.url)), '../../packages/cli/bin/sdpo.js');
const { values } = parseArgs({
  options: { out: { type: 'string' }, parallel: { type: 'string', default: '2' } },
});
if (!values.out) {
  console.log('node docs/study/trust.mjs --out DIR [--parallel 2]');
  process.exit(2);
}
const place = (...parts) => resolve(values.out, ...parts);
const cacheOf = (name) => place('caches', name);
/** Name of a cache, share of swapped pairs in it, share of those that its reference was spoiled with. */
const CASES = [
  ['sound', 0, 0],
  ['labels-20', 0.2, 0],
  ['labels-40', 0.4, 0],
  ['reference-50', 0, 0.5],
  ['reference-100', 0, 1],
];

/** Selective-DPO, and DPO on all tokens with the same reference. */
const METHODS = {
  selective: 'keep: 0.4, learningRate: 6.0e-4',
  dpo: 'keep: 1, selection: all, learningRate: 1.0e-4',
};
const MODES = ['ignore', 'drop', 'weight'];

mkdirSync(place(), { recursive: true });
for (const [name, labels, spoiled] of CASES) {
  const model = spoiled === 0 ? DEMO_FILES.reference : await spoiledReference(spoiled);
  await score(name, model, labels === 0 ? DEMO_FILES.trainingPairs : swappedFile(labels));
}
await score('held-out', DEMO_FILES.reference, DEMO_FILES.heldOutPairs);
writeFileSync(
  place('trust.yaml'),
  [
    `policy: ${DEMO_FILES.policy}`,
    'cache:',
    ...CASES.map(([name]) => `  ${name}: caches/${name}`),
    'base: { batchSize: 16, maxSteps: 100, warmupSteps: 5, evalFraction: 0 }',
    'seeds: [0, 1, 2]',
    'grid: { cache: [' + CASES.map(([name]) => name).join(', ') + '] }',
    'runs:',
    ...Object.entries(METHODS).flatMap(([method, settings]) =>
      MODES.map((mode) => `  ${method}-${mode}: { refTrust: ${mode}, ${settings} }`),
    ),
    '',
  ].join('\n'),
);
execFileSync(
  process.execPath,
  [sdpo, 'sweep', place('trust.yaml'), '--out', place('sweep'), '--parallel', values.parallel],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
  },
);
await printTables();

/** Rows of which each is swapped by a draw of its own. */
function swappedFile(share) {
  const random = new SeededRandom(17);
  const file = place(`swapped-${share}.jsonl`);
  const lines = readFileSync(DEMO_FILES.trainingPairs, 'utf8').trim().split('\n');
  const swapped = lines.map((line) => {
    const row = JSON.parse(line);
    return JSON.stringify(
      random.next() < share ? { ...row, chosen: row.rejected, rejected: row.chosen } : row,
    );
  });
  writeFileSync(file, `${swapped.join('\n')}\n`);
  return file;
}

/** The larger model after DPO on pairs of which a share is swapped. @returns its directory. */
async function spoiledReference(share) {
  const name = `swapped-${share}`;
  await score(name, DEMO_FILES.reference, swappedFile(share));
  const settings = [
    'batchSize=16',
    'maxSteps=100',
    'warmupSteps=5',
    'selection=all',
    'keep=1',
    'beta=0.5',
    'learningRate=1e-4',
  ];
  const { finalDirectory } = await train({
    ...{
      policyDirectory: DEMO_FILES.reference,
      cacheDirectory: cacheOf(name),
      outDirectory: place('models', name),
    },
    ...{ config: await resolveTrainingConfig(undefined, settings), resume: true },
  });
  return finalDirectory;
}

async function score(name, modelDirectory, dataFile) {
  await scoreDataset({
    ...{ modelDirectory, tokenizerDirectory: DEMO_FILES.policy, dataFile, limits: DEMO_LIMITS },
    outDirectory: cacheOf(name),
  });
}

/** Shares of the pairs that the reference of a cache orders, by the sum. */
async function orderedShare(name) {
  const cache = await CacheReader.open(cacheOf(name));
  let ordered = 0;
  for await (const row of cache.rows()) if (referenceMargin(row).margin > 0) ordered++;
  await cache.close();
  return ordered / cache.rowCount;
}

/** Accuracy and mean margin of a policy on the held-out pairs, without any reference. */
async function heldOut(directory) {
  const cache = await CacheReader.open(cacheOf('held-out'));
  const model = await CausalLM.load(directory);
  const config = await resolveTrainingConfig(undefined, []);
  const rows = Uint32Array.from({ length: cache.rowCount }, (_, i) => i);
  const micro = { pairs: 16, tokens: 4096, activations: 'keep' };
  const means = new MeanMetrics(config.beta);
  for await (const batch of evaluatedBatches(
    model,
    cache,
    rows,
    objectiveOfStep(config, () => false, 0),
    micro,
  ))
    means.add(batch);
  model.dispose();
  await cache.close();
  const figures = means.figures();
  return {
    accuracy: figures['logps/accuracies'],
    margin: figures['logps/chosen'] - figures['logps/rejected'],
  };
}

async function printTables() {
  await openEngine('auto');
  const before = await heldOut(DEMO_FILES.policy);
  console.log(
    `before training: ${(100 * before.accuracy).toFixed(1)}%, margin ${before.margin.toFixed(2)} nats\n`,
  );
  const folders = readdirSync(place('sweep', 'runs'));
  const rows = readTable(place('sweep', 'results.csv'));
  for (const row of rows)
    Object.assign(
      row,
      await heldOut(
        place(
          'sweep',
          'runs',
          folders.find((name) => name.endsWith(row.key)),
          'final',
        ),
      ),
    );
  const header = [
    'cache',
    'reference orders',
    'method',
    ...MODES.map((mode) => `${mode}: accuracy, %`),
    ...MODES.map((mode) => `${mode}: margin, nats`),
  ];
  for (const cells of [header, header.map(() => '---')]) console.log(`| ${cells.join(' | ')} |`);
  for (const [cache] of CASES) {
    const ordered = `${(100 * (await orderedShare(cache))).toFixed(1)}%`;
    for (const method of Object.keys(METHODS)) {
      const groups = MODES.map((mode) =>
        rows.filter((row) => row.cache === cache && row.run === `${method}-${mode}`),
      );
      const accuracies = groups.map((group) => percent(group.map((row) => row.accuracy)));
      const margins = groups.map((group) => plain(group.map((row) => row.margin)));
      console.log(`| ${[cache, ordered, method, ...accuracies, ...margins].join(' | ')} |`);
    }
  }
}
