import { spawnSync } from 'node:child_process';
import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { installedEngine, openEngine } from '../../src/engine/index.js';
import { engineScript, tensorflowEnvironment } from '../../src/engine/matmul-probe.js';
import { runProgram } from '../../src/engine/tensorflow/run-program.js';
import { largestDifference, runOn } from './compare-engines.js';
import { tensorflowSkipped, titled } from './tensorflow-available.js';

describe.skipIf(tensorflowSkipped !== undefined)(titled('the tensorflow engine'), () => {
  beforeAll(() => openEngine('tensorflow'));

  it('is what auto takes', async () => {
    const engine = await openEngine('auto');
    expect(engine.name).toBe('tensorflow');
    expect(engine.describe()).toMatchObject({
      engine: 'tensorflow',
      precision: 'fp32',
      tensorflow: '2.21.0',
      kernels: expect.stringMatching(/^selective-dpo-1 /) as string,
    });
    // What TensorFlow's CUDA libraries would read: float32 products are float32.
    expect(process.env['NVIDIA_TF32_OVERRIDE']).toBe('0');
    expect(tensorflowEnvironment('bf16-matmul')).not.toHaveProperty('NVIDIA_TF32_OVERRIDE');
  });

  it('says so where it runs on a GPU', async () => {
    const engine = await openEngine('tensorflow');
    expect(engine.describe()).not.toHaveProperty('device');
    const backend = tf.backend() as unknown as { isUsingGpuDevice: boolean };
    backend.isUsingGpuDevice = true;
    try {
      expect(engine.describe()).toMatchObject({ device: 'gpu', kernels: 'plain' });
    } finally {
      backend.isUsingGpuDevice = false;
    }
  });

  it('stays in the precision it was loaded with, since the library reads it once', async () => {
    const refused = openEngine('tensorflow', { precision: 'bf16-matmul' });
    await expect(refused).rejects.toBeInstanceOf(InputError);
    await expect(refused).rejects.toMatchObject({
      code: 'engine-precision',
      details: { found: 'bf16-matmul', expected: 'fp32' },
    });
  });

  it.each<[string, number[][], (...inputs: tf.Tensor[]) => tf.Tensor]>([
    [
      'matMul',
      [
        [70, 90],
        [90, 30],
      ],
      (a, b) => tf.matMul(a, b),
    ],
    [
      'matMul of a transposed',
      [
        [70, 90],
        [30, 90],
      ],
      (a, b) => tf.matMul(a, b, false, true),
    ],
    [
      'matMul of stacks',
      [
        [4, 20, 30],
        [4, 20, 10],
      ],
      (a, b) => tf.matMul(a, b, true, false),
    ],
    ['softmax', [[20, 300]], (x) => tf.softmax(x)],
    ['logSumExp', [[20, 300]], (x) => tf.logSumExp(x, 1)],
    ['SiLU', [[20, 300]], (x) => tf.mul(x, tf.sigmoid(x))],
    ['RMS', [[20, 300]], (x) => tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5)))],
  ])('agrees with the oracle: %s', async (_, shapes, compute) => {
    const specs = shapes.map((shape) => ({ shape }));
    const both = (inputs: tf.Tensor[]): tf.Tensor[] => [compute(...inputs), ...tf.grads(compute)(inputs)];
    const oracle = await runOn('cpu', specs, both);
    const tensorflow = await runOn('tensorflow', specs, both);
    expect(largestDifference(oracle, tensorflow)).toBeLessThan(1e-5);
    expect(tensorflow.leaked).toBe(0);
  });

  it('gives back copies: writing into them changes nothing', async () => {
    for (const name of ['tensorflow', 'wasm', 'cpu'] as const) {
      const engine = await openEngine(name);
      const tensor = engine.tf.tensor1d([1, 2]);
      (await engine.readFloats(tensor))[0] = 99;
      expect([...(await engine.readFloats(tensor))], name).toEqual([1, 2]);
      tensor.dispose();
      const integers = engine.tf.tensor1d([1], 'int32');
      await expect(engine.readFloats(integers)).rejects.toThrow(TypeError);
      integers.dispose();
    }
  });
});

