/**
 * How fast a training step is with the reference online, as it is without a cache: in every step the reference scores the
 * batch's pairs, prompts shared, and the same selective step follows.
 *
 *   npm run build
 *   node bench/online-step.mjs --policy DIR --reference DIR --cache CACHE [--steps 8] [key=value …]
 *
 * The cache gives the pairs' ids; its log-probs are only compared with those computed here. Prints one JSON line: seconds
 * a pair, and those of the reference in it, means over the steps after the first two.
 */
import { parseArgs } from 'node:util';
import { performance } from 'node:perf_hooks';
import { CacheReader } from '@selective-dpo/data';
import { AdamW, CausalLM, clipFactor, globalNorm, openEngine } from '@selective-dpo/model';
import { resolveTrainingConfig } from '@selective-dpo/trainer';
import { objectiveOfStep } from '../packages/trainer/dist/config/objective.js';
import { TrainingOrder } from '../packages/trainer/dist/run/training-order.js';
import { selectiveStep } from '../packages/trainer/dist/step/selective-step.js';
import { mean } from './spread.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    policy: { type: 'string' },
    reference: { type: 'string' },
    cache: { type: 'string' },
    steps: { type: 'string', default: '8' },
  },
});
if (!values.policy || !values.reference || !values.cache) {
  console.log('node bench/online-step.mjs --policy DIR --reference DIR --cache CACHE [key=value …]');
  process.exit(2);
}
/** Most that a log-prob may differ from the cache's: batches of another composition round otherwise. */
const TOLERANCE = 1e-3;
const config = await resolveTrainingConfig(undefined, [`maxSteps=${values.steps}`, ...positionals]);
const engine = await openEngine(config.engine, { precision: config.precision });
const cache = await CacheReader.open(values.cache);
const order = new TrainingOrder(
  Uint32Array.from({ length: cache.rowCount }, (_, i) => i),
  config,
);
const reference = await CausalLM.load(values.reference);
const policy = await CausalLM.load(values.policy);
const { adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: epsilon, weightDecay, maxGradNorm } = config;
const optimizer = new AdamW(policy.parameters, { beta1, beta2, epsilon, weightDecay }, engine.fusedAdamW);
const micro = { pairs: config.batchSize, tokens: config.microBatchTokens, activations: config.activations };

/** The batch's rows with log-probs computed now. @throws Error where they are not those of the cache. */
async function withReference(rows) {
  const logps = await reference.logps(
    rows.map((row) => ({ prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] })),
  );
  return rows.map((row, i) => {
    const [chosenRefLogps, rejectedRefLogps] = logps[i];
    chosenRefLogps.forEach((logp, t) => {
      if (Math.abs(logp - row.chosenRefLogps[t]) <= TOLERANCE) return;
      throw new Error(`${row.pairId}: log-prob ${logp} here, ${row.chosenRefLogps[t]} in the cache`);
    });
    return { ...row, chosenRefLogps, rejectedRefLogps };
  });
}

const [referenceSeconds, stepSeconds, losses] = [[], [], []];
for (let step = 0; step < order.totalSteps; step++) {
  const began = performance.now();
  const indices = order.rowsOfStep(step);
  const rows = await withReference(await Promise.all(indices.map((index) => cache.row(index))));
  referenceSeconds.push((performance.now() - began) / 1000);
  const pairs = rows.map((row, i) => ({ index: indices[i], row }));
  const result = await selectiveStep(
    policy,
    pairs,
    objectiveOfStep(config, () => false, step),
    micro,
  );
  optimizer.step(
    result.gradients,
    config.learningRate,
    clipFactor(await globalNorm(result.gradients), maxGradNorm),
  );
  stepSeconds.push((performance.now() - began) / 1000);
  losses.push(result.outcomes.reduce((sum, { loss }) => sum + loss.loss, 0) / pairs.length);
}
await cache.close();
const secondsPerPair = (list) => mean(list.slice(2)) / config.batchSize;
console.log(
  JSON.stringify({
    secondsPerPair: secondsPerPair(stepSeconds),
    referenceSecondsPerPair: secondsPerPair(referenceSeconds),
    losses,
    peakRssMb: process.resourceUsage().maxRSS / 1024,
  }),
);
