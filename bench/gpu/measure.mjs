/**
 * Correctness and speed of the engines on this machine's GPU, PyTorch beside them; run.sh starts it. One JSON of everything goes to
 * $OUT/gpu.json, else ./results/gpu.json, anew after every part. Exit code 1: a comparison failed, or a part did not run.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installedEngine } from '@selective-dpo/model';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import { median, printTable } from '../medians.mjs';
import { askNvidia, runForJson } from './child-process.mjs';
import { compareRuns } from './correctness.mjs';
import { writePairsForTorch, writeRandomCache } from './inputs.mjs';
import { SHAPE_135M, SHAPE_QUICK, writeRandomModel } from './random-model.mjs';
import { findDriver } from './vulkan-drivers.mjs';

const HELP = `sh bench/gpu/run.sh [--quick] [--batch 8] [--steps 12] [--engines webgpu,tensorflow] [--python python3]
                    [--part-seconds 240]
--quick         a tiny model, 2 pairs a step, 4 steps: to try this out on a software driver
--engines       default: webgpu, and tensorflow where the variant for CUDA is there
--part-seconds  the most that one engine may take in one part`;
/** Steps before the shaders of all shapes are there. */
const WARM_UP = 2;

const { values: options } = parseArgs({
  options: {
    ...{ quick: { type: 'boolean', default: false }, help: { type: 'boolean' } },
    ...{ batch: { type: 'string' }, steps: { type: 'string' }, engines: { type: 'string' } },
    ...{ python: { type: 'string', default: 'python3' }, 'part-seconds': { type: 'string', default: '240' } },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const { quick } = options;
const batch = Number(options.batch ?? (quick ? 2 : 8));
const steps = Number(options.steps ?? (quick ? 4 : 12));
const seconds = Number(options['part-seconds']);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const demo = (name) => here(`../../packages/cli/demo/${name}`);
const out = process.env.OUT ?? 'results';
mkdirSync(out, { recursive: true });
const folder = mkdtempSync(join(tmpdir(), 'sdpo-gpu-'));
const results = { machine: await describeMachine(), problems: [] };

function save() {
  writeFileSync(join(out, 'gpu.json'), `${JSON.stringify(results, null, 1)}\n`);
}

async function describeMachine() {
  const { model } = cpus()[0];
  return {
    nvidia: await askNvidia('name,driver_version,memory.total'),
    ...{ processor: model, cores: availableParallelism(), memoryBytes: totalmem() },
    ...{ kernel: release(), node: process.version, packed: packedCommit() },
  };
}

function packedCommit() {
  try {
    return readFileSync(here('../../packed.txt'), 'utf8').trim();
  } catch {
    return 'a checkout';
  }
}

const runEngine = (job, more) =>
  runForJson(process.execPath, [here('engine-run.mjs'), JSON.stringify(job)], { seconds, ...more });

function runTorch({ policy, pairsFile, batch, steps, learningRate }, ...more) {
  if (!results.torch) return undefined;
  const sizes = ['--batch', batch, '--steps', steps, '--learning-rate', learningRate].map(String);
  const files = ['--model', policy, '--pairs', pairsFile];
  return runForJson(options.python, [here('torch_step.py'), ...files, ...sizes, ...more], { seconds });
}

/** Remembers a part that did not run, and says so. */
function isWhole(what, answer) {
  if (answer?.error === undefined) return true;
  results.problems.push({ what, error: answer.error });
  console.log(`${what} did not run: ${answer.error}`);
  return false;
}

async function findEngines() {
  const { info, adapter, attempts } = await findDriver(folder);
  results.drivers = attempts;
  results.matmul = info.engines;
  results.adapter = adapter;
  results.softwareDriver = adapter?.software === true;
  if (adapter === undefined) await traceLoader(attempts.at(-1).driver);
  const asked = options.engines?.split(',') ?? [
    'webgpu',
    ...(installedEngine()?.receipt.gpu ? ['tensorflow'] : []),
  ];
  results.engines = asked.filter((name) => {
    const engine = info.engines.find((one) => one.name === name);
    return isWhole(`engine ${name}`, engine?.available ? {} : { error: engine?.problem ?? 'no such engine' });
  });
  console.log(
    `adapter: ${adapter?.name ?? 'none'}${results.softwareDriver ? ' (SOFTWARE DRIVER: its times say nothing of a GPU)' : ''}`,
  );
  const torch = await runForJson(
    options.python,
    [
      '-c',
      'import json, torch; print(json.dumps({"version": torch.__version__, "cuda": torch.cuda.is_available()}))',
    ],
    { seconds },
  );
  if (torch.error === undefined) results.torch = torch;
  console.log(torch.error === undefined ? `torch ${torch.version}, CUDA ${torch.cuda}` : 'no torch: skipped');
}

/** What the Vulkan loader says when it finds nothing, with the driver that was tried last. */
async function traceLoader(driver) {
  const env = { VK_LOADER_DEBUG: 'error,warn,driver', ...(driver && { VK_DRIVER_FILES: driver }) };
  results.loaderTrace = (await runEngine({ engine: 'webgpu' }, { env, lines: 200 })).error;
}

/** A demo model of 352,128 parameters on the demo's own pairs; its reference is scored by wasm, here. */
async function correctness() {
  const size = quick ? { pairs: 16, batch: 4, steps: 4 } : { pairs: 64, batch: 8, steps: 8 };
  const [cache, pairsFile, policy] = [join(folder, 'small'), join(folder, 'small.json'), demo('policy')];
  const dataFile = demo('preferences/preferences.jsonl');
  const { pairs } = await scoreDataset({
    ...{ modelDirectory: demo('reference'), tokenizerDirectory: policy, dataFile, limit: size.pairs },
    ...{ outDirectory: cache, engine: 'wasm' },
  });
  const job = { ...size, policy, cache, pairs, keeps: [0.4, 1], learningRate: 1e-4, values: true };
  const reference = await writePairsForTorch(pairsFile, cache, pairs);
  const runs = {};
  for (const engine of ['wasm', ...results.engines]) {
    const run = await runEngine({ ...job, engine });
    if (isWhole(`small model on ${engine}`, run)) runs[engine] = run;
  }
  const torch = await runTorch({ ...job, pairsFile }, '--values');
  const torchRan = isWhole('small model in torch', torch);
  results.small = Object.entries(runs).map(([name, run]) => ({
    name,
    ...run,
    scoring: { ...run.scoring, values: undefined },
  }));
  if (!runs.wasm) return;
  results.checks = compareRuns(runs, torchRan ? torch : undefined, reference);
  printTable(
    ['check', 'engine', 'against', 'largest difference', 'allowed', 'ok'],
    results.checks.map((c) => [
      c.what,
      c.engine,
      c.against ?? '',
      c.largest.toPrecision(3),
      c.tolerance,
      c.ok,
    ]),
  );
}

async function speed() {
  if (results.softwareDriver && !quick) {
    console.log('speed: skipped, a software driver would take hours; --quick has a tiny model');
    return;
  }
  const [policy, cache] = [join(folder, 'model'), join(folder, 'random')];
  const pairs = batch * steps;
  const shape = quick ? SHAPE_QUICK : SHAPE_135M;
  const parameters = await writeRandomModel(policy, shape, demo('policy'));
  await writeRandomCache(cache, pairs, policy);
  const job = { policy, cache, pairs, batch, steps, keeps: [0.4, 1], learningRate: 1e-6 };
  results.speed = { parameters, shape, pairs, batch, steps, runs: [] };
  for (const engine of results.engines) {
    const run = await runEngine({ ...job, engine });
    results.speed.runs.push({ name: engine, ...run });
    isWhole(`speed on ${engine}`, run);
    save();
  }
  const pairsFile = join(folder, 'random.json');
  await writePairsForTorch(pairsFile, cache, pairs);
  const torch = await runTorch({ ...job, pairsFile }, '--precisions', 'highest,high');
  if (torch && isWhole('speed in torch', torch)) results.speed.torch = torch;
  printSpeed(pairs);
}

/** Medians after the warm-up; a step is the whole of it, rows and update included. */
function printSpeed(pairs) {
  const row = (name, what, training, scoring, deviceMb) => {
    const step = median(training.slice(WARM_UP));
    return [
      ...[
        name,
        what,
        step.toFixed(3),
        (batch / step).toFixed(2),
        (pairs / median(scoring.slice(1))).toFixed(2),
      ],
      deviceMb ?? '',
    ];
  };
  const { runs, torch } = results.speed;
  const rows = runs.flatMap(({ name, training = [], scoring, deviceMb }) =>
    training.map(({ keep, seconds }) => row(name, `keep ${keep}`, seconds, scoring.seconds, deviceMb)),
  );
  for (const { precision, seconds, scoring } of torch?.runs ?? [])
    rows.push(row(`torch on ${torch.device}`, precision, seconds, scoring.seconds, torch.deviceMb));
  printTable(['', '', 's a step', 'pairs/s, training', 'pairs/s, scoring', 'GPU memory in use, MB'], rows);
}

try {
  for (const part of [findEngines, correctness, speed]) {
    await part();
    save();
  }
} finally {
  rmSync(folder, { recursive: true });
}
const failed = results.problems.length + (results.checks?.filter(({ ok }) => !ok).length ?? 0);
console.log(`figures: ${join(out, 'gpu.json')}${failed > 0 ? `; ${failed} failed` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
