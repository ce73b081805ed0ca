/**
 * Rotary embedding and attention of packed sequences for the WebGPU backend: a thread a query (or key) and head, softmax
 * in one pass, no scores in memory. See causal-lm/shared-prompt-attention.ts for the plain version.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { AttentionAttributes } from '../fused-kernels.js';
import { DELTA, FORWARD, KEY_VALUE_GRADIENT, PART, QUERY_GRADIENT, ROTATE } from './attention-shaders.js';
import type { KernelCall, WebgpuBackend } from './gpu-types.js';
import { runShader, type Shader } from './shader.js';

/**
 * joint: [N, (H + 2K)·d], cos, sin: [N, 1, d/2], segments: [S, 4] int32 → context: [N, H·d], log-sum-exp: [N, H].
 * @throws RangeError for shapes or segments that do not fit; segments are looked at where they were made on the processor.
 */
export function attention(call: KernelCall): TensorInfo[] {
  const { backend, inputs } = call;
  const attributes = call.attrs as unknown as AttentionAttributes;
  const { heads, headDim } = attributes;
  check(call, attributes);
  const rows = inputs['joint']!.shape[0]!;
  const joint = rotated(backend, inputs, inputs['joint']!, attributes, 1);
  const whole = runShader(backend, {
    ...overSegments('AttentionForward', inputs['segments']!, rows, attributes),
    inputs: { joint, segments: inputs['segments']! },
    output: [rows * heads * (headDim + 1)],
    groups: groupsFor(rows * heads),
    source: FORWARD,
  });
  const context = part(backend, whole, 0, [rows, heads * headDim]);
  const logSumExp = part(backend, whole, rows * heads * headDim, [rows, heads]);
  for (const { dataId } of [joint, whole]) backend.disposeData(dataId);
  return [context, logSumExp];
}

/** From the forward's outputs and dContext: [N, H·d] the gradient by joint, [N, (H + 2K)·d]. */
export function attentionGradient(call: KernelCall): TensorInfo {
  const { backend, inputs } = call;
  const attributes = call.attrs as unknown as AttentionAttributes;
  const { heads, kvHeads, headDim } = attributes;
  const [segments, logSumExp, dContext] = [inputs['segments']!, inputs['logSumExp']!, inputs['dContext']!];
  const rows = inputs['joint']!.shape[0]!;
  const joint = rotated(backend, inputs, inputs['joint']!, attributes, 1);
  const delta = runShader(backend, {
    name: 'AttentionDelta',
    inputs: { attended: inputs['context']!, dContext },
    output: [rows, heads],
    constants: { HEAD_DIM: headDim },
    source: DELTA,
  });
  const given = { joint, segments, logSumExp, dContext, delta };
  const queries = runShader(backend, {
    ...overSegments('AttentionQueryGradient', segments, rows, attributes),
    inputs: given,
    output: joint.shape,
    groups: groupsFor(rows * heads),
    source: QUERY_GRADIENT,
  });
  const all = runShader(backend, {
    ...overSegments('AttentionKeyValueGradient', segments, rows, attributes),
    inputs: given,
    output: joint.shape,
    into: queries,
    groups: groupsFor(rows * kvHeads),
    source: KEY_VALUE_GRADIENT,
  });
  const dJoint = rotated(backend, inputs, all, attributes, -1);
  for (const { dataId } of [joint, delta, all]) backend.disposeData(dataId);
  return dJoint;
}

function overSegments(
  name: string,
  segments: TensorInfo,
  rows: number,
  attributes: AttentionAttributes,
): Pick<Shader, 'name' | 'ints' | 'floats' | 'constants'> {
  return {
    name,
    ints: { rows, segmentCount: segments.shape[0]! },
    floats: { scale: 1 / Math.sqrt(attributes.headDim) },
    constants: constantsOf(attributes),
  };
}

function constantsOf({ heads, kvHeads, headDim }: AttentionAttributes): Record<string, number> {
  return { HEADS: heads, KV_HEADS: kvHeads, HEAD_DIM: headDim };
}

function rotated(
  backend: WebgpuBackend,
  inputs: KernelCall['inputs'],
  joint: TensorInfo,
  attributes: AttentionAttributes,
  direction: 1 | -1,
): TensorInfo {
  return runShader(backend, {
    name: 'Rotate',
    inputs: { joint, cosines: inputs['cos']!, sines: inputs['sin']! },
    output: joint.shape,
    floats: { direction },
    constants: constantsOf(attributes),
    source: ROTATE,
  });
}

function part(backend: WebgpuBackend, whole: TensorInfo, first: number, output: number[]): TensorInfo {
  return runShader(backend, { name: 'Part', inputs: { whole }, output, ints: { first }, source: PART });
}

function groupsFor(threads: number): number {
  return Math.ceil(threads / 64);
}

function check({ backend, inputs }: KernelCall, { heads, kvHeads, headDim }: AttentionAttributes): void {
  const [joint, segments] = [inputs['joint']!, inputs['segments']!];
  const [rows, columns] = joint.shape as [number, number];
  const angles = (rows * headDim) / 2;
  const fits =
    columns === (heads + 2 * kvHeads) * headDim &&
    heads % kvHeads === 0 &&
    [inputs['cos']!, inputs['sin']!].every(({ shape }) => shape.reduce((a, b) => a * b, 1) === angles);
  const values = backend.tensorMap.get(segments.dataId).values;
  if (fits && (!values || areSegments(values, rows))) return;
  throw new RangeError('SdpoAttention: rows, heads or segments do not fit each other');
}

/** Whether segments follow each other from row 0 on, a prompt before its responses. */
function areSegments(values: ArrayLike<number>, rows: number): boolean {
  let next = 0;
  let prompt: [first: number, length: number] = [-1, -1];
  for (let i = 0; i < values.length; i += 4) {
    const [first, length, promptFirst, promptLength] = [0, 1, 2, 3].map((at) => values[i + at]!) as [
      number,
      number,
      number,
      number,
    ];
    if (first !== next || length < 1 || first + length > rows) return false;
    if (promptLength === 0) prompt = [first, length];
    const expected = promptLength === 0 ? first : prompt[0];
    if (promptFirst !== expected || (promptLength !== 0 && promptLength !== prompt[1])) return false;
    next = first + length;
  }
  return true;
}
