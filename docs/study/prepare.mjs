/**
 * What the study's sweeps start from: references of four qualities and a cache of each.
 *
 *   npm run build
 *   node docs/study/prepare.mjs --out DIR [--world cafe|rasbt] [--stories DIR --rasbt FILE]
 *
 * `cafe` needs only what the repository carries. `rasbt` needs the model directory stories260K and rasbt's file
 * instruction-data-with-preference.json. What is there already is not made again.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEMO_FILES, DEMO_LIMITS } from '../../packages/cli/dist/demo/index.js';
import { scoreDataset } from '../../packages/ref-scorer/dist/index.js';
import { resolveTrainingConfig, train } from '../../packages/trainer/dist/index.js';

const TOP_LOGPROBS = 8;
/** Rows of rasbt's file that the policy learns to answer from; the preferences are the others. */
const SFT_ROWS = 400;
const RASBT_LIMITS = { maxLength: 384 };

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    world: { type: 'string', default: 'cafe' },
    stories: { type: 'string' },
    rasbt: { type: 'string' },
  },
});
if (!values.out) {
  console.log('node docs/study/prepare.mjs --out DIR [--world cafe|rasbt] [--stories DIR --rasbt FILE]');
  process.exit(2);
}
const place = (...parts) => join(values.out, values.world, ...parts);
mkdirSync(place(), { recursive: true });
await (values.world === 'cafe' ? prepareCafe() : prepareRasbt());

/** The café's policy and its larger reference, each also after DPO on the café's preferences. */
async function prepareCafe() {
  const data = { dataFile: DEMO_FILES.trainingPairs, limits: DEMO_LIMITS };
  const { policy, reference } = DEMO_FILES;
  const settings = ['batchSize=16', 'maxSteps=100', 'warmupSteps=5', 'selection=all', 'keep=1', 'beta=3'];
  cpSync(policy, place('models', 'policy', 'final'), { recursive: true });
  await score('same', policy, policy, data);
  await score('larger', reference, policy, data);
  const policyDpo = await trained('policy-dpo', policy, 'same', [...settings, 'learningRate=3e-4']);
  // Its log-probs are those the reference is measured by, so textbook DPO needs no further cache.
  const referenceDpo = await trained('reference-dpo', reference, 'larger', [
    ...settings,
    'learningRate=1e-4',
  ]);
  await score('same-aligned', policyDpo, policy, data);
  await score('larger-aligned', referenceDpo, policy, data);
}

/** stories260K, first taught to answer at all, then also after DPO. */
async function prepareRasbt() {
  const rows = JSON.parse(readFileSync(values.rasbt, 'utf8'));
  writeFileSync(place('answers.json'), JSON.stringify(rows.slice(0, SFT_ROWS)));
  writeFileSync(place('preferences.json'), JSON.stringify(rows.slice(SFT_ROWS)));
  const answers = { dataFile: place('answers.json'), limits: RASBT_LIMITS };
  await score('answers', values.stories, values.stories, answers);
  const policy = await trained('policy', values.stories, 'answers', [
    ...['loss=sft', 'epochs=6', 'batchSize=16', 'learningRate=1e-3', 'warmupSteps=10', 'lrSchedule=cosine'],
  ]);
  const data = { dataFile: place('preferences.json'), limits: RASBT_LIMITS };
  await score('same', policy, values.stories, data);
  const aligned = await trained('policy-dpo', policy, 'same', [
    ...[
      'selection=all',
      'keep=1',
      'beta=0.1',
      'epochs=2',
      'batchSize=16',
      'learningRate=3e-4',
      'warmupSteps=5',
    ],
  ]);
  await score('same-aligned', aligned, values.stories, data);
}

async function score(name, modelDirectory, tokenizerDirectory, data) {
  const result = await scoreDataset({
    ...{ modelDirectory, tokenizerDirectory, outDirectory: place('caches', name), topLogprobs: TOP_LOGPROBS },
    ...data,
  });
  console.log(`cache ${name}: ${result.pairs} pairs`);
}

/** @returns the directory of the trained model. */
async function trained(name, policyDirectory, cache, settings) {
  const result = await train({
    ...{ policyDirectory, cacheDirectory: place('caches', cache), outDirectory: place('models', name) },
    config: await resolveTrainingConfig(undefined, settings),
    resume: true,
  });
  console.log(`model ${name}: ${result.steps} steps, loss ${result.lastMetrics.train.loss.toFixed(4)}`);
  return result.finalDirectory;
}
