/**
 * Sums over a whole tensor for the WebGPU backend. tfjs gives such a sum to one workgroup, whatever the size; here every
 * workgroup adds up a block, and so on with the sums, in an order that depends on the size alone.
 */
import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import type { Kernel, KernelCall, WebgpuBackend } from './gpu-types.js';
import { GROUP_REDUCTIONS, runShader } from './shader.js';

const THREADS = 256;
/** Elements of a workgroup; smaller tensors are tfjs's. */
const BLOCK = 64 * THREADS;

const BLOCK_SUMS = `${GROUP_REDUCTIONS}
  fn main(index : i32) {
    let block = index / THREADS;
    let end = min((block + 1) * BLOCK, uniforms.count);
    var sum = 0.0;
    for (var i = block * BLOCK + i32(localId.x); i < end; i += THREADS) {
      sum += select(x[i], x[i] * x[i], SQUARED == 1);
    }
    let total = sumOfGroup(sum);
    if (block < uniforms.size && localId.x == 0u) { result[block] = total; }
  }`;

/** Wraps tfjs's Sum, whose sums along an axis have a workgroup an output. */
export function sumKernel(stock: Kernel): Kernel {
  return (call) => {
    const x = call.inputs['x']!;
    const { axis, keepDims } = call.attrs as unknown as { axis: number | number[]; keepDims: boolean };
    const axes = util.parseAxisParam(axis, x.shape);
    const isWhole = axes.length === x.shape.length && keepDims !== true && x.dtype === 'float32';
    if (!isWhole || util.sizeFromShape(x.shape) <= BLOCK) return stock(call);
    return wholeSum(call.backend, x, false);
  };
}

/** Σ x² → a scalar. */
export function squaredSum({ inputs, backend }: KernelCall): TensorInfo {
  return wholeSum(backend, inputs['x']!, true);
}

function wholeSum(backend: WebgpuBackend, x: TensorInfo, squared: boolean): TensorInfo {
  const count = util.sizeFromShape(x.shape);
  const blocks = Math.ceil(count / BLOCK);
  const sums = runShader(backend, {
    name: 'BlockSums',
    inputs: { x },
    output: blocks === 1 ? [] : [blocks],
    ints: { count },
    constants: { BLOCK, SQUARED: squared ? 1 : 0 },
    threads: THREADS,
    groups: blocks,
    source: BLOCK_SUMS,
  });
  if (blocks === 1) return sums;
  const sum = wholeSum(backend, sums, false);
  backend.disposeData(sums.dataId);
  return sum;
}
