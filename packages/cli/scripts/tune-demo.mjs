/**
 * Tries learning rates and betas for the demo's runs, the same ones on all, and prints what each gives on orders
 * that are neither trained on nor shown in the demo. demo-settings.ts takes the best of each run: the one with most
 * answers without a fault.
 *
 *   npm run build
 *   node packages/cli/scripts/tune-demo.mjs [--steps n] [--pairs n] [--learning-rates a,b] [--betas a,b]
 *
 * About 20 minutes on two cores with the `tensorflow` engine. Faultless answers to 300 orders after 100 steps, in per
 * cent, before training 43.7; a dash was not tried:
 *
 *   learning rate          1e-5  2e-5  5e-5  1e-4  2e-4  3e-4  6e-4  1e-3
 *   dpo              β 0.1 50.0  48.0  36.7  36.7  33.7  28.3  32.7   6.3
 *                    β 1   49.7  52.3  59.0  56.7  50.7  50.7  48.3  27.3
 *                    β 3      -     -  59.7  67.0     -  72.0  64.7     -
 *                    β 10     -     -     -  57.0     -  67.0  54.7  34.0
 *   dpoLargerRef.    β 0.1 52.0  49.0  37.7  34.7  37.3  23.3  26.7  13.0
 *                    β 1   51.3  48.7  33.7  37.3  33.3  36.7  30.7  22.0
 *                    β 3      -     -  33.7  36.3     -  38.7  33.7     -
 *                    β 10     -     -     -  35.3     -  40.3  39.0  30.7
 *   selectiveDpo     β 0.1 52.3  54.3  61.0  67.3  72.3  75.0  84.0  81.3
 *                    β 1   53.3  54.3  61.3  65.3  74.0  78.3  80.7  78.0
 *                    β 3      -     -  62.0  66.7     -  79.3  79.7     -
 *                    β 10     -     -     -  66.3     -  80.7  79.7  82.3
 *
 * What spoils all-token training with the larger reference is mostly the number of things, wrong in more than half of the
 * answers. A likely reason: it takes probability from the right words of a wrong answer, too, and the margin that the
 * larger model sets is too far away for it to stop; the selection leaves those words out.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadPairTokenizer } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import { train } from '@selective-dpo/trainer';
import {
  DEMO_FILES,
  DEMO_LIMITS,
  DEMO_SIZE,
  demoTraining,
  evaluateHeldOut,
  preferenceRows,
  readHeldOut,
  winRate,
} from '../dist/demo/index.js';

const LEARNING_RATES = '1e-5,2e-5,5e-5,1e-4,2e-4,3e-4,6e-4,1e-3';
const BETAS = '0.1,1,3,10';
/** The demo's own answers are drawn from other orders. */
const TUNING_SEED = 314;

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: String(DEMO_SIZE.steps) },
    pairs: { type: 'string', default: '300' },
    'learning-rates': { type: 'string', default: LEARNING_RATES },
    betas: { type: 'string', default: BETAS },
  },
});
const steps = Number(options.steps);
const folder = await mkdtemp(join(tmpdir(), 'sdpo-tune-'));
try {
  await tune();
} finally {
  await rm(folder, { recursive: true });
}

async function tune() {
  const engine = await openEngine('auto');
  const tokenizer = await loadPairTokenizer(DEMO_FILES.policy);
  const pairs = await tuningPairs(tokenizer, Number(options.pairs));
  const before = await evaluate(DEMO_FILES.policy, tokenizer, pairs);
  console.log(`engine ${engine.name}, ${steps} steps, ${pairs.length} orders`);
  show('before', before, before);
  // The demo's cache, and textbook DPO's, whose reference is the policy as it was before.
  const caches = { reference: await score(DEMO_FILES.reference), policy: await score(DEMO_FILES.policy) };
  for (const [run, reference] of [
    ['dpoLargerReference', 'reference'],
    ['selectiveDpo', 'reference'],
    ['dpo', 'policy'],
  ]) {
    for (const beta of numbers(options.betas)) {
      for (const learningRate of numbers(options['learning-rates'])) {
        const name = `${run}, beta ${beta}, learning rate ${learningRate}`;
        const out = join(folder, 'run');
        const { finalDirectory } = await train({
          policyDirectory: DEMO_FILES.policy,
          cacheDirectory: caches[reference],
          outDirectory: out,
          config: { ...demoTraining(run, steps, engine.name), beta, learningRate },
          resume: false,
        });
        show(name, await evaluate(finalDirectory, tokenizer, pairs), before);
        await rm(out, { recursive: true });
      }
    }
  }
}

function numbers(list) {
  return list.split(',').map(Number);
}

/** Pairs of orders that no model was trained on. */
async function tuningPairs(tokenizer, count) {
  const file = join(folder, 'tuning.jsonl');
  const rows = [...preferenceRows({ seed: TUNING_SEED, count, split: 'held-out' })];
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return readHeldOut(file, tokenizer, count);
}

async function score(modelDirectory) {
  const { directory } = await scoreDataset({
    modelDirectory,
    tokenizerDirectory: DEMO_FILES.policy,
    dataFile: DEMO_FILES.trainingPairs,
    outDirectory: await mkdtemp(join(folder, 'cache-')),
    limit: DEMO_SIZE.trainingPairs,
    limits: DEMO_LIMITS,
  });
  return directory;
}

async function evaluate(directory, tokenizer, pairs) {
  const model = await CausalLM.load(directory);
  try {
    return await evaluateHeldOut(model, tokenizer, pairs, TUNING_SEED);
  } finally {
    model.dispose();
  }
}

function show(name, { preferenceAccuracy, quality }, before) {
  const percent = (share) => `${(100 * share).toFixed(1)}%`;
  const win = winRate(before.quality.scores, quality.scores).winRate;
  console.log(
    `${name}: accuracy ${percent(preferenceAccuracy)}, flawless ${percent(quality.flawless)}, ` +
      `score ${quality.meanScore.toFixed(3)}, win rate ${percent(win)}`,
  );
}
