/**
 * Slice and GatherV2 for the WebAssembly backend as copies of whole blocks inside the heap. tfjs's slice first copies the
 * entire tensor it cuts from, and its gather goes element by element through a generic index.
 */
import { slice_util, util, type TensorInfo } from '@tensorflow/tfjs-core';
import { addressOf, bytesPerElement, moduleOf, sizeOf, type Kernel, type KernelCall } from './heap.js';

/** Wraps tfjs's Slice, which keeps the strings. */
export function sliceKernel(stock: Kernel): Kernel {
  return (call) => (call.inputs['x']!.dtype === 'string' ? stock(call) : slice(call));
}

function slice({ inputs, backend, attrs }: KernelCall): TensorInfo {
  const x = inputs['x']!;
  const { begin: rawBegin, size: rawSize } = attrs as unknown as { begin: number[]; size: number[] };
  const [begin, size] = slice_util.parseSliceParams(x as never, rawBegin, rawSize);
  slice_util.assertParamsValid(x as never, begin!, size!);
  const out = backend.makeOutput(size!, x.dtype);
  if (sizeOf(size!) === 0) return out;
  const itemBytes = bytesPerElement(x);
  const strides = util.computeStrides(x.shape).concat(1);
  // Axes after `last` are taken whole, so runs along `last` lie in one piece.
  let last = x.shape.length - 1;
  while (last > 0 && size![last] === x.shape[last]) last--;
  const blockBytes = (size![last] ?? 1) * (strides[last] ?? 1) * itemBytes;
  const start = begin!.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
  const heap = moduleOf(backend).HEAPU8;
  let to = addressOf(backend, out);
  const copyAxis = (axis: number, from: number): void => {
    if (axis >= last) {
      heap.copyWithin(to, from, from + blockBytes);
      to += blockBytes;
      return;
    }
    for (let i = 0; i < size![axis]!; i++) copyAxis(axis + 1, from + i * strides[axis]! * itemBytes);
  };
  copyAxis(0, addressOf(backend, x) + start * itemBytes);
  return out;
}

/** Wraps tfjs's GatherV2, which keeps strings and batch dimensions. */
export function gatherKernel(stock: Kernel): Kernel {
  return (call) => {
    const { batchDims } = call.attrs as { batchDims: number };
    return batchDims !== 0 || call.inputs['x']!.dtype === 'string' ? stock(call) : gather(call);
  };
}

/** @throws RangeError for an index outside the axis. */
function gather({ inputs, backend, attrs }: KernelCall): TensorInfo {
  const [x, indices] = [inputs['x']!, inputs['indices']!];
  const axis = util.parseAxisParam((attrs as { axis: number }).axis, x.shape)[0]!;
  const extent = x.shape[axis]!;
  const out = backend.makeOutput(
    [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)],
    x.dtype,
  );
  const ids = backend.typedArrayFromHeap(indices);
  for (const id of ids) {
    if (id < 0 || id >= extent) throw new RangeError(`gather: index ${id} on an axis of ${extent}`);
  }
  const blockBytes = sizeOf(x.shape.slice(axis + 1)) * bytesPerElement(x);
  const outer = sizeOf(x.shape.slice(0, axis));
  const heap = moduleOf(backend).HEAPU8;
  const base = addressOf(backend, x);
  let to = addressOf(backend, out);
  for (let i = 0; i < outer; i++) {
    for (const id of ids) {
      const from = base + (i * extent + id) * blockBytes;
      heap.copyWithin(to, from, from + blockBytes);
      to += blockBytes;
    }
  }
  return out;
}
