/**
 * Scores the pairs of a cache with a policy on one engine, then trains it, in this process, which has one engine:
 *
 *   node bench/gpu/engine-run.mjs JOB
 *
 * JOB is JSON: engine, policy (directory), cache, pairs, steps, batch, keeps (shares of tokens, a training each),
 * learningRate, values (whether log-probs are wanted). Prints JSON lines. Times are by the clock: of a whole pass, and from
 * one optimiser step's end to the next one's.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { CacheReader } from '@selective-dpo/data';
import { CausalLM, openEngine, packedLength } from '@selective-dpo/model';
import { DEFAULT_BATCH_TOKENS, LocalScorer } from '@selective-dpo/ref-scorer';
import { resolveTrainingConfig, train } from '@selective-dpo/trainer';
import { Stopwatch } from '../stopwatch.mjs';

/** The first pass compiles shaders. */
const SCORING_PASSES = 3;

const job = JSON.parse(process.argv[2]);
const engine = await openEngine(job.engine);
const numTensors = () => engine.tf.memory().numTensors;
const tensors = { before: numTensors() };
const rows = await readRows();
const tokensOf = (some) =>
  some.reduce(
    (sum, row) => sum + packedLength({ prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] }),
    0,
  );

async function readRows() {
  const cache = await CacheReader.open(job.cache);
  const list = [];
  for (let i = 0; i < job.pairs; i++) list.push(await cache.row(i));
  await cache.close();
  return list;
}

async function score() {
  const scorer = new LocalScorer(await CausalLM.load(job.policy), engine, DEFAULT_BATCH_TOKENS);
  const seconds = [];
  let logps;
  for (let pass = 0; pass < SCORING_PASSES; pass++) {
    const watch = new Stopwatch();
    logps = await watch.time(() => scorer.score(rows, () => undefined));
    seconds.push(watch.seconds);
  }
  scorer.dispose();
  const values = job.values ? logps.map(({ chosen, rejected }) => [...chosen, ...rejected]) : undefined;
  return { tokens: tokensOf(rows), seconds, values };
}

async function trainKeeping(keep) {
  const folder = mkdtempSync(join(tmpdir(), 'sdpo-gpu-'));
  const clock = [];
  const config = await resolveTrainingConfig(undefined, [
    ...[`engine=${job.engine}`, `maxSteps=${job.steps}`, `batchSize=${job.batch}`, `keep=${keep}`],
    ...['shuffle=false', 'lrSchedule=constant', `learningRate=${job.learningRate}`],
  ]);
  const began = performance.now();
  await train({
    ...{ policyDirectory: job.policy, cacheDirectory: job.cache, outDirectory: join(folder, 'run') },
    ...{ config, resume: false },
    listener: ({ type }) => type === 'progress' && clock.push(performance.now()),
  });
  const lines = readFileSync(join(folder, 'run', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(JSON.parse);
  rmSync(folder, { recursive: true });
  return {
    keep,
    losses: lines.map(({ loss }) => loss),
    numTensors: lines.map((line) => line['memory/tensors']),
    tokens: lines.map((_, step) => tokensOf(rows.slice(step * job.batch, (step + 1) * job.batch))),
    /** The first also has the start of the run: files read and digested. */
    seconds: clock.map((at, step) => (at - (clock[step - 1] ?? began)) / 1000),
  };
}

/** The last line printed counts; earlier ones stand where this process is ended before its time. */
function report() {
  tensors.after = numTensors();
  const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ engine: engine.describe(), scoring, training, tensors, peakRssMb }));
}

const scoring = await score();
const training = [];
report();
for (const keep of job.keeps) {
  training.push(await trainKeeping(keep));
  report();
}
