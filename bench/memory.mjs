/**
 * Peak memory of passes of several sizes beside what the memory limit reckons with (packages/model, memory-estimate.ts).
 *
 *   npm run build
 *   node bench/memory.mjs --model DIR [--length 250] [--engine tensorflow]
 *
 * Prints a table; every line is a process of its own: two passes that add up their gradients, the norm, an update, three
 * times over; or log-probs alone, three times. `reckoned` has to be above `peak`.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AdamW, CausalLM, globalNorm, openEngine, scoringMemory, trainingMemory } from '@selective-dpo/model';
import { printTable } from './spread.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    length: { type: 'string', default: '250' },
    engine: { type: 'string', default: 'tensorflow' },
    one: { type: 'string' },
  },
});
if (!values.model) {
  console.log('node bench/memory.mjs --model DIR [--length 250] [--engine tensorflow]');
  process.exit(2);
}
const length = Number(values.length);

/** Work, activations, tokens at a time, rows of logits. */
const SETTINGS = [
  ['score', 'none', 2048, 320],
  ['score', 'none', 8192, 320],
  ['train', 'keep', 512, 320],
  ['train', 'keep', 1024, 64],
  ['train', 'keep', 2048, 320],
  ['train', 'keep', 4096, 320],
  ['train', 'recompute', 512, 320],
  ['train', 'recompute', 4096, 320],
];

if (values.one) await measure(SETTINGS[Number(values.one)]);
else {
  const gigabytes = (bytes) => (bytes / 2 ** 30).toFixed(2);
  const rows = SETTINGS.map((setting, i) => {
    const args = [fileURLToPath(import.meta.url), '--model', values.model, '--length', values.length];
    const output = execFileSync(process.execPath, [...args, '--engine', values.engine, '--one', String(i)]);
    const { peak, reckoned } = JSON.parse(output);
    return [...setting, gigabytes(peak), gigabytes(reckoned), (reckoned / peak).toFixed(2)];
  });
  printTable(['work', 'activations', 'tokens', 'logit rows', 'peak GiB', 'reckoned GiB', 'ratio'], rows);
}

async function measure([work, activations, wanted, logitRows]) {
  const engine = await openEngine(values.engine);
  const model = await CausalLM.load(values.model);
  const sequences = Array.from({ length: Math.floor(wanted / length) }, (_, i) => sequence(i));
  const tokens = sequences.length * length;
  const size = { tokens, longest: length, logitRows, activations };
  if (work === 'score') for (let i = 0; i < 3; i++) await model.logps(sequences, { logitRows });
  else await train(model, engine, sequences, { activations, logitRows });
  const demand = work === 'score' ? scoringMemory(model.config, size) : trainingMemory(model.config, size);
  const peak = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ peak, reckoned: engine.processBytes + demand.total }));
}

async function train(model, engine, sequences, options) {
  const optimizer = new AdamW(model.parameters, undefined, engine.fusedAdamW);
  // A loss on two tokens of five, as a selection keeps them.
  const kept = (logps) =>
    logps.map((lists) => lists.map((list) => list.map((_, t) => (t % 5 < 2 ? 0.01 : 0))));
  for (let step = 0; step < 3; step++) {
    const { gradients } = await model.forwardBackward(sequences, kept, options);
    await model.forwardBackward(sequences, kept, { ...options, gradients });
    await globalNorm(gradients);
    optimizer.step(gradients, 1e-6, 0.5);
  }
}

/** A prompt of six tenths of the length and two answers. */
function sequence(seed) {
  const ids = (count) => Int32Array.from({ length: count }, (_, i) => 1 + ((7 * i + seed) % 500));
  const answer = Math.floor(length * 0.2);
  return { prompt: ids(length - 2 * answer), responses: [ids(answer), ids(answer)] };
}
