/**
 * Speed of greedy generation beside transformers' `generate` with its key-value cache: the same model, prompts of random ids of one
 * length, the same number of new tokens, float32, two threads, runs interleaved. Says how many tokens agree.
 *
 *   npm run build
 *   pip install -r bench/transformers/requirements.txt
 *   node bench/generation.mjs --model DIR [--python python3] [--batches 1,16] [--prompt-tokens 32] [--new-tokens 64] [--pairs 3]
 *        [--engine tensorflow]
 *
 * Each run warms up once.
 */
import { parseArgs } from 'node:util';
import { performance } from 'node:perf_hooks';
import { SeededRandom } from '@selective-dpo/foundation';
import { CausalLM, generate, openEngine, readModelConfig } from '@selective-dpo/model';
import { benchFile, measuredBench, measuredProgram } from './measured-program.mjs';
import { printTable, ratios, spread } from './spread.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    batches: { type: 'string', default: '1,16' },
    'prompt-tokens': { type: 'string', default: '32' },
    'new-tokens': { type: 'string', default: '64' },
    pairs: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'tensorflow' },
    own: { type: 'boolean', default: false },
  },
});
if (!values.model) {
  console.log('node bench/generation.mjs --model DIR …, see the head of the file');
  process.exit(2);
}
const [promptTokens, newTokens] = [Number(values['prompt-tokens']), Number(values['new-tokens'])];

/** The same on both sides. */
async function randomPrompts(batch) {
  const { vocabSize } = await readModelConfig(values.model);
  const random = new SeededRandom(7);
  return Array.from({ length: batch }, () =>
    Array.from({ length: promptTokens }, () => random.below(vocabSize)),
  );
}

/** This side, in a process of its own: one JSON line. */
async function ownRun(batch) {
  await openEngine(values.engine);
  const model = await CausalLM.load(values.model);
  const prompts = (await randomPrompts(batch)).map((ids) => Int32Array.from(ids));
  const run = () => generate(model, prompts, { maxNewTokens: newTokens, stopIds: [] });
  await run();
  const started = performance.now();
  const tokens = await run();
  const seconds = (performance.now() - started) / 1000;
  console.log(JSON.stringify({ seconds, tokens: tokens.map((ids) => [...ids]) }));
}

async function compare(batch) {
  const sizes = ['--prompt-tokens', String(promptTokens), '--new-tokens', String(newTokens)];
  const own = () =>
    measuredBench('generation.mjs', [
      ...['--own', '--model', values.model, '--engine', values.engine, '--batches', String(batch), ...sizes],
    ]);
  const prompts = JSON.stringify(await randomPrompts(batch));
  const yardstick = () =>
    measuredProgram(values.python, [
      ...[benchFile('transformers/generate.py'), '--model', values.model, '--prompts', prompts],
      ...['--new-tokens', String(newTokens)],
    ]);
  const [ours, theirs] = [[], []];
  let agree = 0;
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    const [a, b] = [own(), yardstick()];
    const rate = ({ seconds }) => (batch * newTokens) / seconds;
    ours.push(rate(a));
    theirs.push(rate(b));
    agree = a.tokens.flat().filter((id, i) => id === b.tokens.flat()[i]).length / (batch * newTokens);
  }
  return [
    batch,
    spread(theirs, 0),
    spread(ours, 0),
    spread(ratios(ours, theirs)),
    `${(100 * agree).toFixed(1)}%`,
  ];
}

const batches = values.batches.split(',').map(Number);
if (values.own) await ownRun(batches[0]);
else {
  const rows = [];
  for (const batch of batches) rows.push(await compare(batch));
  printTable(['batch', 'transformers, tokens/s', `${values.engine}, tokens/s`, 'ratio', 'same tokens'], rows);
}
