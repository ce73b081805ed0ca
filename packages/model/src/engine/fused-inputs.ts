/**
 * What a fused kernel may be given. Kernels on a heap or on a GPU follow addresses, not shapes: what does not fit is refused
 * before one runs. The TensorFlow operations check the same in native/fused_ops.cc.
 */
import type { DataType, NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { AttentionAttributes, FusedKernelName } from './fused-kernels.js';

interface Call {
  inputs: NamedTensorInfoMap;
  attrs?: NamedAttrMap | undefined;
}

type Shapes = Record<string, readonly number[]>;

/** Inputs that are not float32. */
const INT32_INPUTS: ReadonlySet<string> = new Set(['targets', 'segments']);

/** Shapes of all inputs, from those of the first one; see fused-kernels.ts. What has no such shape becomes one that differs. */
const SHAPES: Record<FusedKernelName, (call: Call) => Shapes> = {
  SdpoRmsNorm: ({ inputs }) => rmsNormShapes(inputs),
  SdpoRmsNormGradient: ({ inputs }) => ({ ...rmsNormShapes(inputs), dy: inputs['x']!.shape }),
  SdpoSwiglu: ({ inputs }) => swigluShapes(inputs),
  SdpoSwigluGradient: ({ inputs }) => {
    const { gateUp } = swigluShapes(inputs);
    return { gateUp, dActivated: [gateUp[0], gateUp[1] / 2] };
  },
  SdpoAttention: attentionShapes,
  SdpoAttentionGradient: (call) => {
    const { heads, headDim } = call.attrs as unknown as AttentionAttributes;
    const [rows] = matrixOf(call.inputs['joint']!);
    const context = [rows, heads * headDim];
    return { ...attentionShapes(call), context, logSumExp: [rows, heads], dContext: context };
  },
  SdpoSquaredSum: ({ inputs }) => ({ x: inputs['x']!.shape }),
  SdpoTokenLogps: ({ inputs }) => logpsShapes(inputs),
  SdpoTokenLogpsGradient: ({ inputs }) => {
    const { logits, targets } = logpsShapes(inputs);
    return { logits, targets, logSumExp: targets, coefficients: targets };
  },
};

function rmsNormShapes(inputs: NamedTensorInfoMap): Shapes {
  const x = matrixOf(inputs['x']!);
  return { x, weight: [x[1]] };
}

function swigluShapes(inputs: NamedTensorInfoMap) {
  const [rows, width] = matrixOf(inputs['gateUp']!);
  return { gateUp: [rows, 2 * Math.floor(width / 2)] as const };
}

function logpsShapes(inputs: NamedTensorInfoMap) {
  const logits = matrixOf(inputs['logits']!);
  return { logits, targets: [logits[0]] };
}

function attentionShapes({ inputs, attrs }: Call): Shapes {
  const { heads, kvHeads, headDim } = attrs as unknown as AttentionAttributes;
  if (!(heads > 0 && kvHeads > 0 && heads % kvHeads === 0 && headDim > 0 && headDim % 2 === 0)) {
    throw new RangeError(`SdpoAttention: ${heads} heads, ${kvHeads} key-value heads of ${headDim}`);
  }
  const [rows] = matrixOf(inputs['joint']!);
  const angles = [rows, 1, headDim / 2];
  const segments = Math.max(1, matrixOf(inputs['segments']!)[0]);
  return {
    joint: [rows, (heads + 2 * kvHeads) * headDim],
    cos: angles,
    sin: angles,
    segments: [segments, 4],
  };
}

/** Rows and columns of a matrix; of anything else some that it does not have. */
function matrixOf({ shape }: TensorInfo): readonly [number, number] {
  return shape.length === 2 ? (shape as [number, number]) : [0, 0];
}

/** @throws RangeError for an input of another shape or type than the kernel takes. */
export function checkFusedInputs(name: FusedKernelName, call: Call): void {
  for (const [input, shape] of Object.entries(SHAPES[name](call))) {
    const found = call.inputs[input]!;
    const dtype: DataType = INT32_INPUTS.has(input) ? 'int32' : 'float32';
    if (found.dtype === dtype && sameShape(found.shape, shape)) continue;
    throw new RangeError(
      `${name}: ${input} ${found.dtype} [${found.shape.join(', ')}] where ${dtype} [${shape.join(', ')}] fits`,
    );
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

/** @throws RangeError for a target outside the vocabulary. */
export function checkTargets(targets: ArrayLike<number>, vocabulary: number): void {
  for (let i = 0; i < targets.length; i++) {
    const id = targets[i]!;
    if (id >= 0 && id < vocabulary) continue;
    throw new RangeError(`SdpoTokenLogps: target ${id} in a vocabulary of ${vocabulary}`);
  }
}

type Segment = [row: number, length: number, promptRow: number, promptRows: number];

/**
 * The most keys that a query of any segment sees.
 * @param segments [S · 4]: segments follow each other from row 0 on, and a response names the prompt before it.
 * @throws RangeError for other segments.
 */
export function mostKeys(segments: ArrayLike<number>, rows: number): number {
  let [next, promptRow, promptRows, most] = [0, 0, 0, 0];
  for (let at = 0; at < segments.length; at += 4) {
    const [row, length, shared, keys] = [0, 1, 2, 3].map((i) => segments[at + i]!) as Segment;
    if (keys === 0) [promptRow, promptRows] = [row, length];
    const known = shared === promptRow && (keys === 0 || (keys === promptRows && promptRow < row));
    if (row !== next || length < 1 || length > rows - row || !known) {
      throw new RangeError(`SdpoAttention: segment ${row}, ${length}, ${shared}, ${keys} of ${rows} rows`);
    }
    next = row + length;
    most = Math.max(most, keys + length);
  }
  return most;
}