/** Digests of many runs of the ops whose order of additions could vary, on data of a training step's size. */
const DETERMINISM = `
  const { createHash } = require('node:crypto');
  const digest = (t) => createHash('sha256').update(new Uint8Array(t.dataSync().buffer)).digest('hex');
  const random = (shape, seed) => tf.randomNormal(shape, 0, 1, 'float32', seed);
  const [x, w, g, wide] = [random([640, 576], 1), random([1536, 576], 2), random([640, 1536], 3), random([100, 20000], 4)];
  const many = random([8192, 96], 5);
  const ids = (n, below) => tf.tensor1d(Int32Array.from({ length: n }, (_, i) => (i * 37) % below), 'int32');
  const ops = {
    NT: () => tf.matMul(x, w, false, true), NN: () => tf.matMul(g, w), TN: () => tf.matMul(g, x, true, false),
    softmax: () => tf.softmax(wide), logSumExp: () => tf.logSumExp(wide, 1), sumAll: () => tf.sum(wide),
    sumRows: () => tf.sum(g, 0), sumColumns: () => tf.sum(g, 1),
    segments: () => tf.unsortedSegmentSum(x, ids(640, 91), 50304), fewSegments: () => tf.unsortedSegmentSum(many, ids(8192, 7), 7),
  };
  const seen = {};
  for (const [name, op] of Object.entries(ops)) {
    seen[name] = [...new Set(Array.from({ length: 8 }, () => tf.tidy(() => digest(op()))))];
  }
  console.log(JSON.stringify(seen));
`;

/** Attention over one long prompt in a process that may grow by no more than its outputs. */
const LITTLE_MEMORY = `
  const { readFileSync } = require('node:fs');
  const { execFileSync } = require('node:child_process');
  // Through a kernel, so that TensorFlow holds it already.
  const zeros = (...shape) => tf.tidy(() => tf.add(tf.zeros(shape), 0));
  const attributes = [['heads', 1], ['kv_heads', 1], ['head_dim', 8]].map(([name, value]) =>
    ({ name, type: binding.TF_ATTR_INT, value }));
  const attention = (rows, backward) => {
    const layout = [zeros(rows, 1, 4), zeros(rows, 1, 4), tf.tensor2d([0, rows, 0, 0], [1, 4], 'int32')];
    const inputs = [zeros(rows, 24), ...layout, ...(backward ? [zeros(rows, 8), zeros(rows, 1), zeros(rows, 8)] : [])];
    const name = backward ? 'SdpoAttentionGradient' : 'SdpoAttention';
    return () => tf.backend().executeMultipleOutputs(name, attributes, inputs, backward ? 1 : 2);
  };
  const problem = (run) => { try { run(); return 'none'; } catch (error) { return error.message; } };
  const [small, forward, backward] = [attention(64, false), attention(400000, false), attention(300000, true)];
  small();
  const [, kilobytes] = /VmSize:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (1024 * kilobytes + (48 << 20))]);
  const found = { forward: problem(forward), backward: problem(backward), small: problem(small) };
  console.log(JSON.stringify(found));
`;

function hasPrlimit(): boolean {
  return process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;
}

describe.skipIf(tensorflowSkipped !== undefined)(titled('repeated on tensorflow'), () => {
  const inFreshProcess = async (body: string) => {
    const options = { engine: 'tensorflow', precision: 'fp32', modules: installedEngine()! } as const;
    const env = { ...process.env, ...tensorflowEnvironment('fp32') };
    return runProgram(process.execPath, ['-e', engineScript(options, body)], { env });
  };

  it('every op gives the same bits, in one process and in another', async () => {
    const [first, second] = [await inFreshProcess(DETERMINISM), await inFreshProcess(DETERMINISM)];
    const digests = JSON.parse(first.stdout) as Record<string, string[]>;
    expect(Object.keys(digests)).toHaveLength(10);
    for (const [name, distinct] of Object.entries(digests)) expect(distinct, name).toHaveLength(1);
    expect(JSON.parse(second.stdout)).toEqual(digests);
    // Different ops differ, so a digest of nothing would show.
    expect(new Set(Object.values(digests).flat()).size).toBe(10);
  });

  it.skipIf(!hasPrlimit())(
    'attention without memory for its scores throws, and the process goes on',
    async () => {
      const { code, stdout, stderr } = await inFreshProcess(LITTLE_MEMORY);
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toEqual({
        forward: expect.stringContaining('SdpoAttention: no memory') as string,
        backward: expect.stringContaining('SdpoAttentionGradient: no memory') as string,
        small: 'none',
      });
    },
  );

  it('nothing is written to the terminal while the library loads and computes', async () => {
    const run = await inFreshProcess('tf.matMul(tf.ones([8, 8]), tf.ones([8, 8])).dataSync();');
    expect(run).toEqual({ code: 0, signal: undefined, stdout: '', stderr: '' });
  });
});
