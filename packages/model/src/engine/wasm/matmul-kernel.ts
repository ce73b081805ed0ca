/**
 * BatchMatMul for the WebAssembly backend. XNNPACK's product of two plain matrices is fast (20–36 GFLOP/s); what tfjs
 * does for transposed operands and for stacks is not (1–2). So every product is brought to plain ones: operands
 * are transposed first, and each pair of a stack is multiplied where it lies on the heap, without a copy.
 *
 * A product can be had as A·B or as (Bᵀ·Aᵀ)ᵀ; whichever moves fewer elements for transposing is taken. For a weight
 * in [out, in] orientation and few rows, as in generation, that never touches the weight. Both give the same
 * bits: each element is a sum over k in the same order.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { broadcast_util, getKernel, type TensorInfo } from '@tensorflow/tfjs-core';
import { HeapAlias, addressOf, floatView, moduleOf, sizeOf, type KernelCall } from './heap.js';

/** BatchMatMul(aId, aShape, aRank, bId, bShape, bRank, transposeA, transposeB, outId) of the C++ side. */
type PlainProduct = (
  aId: number,
  aShape: Uint8Array,
  aRank: number,
  bId: number,
  bShape: Uint8Array,
  bRank: number,
  transposeA: boolean,
  transposeB: boolean,
  outId: number,
) => void;

let plainProduct: PlainProduct | undefined;

/** Binds the C++ function; tfjs calls this whenever the backend starts. */
export function setupMatMul(backend: BackendWasm): void {
  const number = 'number';
  const types = [number, 'array', number, number, 'array', number, number, number, number];
  plainProduct = moduleOf(backend).cwrap('BatchMatMul', null, types) as PlainProduct;
}

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
  const [sizeA, sizeB] = [sizeOf(a.shape), sizeOf(b.shape)];
  const sizeOut = sizeOf(outerShape(a, b)) * m * n;
  const direct = (transposeA ? sizeA : 0) + (transposeB ? sizeB : 0);
  const swapped = (transposeA ? 0 : sizeA) + (transposeB ? 0 : sizeB) + sizeOut;
  if (direct <= swapped) return productOf(backend, a, transposeA, b, transposeB);
  const result = productOf(backend, b, !transposeB, a, !transposeA);
  const out = transposed(backend, result);
  backend.disposeData(result.dataId);
  return out;
}

/** Rows and columns as the product sees them. */
function matrixShape({ shape }: TensorInfo, isTransposed: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return isTransposed ? [columns, rows] : [rows, columns];
}

function outerShape(a: TensorInfo, b: TensorInfo): number[] {
  return broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
}

function productOf(
  backend: BackendWasm,
  a: TensorInfo,
  transposeA: boolean,
  b: TensorInfo,
  transposeB: boolean,
): TensorInfo {
  const left = transposeA ? transposed(backend, a) : a;
  const right = transposeB ? transposed(backend, b) : b;
  const out = plainProducts(backend, left, right);
  if (transposeA) backend.disposeData(left.dataId);
  if (transposeB) backend.disposeData(right.dataId);
  return out;
}

/** The last two axes swapped, in memory of its own. */
function transposed(backend: BackendWasm, x: TensorInfo): TensorInfo {
  const perm = x.shape.map((_, axis) => axis);
  perm.push(perm.splice(-2, 1)[0]!);
  const { kernelFunc } = getKernel('Transpose', 'wasm')!;
  return kernelFunc({ inputs: { x }, backend, attrs: { perm } }) as TensorInfo;
}

/** […, m, k] × […, k, n] → […, m, n], one plain product a pair of matrices. */
function plainProducts(backend: BackendWasm, a: TensorInfo, b: TensorInfo): TensorInfo {
  const outer = outerShape(a, b);
  const [rows, k] = a.shape.slice(-2) as [number, number];
  const n = b.shape.at(-1)!;
  const out = backend.makeOutput([...outer, rows, n], 'float32');
  if (sizeOf(out.shape) === 0) return out;
  if (k === 0) {
    floatView(backend, out).fill(0);
    return out;
  }
  // With one right matrix for all, the left ones are so many more rows of a single product.
  const together = sizeOf(b.shape) === k * n;
  const m = together ? sizeOf(a.shape) / k : rows;
  const pairs = together ? 1 : sizeOf(outer);
  const [aIndex, bIndex] = together ? [[0], [0]] : [stackIndex(a, outer), stackIndex(b, outer)];
  const [aAt, bAt, outAt] = [a, b, out].map((x) => addressOf(backend, x)) as [number, number, number];
  const [aName, bName, outName] = [0, 1, 2].map((slot) => new HeapAlias(backend, slot)) as [
    HeapAlias,
    HeapAlias,
    HeapAlias,
  ];
  const [aShape, bShape] = [shapeBytes([1, m, k]), shapeBytes([1, k, n])];
  for (let i = 0; i < pairs; i++) {
    aName.during(aAt + aIndex[i]! * m * k * 4, m * k, () =>
      bName.during(bAt + bIndex[i]! * k * n * 4, k * n, () =>
        outName.during(outAt + i * m * n * 4, m * n, () =>
          plainProduct!(aName.id, aShape, 3, bName.id, bShape, 3, false, false, outName.id),
        ),
      ),
    );
  }
  return out;
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

function shapeBytes(shape: number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(shape).buffer);
}
