/** Sums of rows for the WebAssembly backend: UnsortedSegmentSum, which it lacks, and Sum over leading axes. */
import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import { addressOf, floatView, sizeOf, type Kernel, type KernelCall, type ListKernel } from './heap.js';
import { kernelModule } from './kernel-module.js';

/**
 * Sums of the rows of x by segment: x [N, …], segmentIds [N] → [numSegments, …]. The gradient of gather. Rows are added
 * in order, so the result is the same in every run; an id out of range leaves its row out, as in tfjs.
 */
export function unsortedSegmentSum({ inputs, backend, attrs }: KernelCall): TensorInfo {
  const [x, segmentIds] = [inputs['x']!, inputs['segmentIds']!];
  const { numSegments } = attrs as { numSegments: number };
  const outer = sizeOf(segmentIds.shape);
  const shape = x.shape.slice(segmentIds.shape.length);
  const width = sizeOf(shape);
  const out = backend.makeOutput([numSegments, ...shape], x.dtype);
  const ids = backend.typedArrayFromHeap(segmentIds);
  const values = backend.typedArrayFromHeap(x);
  const sums = backend.typedArrayFromHeap(out).fill(0);
  for (let row = 0; row < outer; row++) {
    const segment = ids[row]!;
    if (segment < 0 || segment >= numSegments) continue;
    const [to, from] = [segment * width, row * width];
    for (let i = 0; i < width; i++) sums[to + i]! += values[from + i]!;
  }
  return out;
}

/** Wraps tfjs's Sum, which transposes the whole tensor to sum over a leading axis. */
export function sumKernel(stock: Kernel): Kernel {
  return (call) => {
    const x = call.inputs['x']!;
    const { axis, keepDims } = call.attrs as unknown as { axis: number | number[]; keepDims: boolean };
    const axes = util.parseAxisParam(axis, x.shape);
    const leading = axes.length < x.shape.length && axes.every((a, i) => a === i);
    return leading && keepDims !== true && x.dtype === 'float32' ? sumOfRows(call, axes.length) : stock(call);
  };
}

/** Accumulates in float64 and rounds once: closer to the true sum than any order of float32 additions. */
function sumOfRows({ inputs, backend }: KernelCall, axes: number): TensorInfo {
  const x = inputs['x']!;
  const shape = x.shape.slice(axes);
  const width = sizeOf(shape);
  const out = backend.makeOutput(shape, 'float32');
  const values = floatView(backend, x);
  const sums = new Float64Array(width);
  for (let from = 0; from < values.length; from += width) {
    for (let i = 0; i < width; i++) sums[i]! += values[from + i]!;
  }
  floatView(backend, out).set(sums);
  return out;
}

/** Σ x² → a scalar, summed in float64. */
export const squaredSumKernel: ListKernel = ({ inputs, backend }) => {
  const x = inputs['x']!;
  const out = backend.makeOutput([], 'float32');
  const { kernels } = kernelModule(backend);
  kernels.squaredSum(sizeOf(x.shape), addressOf(backend, x), addressOf(backend, out));
  return [out];
};
