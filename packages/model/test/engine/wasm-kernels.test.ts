import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/index.js';
import { largestDifference, runOn, type InputSpec } from './compare-engines.js';

type Compute = (inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

/** The engine and the oracle agree on values and shapes, and nothing is left behind. */
async function expectSame(specs: InputSpec[], compute: Compute, tolerance = 1e-6): Promise<void> {
  const oracle = await runOn('cpu', specs, compute);
  const wasm = await runOn('wasm', specs, compute);
  expect(largestDifference(oracle, wasm)).toBeLessThanOrEqual(tolerance);
  expect(oracle.outcomes.some((outcome) => outcome.values.some((value) => value !== 0))).toBe(true);
  expect(wasm.leaked).toBe(0);
}

describe('the wasm engine multiplies like the oracle', () => {
  const transposes = [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const;
  // [outer of a, outer of b, m, k, n]: wide, tall and thin ones, so that both ways round are taken.
  const sizes: [number[], number[], number, number, number][] = [
    [[], [], 5, 7, 3],
    [[], [], 1, 64, 40],
    [[], [], 40, 64, 1],
    [[], [], 65, 33, 17],
    // Across the borders of the product's blocks: 192 summands, 512 columns, tiles of 5 × 8.
    [[], [], 7, 193, 9],
    [[], [], 11, 5, 521],
    [[], [], 6, 400, 515],
    [[4], [4], 6, 5, 9],
    [[4], [1], 6, 5, 9],
    [[1], [4], 6, 5, 9],
    [[2, 3], [2, 3], 4, 8, 2],
    [[3], [], 4, 8, 2],
    [[], [3], 4, 8, 2],
  ];
  describe.each(transposes)('transposed %s, %s', (transposeA, transposeB) => {
    it.each(sizes)('%j × %j, m %i, k %i, n %i', async (outerA, outerB, m, k, n) => {
      const specs = [
        { shape: [...outerA, ...(transposeA ? [k, m] : [m, k])] },
        { shape: [...outerB, ...(transposeB ? [n, k] : [k, n])] },
      ];
      const product = (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b, transposeA, transposeB);
      // The oracle adds in another order.
      const tolerance = Math.max(k, n) > 100 ? 1e-5 : 2e-6;
      await expectSame(specs, ([a, b]) => product(a!, b!), tolerance);
      // tfjs has no gradient of a product that broadcasts.
      if (outerA.join() !== outerB.join()) return;
      await expectSame(specs, ([a, b]) => tf.grads(product)([a!, b!]), tolerance);
    });
  });

  it('also where both stacks broadcast, which the oracle cannot do in one product', async () => {
    const specs = [{ shape: [2, 1, 4, 8] }, { shape: [1, 3, 2, 8] }];
    const oracle = await runOn('cpu', specs, ([a, b]) =>
      tf.matMul(tf.tile(a!, [1, 3, 1, 1]), tf.tile(b!, [2, 1, 1, 1]), false, true),
    );
    const wasm = await runOn('wasm', specs, ([a, b]) => tf.matMul(a!, b!, false, true));
    expect(wasm.outcomes[0]!.shape).toEqual([2, 3, 4, 2]);
    expect(largestDifference(oracle, wasm)).toBeLessThan(1e-6);
  });

  it('and tells a product from another one', async () => {
    const specs = [{ shape: [4, 4] }, { shape: [4, 4] }];
    const plain = await runOn('cpu', specs, ([a, b]) => tf.matMul(a!, b!));
    const other = await runOn('wasm', specs, ([a, b]) => tf.matMul(a!, b!, false, true));
    expect(largestDifference(plain, other)).toBeGreaterThan(0.01);
  });

  it('gives a row the same bits whatever other rows stand beside it', async () => {
    const specs = [{ shape: [300, 399] }, { shape: [83, 399] }];
    const run = await runOn('wasm', specs, ([x, weight]) => [
      tf.slice(tf.matMul(x!, weight!, false, true), [7, 0], [1, 83]),
      tf.matMul(tf.slice(x!, [7, 0], [1, 399]), weight!, false, true),
      // One row has a way of its own through operands that need not be turned.
      tf.matMul(tf.slice(x!, [7, 0], [1, 399]), tf.transpose(weight!)),
    ]);
    const [together, alone, plain] = run.outcomes;
    expect(alone!.values).toEqual(together!.values);
    expect(plain!.values).toEqual(together!.values);
  });

  it('gives the same bits whichever way round the operands lie', async () => {
    const [m, k, n] = [23, 389, 37];
    const run = await runOn('wasm', [{ shape: [m, k] }, { shape: [k, n] }], ([a, b]) =>
      transposes.map(([transposeA, transposeB]) => {
        const [left, right] = [transposeA ? tf.transpose(a!) : a!, transposeB ? tf.transpose(b!) : b!];
        return tf.matMul(left, right, transposeA, transposeB);
      }),
    );
    for (const { values } of run.outcomes) expect(values).toEqual(run.outcomes[0]!.values);
  });

  it('sums over nothing to zero, and makes nothing of empty stacks', async () => {
    const empty = await runOn('wasm', [{ shape: [3, 0] }, { shape: [0, 2] }], ([a, b]) => tf.matMul(a!, b!));
    expect(empty.outcomes).toEqual([{ shape: [3, 2], values: new Float64Array(6) }]);
    const none = await runOn('wasm', [{ shape: [0, 2, 3] }, { shape: [0, 3, 4] }], ([a, b]) =>
      tf.matMul(a!, b!),
    );
    expect(none.outcomes[0]!.shape).toEqual([0, 2, 4]);
  });

  it('lets a NaN through instead of hiding it', async () => {
    const { tf: current } = await openEngine('wasm');
    const values = current.tidy(() =>
      current.matMul(current.tensor2d([[NaN, 1]]), current.tensor2d([[1], [1]])).dataSync(),
    );
    expect(Number.isFinite(values[0]!)).toBe(false);
  });
});

describe('the wasm engine copies like the oracle', () => {
  it.each<[number[], number[], number[]]>([
    [[9], [2], [5]],
    [
      [6, 8],
      [2, 0],
      [3, 8],
    ],
    [
      [6, 8],
      [0, 3],
      [6, 4],
    ],
    [
      [5, 4, 3],
      [1, 0, 0],
      [3, 4, 3],
    ],
    [
      [5, 4, 3],
      [1, 2, 1],
      [3, 2, 2],
    ],
    [
      [2, 3, 4, 5, 2],
      [0, 1, 0, 2, 0],
      [2, 2, 4, 3, 2],
    ],
    [
      [4, 6],
      [0, 2],
      [-1, -1],
    ],
  ])('slice of %j at %j by %j', async (shape, begin, size) => {
    await expectSame([{ shape }], ([x]) => tf.slice(x!, begin, size), 0);
    await expectSame([{ shape }], ([x]) => tf.grad((v) => tf.square(tf.slice(v, begin, size)))(x!), 0);
    await expectSame([{ shape, below: 99 }], ([x]) => tf.slice(x!, begin, size), 0);
  });

  it('slice of booleans', async () => {
    await expectSame([{ shape: [7, 5] }], ([x]) => tf.slice(tf.greater(x!, 0), [1, 1], [5, 3]), 0);
  });

  it.each<[number[], number[], number]>([
    [[9, 4], [6], 0],
    [[9, 4], [2, 3], 0],
    [[3, 9, 4], [5], 1],
    [[3, 4], [5], -1],
  ])('gather from %j by %j on axis %i', async (shape, indices, axis) => {
    const extent = shape.at(axis)!;
    const specs = [{ shape }, { shape: indices, below: extent }];
    await expectSame(specs, ([x, ids]) => tf.gather(x!, ids!, axis), 0);
    if (axis !== 0) return;
    await expectSame(specs, ([x, ids]) => tf.grad((v) => tf.square(tf.gather(v, ids!)))(x!));
  });

  it('gather refuses an index outside the axis, and leaves nothing behind', async () => {
    const { tf: current } = await openEngine('wasm');
    const before = current.memory();
    for (const id of [-1, 3]) {
      expect(() =>
        current.tidy(() => current.gather(current.zeros([3, 2]), current.tensor1d([0, id], 'int32'))),
      ).toThrow(RangeError);
    }
    expect(current.memory().numTensors).toBe(before.numTensors);
  });
});

describe('the wasm engine sums like the oracle', () => {
  it.each<[number[], number]>([
    [[7, 3], 4],
    [[7], 4],
    [[6, 2, 3], 5],
  ])('rows %j by %i segments', async (shape, segments) => {
    const specs = [{ shape }, { shape: [shape[0]!], below: segments }];
    await expectSame(specs, ([x, ids]) => tf.unsortedSegmentSum(x!, ids as tf.Tensor1D, segments));
    await expectSame(specs, ([x, ids]) =>
      tf.grad((v) => tf.square(tf.unsortedSegmentSum(v, ids as tf.Tensor1D, segments)))(x!),
    );
  });

  it('rows whose id is out of range are left out', async () => {
    const { tf: current } = await openEngine('wasm');
    const sums = current.tidy(() =>
      current
        .unsortedSegmentSum(current.tensor1d([1, 2, 4, 8]), current.tensor1d([1, -1, 2, 1], 'int32'), 2)
        .dataSync(),
    );
    expect([...sums]).toEqual([0, 9]);
  });

  it.each<[number[], number | number[] | undefined, boolean]>([
    [[6, 5], 0, false],
    [[6, 5], 1, false],
    [[6, 5], 0, true],
    [[4, 3, 5], [0, 1], false],
    [[4, 3, 5], [0, 2], false],
    [[4, 3, 5], undefined, false],
  ])('%j over axis %j, kept %s', async (shape, axis, keepDims) => {
    await expectSame([{ shape }], ([x]) => tf.sum(x!, axis, keepDims));
  });

  it('a long column without drift', async () => {
    const { tf: current } = await openEngine('wasm');
    const total = current.tidy(() => current.sum(current.fill([300_000, 2], 0.1), 0).dataSync()[0]!);
    expect(Math.abs(total - 300_000 * Math.fround(0.1))).toBeLessThan(0.002);
  });
});

describe('the wasm engine has every other kernel of a Llama model', () => {
  const ALTERNATING = Array.from({ length: 24 }, (_, i) => i % 3 === 0);
  const positive = { shape: [4, 6], shift: 1.5 };
  it.each<[string, InputSpec[], (...inputs: tf.Tensor[]) => tf.Tensor, boolean?]>([
    ['softmax', [{ shape: [3, 4, 9] }], (x) => tf.softmax(x)],
    ['logSumExp', [{ shape: [3, 9] }], (x) => tf.logSumExp(x, 1)],
    ['logSoftmax', [{ shape: [3, 9] }], (x) => tf.logSoftmax(x)],
    ['sigmoid', [positive], (x) => tf.sigmoid(x)],
    ['SiLU', [{ shape: [4, 6] }], (x) => tf.mul(x, tf.sigmoid(x))],
    ['rsqrt', [positive], (x) => tf.rsqrt(x)],
    ['sqrt', [positive], (x) => tf.sqrt(x)],
    ['exp', [positive], (x) => tf.exp(x)],
    ['log', [positive], (x) => tf.log(x)],
    ['cos', [positive], (x) => tf.cos(x)],
    ['sin', [positive], (x) => tf.sin(x)],
    ['square', [positive], (x) => tf.square(x)],
    ['mean', [positive], (x) => tf.mean(x, -1, true)],
    ['max', [positive], (x) => tf.max(x, -1)],
    ['add over rows', [{ shape: [4, 6] }, { shape: [6] }], (a, b) => tf.add(a, b)],
    ['mul over columns', [{ shape: [4, 6] }, { shape: [4, 1] }], (a, b) => tf.mul(a, b)],
    ['mask', [{ shape: [2, 3, 4, 4] }, { shape: [2, 1, 4, 4] }], (a, b) => tf.add(a, b)],
    ['div', [{ shape: [4, 6] }, positive], (a, b) => tf.div(a, b)],
    ['sub', [{ shape: [4, 6] }, { shape: [4, 6] }], (a, b) => tf.sub(a, b)],
    ['concat', [{ shape: [2, 3] }, { shape: [2, 4] }], (a, b) => tf.concat([a, b], 1)],
    ['stack', [{ shape: [2, 3] }, { shape: [2, 3] }], (a, b) => tf.stack([a, b])],
    ['split', [{ shape: [3, 8] }], (x) => tf.add(...(tf.split(x, 2, 1) as [tf.Tensor, tf.Tensor]))],
    [
      'pad',
      [{ shape: [3, 4] }],
      (x) =>
        tf.pad(x, [
          [0, 2],
          [1, 0],
        ]),
    ],
    ['tile', [{ shape: [3, 4] }], (x) => tf.tile(x, [2, 3])],
    ['transpose 3-D', [{ shape: [3, 4, 5] }], (x) => tf.transpose(x, [0, 2, 1])],
    ['transpose 5-D', [{ shape: [2, 3, 2, 2, 4] }], (x) => tf.transpose(x, [0, 2, 3, 1, 4])],
    [
      'where',
      [{ shape: [4, 6] }, { shape: [4, 6] }],
      (a, b) => tf.where(tf.tensor2d(ALTERNATING, [4, 6], 'bool'), a, b),
    ],
    ['gatherND', [{ shape: [4, 6] }, { shape: [5, 2], below: 4 }], (x, i) => tf.gatherND(x, i), false],
    [
      'scatterND',
      [
        { shape: [5], shift: 1 },
        { shape: [5, 1], below: 4 },
      ],
      (x, i) => tf.scatterND(i, x, [4]),
      false,
    ],
    ['oneHot', [{ shape: [5], below: 4 }], (i) => tf.oneHot(i, 4, 1, 0, 'float32'), false],
    ['oneHot int32', [{ shape: [2, 5], below: 6 }], (i) => tf.oneHot(i, 4, 7, 2), false],
    ['zerosLike', [{ shape: [5] }], (x) => tf.add(tf.zerosLike(x), tf.onesLike(x)), false],
    ['cast', [{ shape: [5], below: 9 }], (i) => tf.cast(i, 'float32'), false],
    ['abs', [{ shape: [5] }], (x) => tf.abs(x)],
    ['topk', [{ shape: [2, 9] }], (x) => tf.topk(x, 3).values, false],
  ])('%s', async (_, specs, compute, differentiable = true) => {
    await expectSame(specs, (inputs) => compute(...inputs), 2e-6);
    if (!differentiable) return;
    await expectSame(specs, (inputs) => tf.grads((...xs) => tf.square(compute(...xs)))(inputs), 1e-5);
  });
});
