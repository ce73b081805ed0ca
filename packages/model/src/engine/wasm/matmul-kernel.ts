/**
 * BatchMatMul for the WebAssembly backend through this package's own product (packages/model/assembly/matmul.ts), which
 * reads either operand in either orientation where it lies. tfjs's own (XNNPACK) is fast only for two plain matrices, and
 * even there slower (`node bench/wasm-matmul.mjs`); both give the same bits.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { broadcast_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { addressOf, floatView, sizeOf, type KernelCall } from './heap.js';
import { kernelModule } from './kernel-module.js';

/**
 * a: […, m, k] (or […, k, m] with `transposeA`), b: […, k, n] (or […, n, k] with `transposeB`) → […, m, n]; the
 * leading dimensions broadcast.
 */
export function batchMatMul({ inputs, backend, attrs }: KernelCall): TensorInfo {
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  const [a, b] = [inputs['a']!, inputs['b']!];
  const [m, k] = matrixShape(a, transposeA);
  const [innerB, n] = matrixShape(b, transposeB);
  if (a.dtype !== 'float32' || b.dtype !== 'float32' || k !== innerB) {
    throw new TypeError(
      `matMul of ${a.dtype} [${a.shape}] and ${b.dtype} [${b.shape}] (transposed: ${transposeA}, ${transposeB})`,
    );
  }
  const outer = broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const out = backend.makeOutput([...outer, m, n], 'float32');
  if (sizeOf(out.shape) === 0) return out;
  if (k === 0) {
    floatView(backend, out).fill(0);
    return out;
  }
  // With one right matrix for all, the left ones are so many more rows of a single product.
  const together = !transposeA && sizeOf(b.shape) === k * n;
  const [aIndex, bIndex] = together ? [ONLY, ONLY] : [stackIndex(a, outer), stackIndex(b, outer)];
  const rows = together ? sizeOf(a.shape) / k : m;
  multiplyPairs(backend, { rows, n, k, transposeA, transposeB }, [a, b, out], aIndex, bIndex);
  return out;
}

const ONLY = Int32Array.of(0);

/** Rows and columns as the product sees them. */
function matrixShape({ shape }: TensorInfo, isTransposed: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return isTransposed ? [columns, rows] : [rows, columns];
}

interface PlainProduct {
  rows: number;
  n: number;
  k: number;
  transposeA: boolean;
  transposeB: boolean;
}

/** One product a pair of matrices: the i-th result of those that `aIndex` and `bIndex` name at i. */
function multiplyPairs(
  backend: BackendWasm,
  { rows, n, k, transposeA, transposeB }: PlainProduct,
  [a, b, out]: [TensorInfo, TensorInfo, TensorInfo],
  aIndex: Int32Array,
  bIndex: Int32Array,
): void {
  const module = kernelModule(backend);
  const { kernels } = module;
  const scratch = module.scratch(kernels.matmulScratchBytes());
  const [aAt, bAt, outAt] = [addressOf(backend, a), addressOf(backend, b), addressOf(backend, out)];
  const [aRow, aColumn] = transposeA ? [4, 4 * rows] : [4 * k, 4];
  const [bRow, bColumn] = transposeB ? [4, 4 * k] : [4 * n, 4];
  for (let i = 0; i < aIndex.length; i++) {
    const [aHere, bHere] = [aAt + aIndex[i]! * 4 * rows * k, bAt + bIndex[i]! * 4 * k * n];
    const outHere = outAt + i * 4 * rows * n;
    kernels.matmul(rows, n, k, aHere, aRow, aColumn, bHere, bRow, bColumn, outHere, 4 * n, 4, 0, scratch);
  }
}

/** For every pair of the broadcast stack `outer`, which matrix of x takes part. */
function stackIndex(x: TensorInfo, outer: readonly number[]): Int32Array {
  const own = x.shape.slice(0, -2);
  const extents = [...new Array<number>(outer.length - own.length).fill(1), ...own];
  let index = Int32Array.of(0);
  for (let axis = 0; axis < outer.length; axis++) {
    const next = new Int32Array(index.length * outer[axis]!);
    for (let i = 0; i < next.length; i++) {
      const [before, here] = [Math.floor(i / outer[axis]!), i % outer[axis]!];
      next[i] = index[before]! * extents[axis]! + (extents[axis] === 1 ? 0 : here);
    }
    index = next;
  }
  return index;
}
