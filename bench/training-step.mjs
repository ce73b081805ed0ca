/**
 * How fast and how large a training step is on this machine, for any policy and cache.
 *
 *   npm run build
 *   node bench/training-step.mjs --policy DIR --cache CACHE [--steps 8] [key=value …]
 *
 * Prints one JSON line: medians over the steps after the first two, with the machine's own matmul; the mean of the seconds
 * a pair in the same steps; the share of their time that was spent waiting for rows of the cache; the loss of every step.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { resolveTrainingConfig, train } from '@selective-dpo/trainer';
import { mean, median } from './spread.mjs';
import { matmulGflops, trunkParameters } from './trunk-flops.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    policy: { type: 'string' },
    cache: { type: 'string' },
    steps: { type: 'string', default: '8' },
    help: { type: 'boolean' },
  },
});
if (values.help || !values.policy || !values.cache) {
  console.log('node bench/training-step.mjs --policy DIR --cache CACHE [--steps 8] [key=value …]');
  process.exit(values.help ? 0 : 2);
}

const out = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const config = await resolveTrainingConfig(undefined, [`maxSteps=${values.steps}`, ...positionals]);
await train({
  policyDirectory: values.policy,
  cacheDirectory: values.cache,
  outDirectory: join(out, 'run'),
  config,
  resume: false,
});
const steps = readFileSync(join(out, 'run', 'metrics.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .filter((line) => line.split === 'train');
const steady = steps.slice(2);
rmSync(out, { recursive: true });

const medianOf = (name) => median(steady.map((step) => step[name]));
const matmul = await matmulGflops(config.engine);
const trunkGflops = (6 * (await trunkParameters(values.policy)) * medianOf('tokens/s')) / 1e9;
const total = (figure) => steady.reduce((sum, step) => sum + figure(step), 0);
const phases = ['data', 'forward', 'head', 'backward', 'optimizer'];
console.log(
  JSON.stringify({
    pairsPerSecond: medianOf('pairs/s'),
    tokensPerSecond: medianOf('tokens/s'),
    seconds: Object.fromEntries(phases.map((phase) => [phase, medianOf(`seconds/${phase}`)])),
    dataShare:
      total((step) => step['seconds/data']) /
      total((step) => phases.reduce((sum, phase) => sum + step[`seconds/${phase}`], 0)),
    trunkGflops,
    matmulGflops: matmul,
    trunkUtilisation: trunkGflops / matmul,
    secondsPerPair: mean(steady.map((step) => 1 / step['pairs/s'])),
    losses: steps.map((step) => step.loss),
    peakRssMb: steps.at(-1)['memory/peak_rss_mb'],
  }),
);
