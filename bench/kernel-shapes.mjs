/**
 * What a new shape costs on the TensorFlow engine: memory that stays and time, for products of 400 different shapes and of one
 * shape, and the time of a call of a small kernel.
 *
 *   npm run build
 *   node bench/kernel-shapes.mjs        (TF_ENABLE_ONEDNN_OPTS=0 in front: without prepared kernels)
 */
import { performance } from 'node:perf_hooks';
import { openEngine } from '@selective-dpo/model';

const SHAPES = 400;
const { tf } = await openEngine('tensorflow');
const [x, w] = [tf.zeros([1400, 576]), tf.zeros([576, 1536])];
const product = (rows) => tf.tidy(() => void tf.matMul(tf.slice2d(x, [0, 0], [rows, 576]), w));
const [a, b] = [tf.zeros([4]), tf.zeros([4])];

function measure(work) {
  work(0);
  const [memory, began] = [process.memoryUsage.rss(), performance.now()];
  for (let i = 0; i < SHAPES; i++) work(i);
  return {
    milliseconds: (performance.now() - began) / SHAPES,
    keptMb: (process.memoryUsage.rss() - memory) / 2 ** 20 / SHAPES,
  };
}

const show = (name, { milliseconds, keptMb }) =>
  console.log(`${name.padEnd(28)} ${milliseconds.toFixed(3)} ms   ${keptMb.toFixed(3)} MB kept a call`);
for (let i = 0; i < 20; i++) product(1399);
show(
  'product, one shape',
  measure(() => product(1000)),
);
show(
  'product, a new shape',
  measure((i) => product(900 + i)),
);
show(
  'product, the shapes again',
  measure((i) => product(900 + i)),
);
show(
  'sum of 4 numbers',
  measure(() => tf.tidy(() => void tf.add(a, b))),
);
