/**
 * Where a forward and backward pass of the TensorFlow engine spends its time, kernel by kernel; products by their shapes.
 * Kernels on the CPU have finished when they return, so the clock around each tells.
 *
 *   npm run build
 *   node bench/kernel-times.mjs --policy DIR --cache CACHE [--pairs 4] [--keep 0.4] [--top 20]
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { CacheReader } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';

const PASSES = 5;

const { values } = parseArgs({
  options: {
    policy: { type: 'string' },
    cache: { type: 'string' },
    pairs: { type: 'string', default: '4' },
    keep: { type: 'string', default: '0.4' },
    top: { type: 'string', default: '20' },
  },
});
if (!values.policy || !values.cache) {
  console.log('node bench/kernel-times.mjs --policy DIR --cache CACHE [--pairs 4] [--keep 0.4] [--top 20]');
  process.exit(2);
}

const { tf } = await openEngine('tensorflow');
const model = await CausalLM.load(values.policy);
const cache = await CacheReader.open(values.cache);
const sequences = [];
for (let i = 0; i < Number(values.pairs); i++) {
  const row = await cache.row(i);
  sequences.push({ prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] });
}

const times = new Map();
const backend = tf.backend();
for (const method of ['executeSingleOutput', 'executeMultipleOutputs']) {
  const original = backend[method].bind(backend);
  backend[method] = (name, attributes, inputs, ...rest) => {
    const began = performance.now();
    const outputs = original(name, attributes, inputs, ...rest);
    const shapes = name.includes('MatMul') ? ` ${inputs.map(({ shape }) => shape.join('×')).join(' ')}` : '';
    const entry = times.get(name + shapes) ?? { calls: 0, milliseconds: 0 };
    entry.calls++;
    entry.milliseconds += performance.now() - began;
    times.set(name + shapes, entry);
    return outputs;
  };
}

/** Every so-and-so-many-th token has a gradient: as many as are kept. */
const kept = (list) =>
  list.map((_, i) => (Math.floor((i + 1) * values.keep) > Math.floor(i * values.keep) ? 0.01 : 0));
let total = 0;
for (let pass = 0; pass < PASSES; pass++) {
  times.clear();
  const began = performance.now();
  const { gradients } = await model.forwardBackward(sequences, (logps) =>
    logps.map((pair) => pair.map(kept)),
  );
  total = performance.now() - began;
  for (const gradient of gradients.values()) gradient.dispose();
}
console.log(`pass ${PASSES}: ${total.toFixed(0)} ms`);
const slowest = [...times]
  .sort(([, a], [, b]) => b.milliseconds - a.milliseconds)
  .slice(0, Number(values.top));
for (const [name, { calls, milliseconds }] of slowest) {
  console.log(`${milliseconds.toFixed(1).padStart(8)} ms ${String(calls).padStart(5)} × ${name}`);
}
