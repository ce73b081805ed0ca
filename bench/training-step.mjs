/**
 * How fast and how large a training step is on this machine, for any policy and cache.
 *
 *   npm run build
 *   node bench/training-step.mjs --policy DIR --cache CACHE [--steps 8] [key=value …]
 *
 * Prints one JSON line: medians over the steps after the first two, the machine's own matmul beside them, and the share of
 * these steps' time, of all together, that was spent waiting for rows of the cache.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { engineInfo, readModelConfig } from '@selective-dpo/model';
import { resolveTrainingConfig, train } from '@selective-dpo/trainer';

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
  .filter((line) => line.split === 'train')
  .slice(2);
rmSync(out, { recursive: true });

const median = (name) => steps.map((step) => step[name]).sort((a, b) => a - b)[steps.length >> 1];
const total = (figure) => steps.reduce((sum, step) => sum + figure(step), 0);
const {
  hiddenSize: d,
  intermediateSize: f,
  numHiddenLayers,
  numAttentionHeads,
  numKeyValueHeads,
  headDim,
} = await readModelConfig(values.policy);
const trunkParameters =
  numHiddenLayers * (d * (2 * numAttentionHeads + 2 * numKeyValueHeads) * headDim + 3 * d * f);
const info = await engineInfo();
const matmul = info.engines.find(
  (engine) => engine.name === (config.engine === 'auto' ? info.auto : config.engine),
)?.gflops;
const phases = ['data', 'forward', 'head', 'backward', 'optimizer'];
console.log(
  JSON.stringify({
    pairsPerSecond: median('pairs/s'),
    tokensPerSecond: median('tokens/s'),
    seconds: Object.fromEntries(phases.map((phase) => [phase, median(`seconds/${phase}`)])),
    dataShare:
      total((step) => step['seconds/data']) /
      total((step) => phases.reduce((sum, phase) => sum + step[`seconds/${phase}`], 0)),
    trunkGflops: (6 * trunkParameters * median('tokens/s')) / 1e9,
    matmulGflops: matmul,
    trunkUtilisation: (6 * trunkParameters * median('tokens/s')) / 1e9 / matmul,
    peakRssMb: steps.at(-1)['memory/peak_rss_mb'],
  }),
);
