/**
 * Rotary embedding and attention of packed sequences for the WebGPU backend: a thread a query (or key) and head, softmax
 * in one pass, no scores in memory. See causal-lm/shared-prompt-attention.ts for the plain version.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { mostKeys } from '../fused-inputs.js';
import type { AttentionAttributes } from '../fused-kernels.js';
import { DELTA, FORWARD, KEY_VALUE_GRADIENT, PART, QUERY_GRADIENT, ROTATE } from './attention-shaders.js';
import type { KernelCall, WebgpuBackend } from './gpu-types.js';
import { runShader, type Shader } from './shader.js';

/**
 * joint: [N, (H + 2K)·d], cos, sin: [N, 1, d/2], segments: [S, 4] int32 → context: [N, H·d], log-sum-exp: [N, H].
 * @throws RangeError for segments that do not fit.
 */
export function attention(call: KernelCall): TensorInfo[] {
  const { backend, inputs } = call;
  const attributes = call.attrs as unknown as AttentionAttributes;
  const { heads, headDim } = attributes;
  checkSegments(call);
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

/**
 * From the forward's outputs and dContext: [N, H·d] the gradient by joint, [N, (H + 2K)·d].
 * @throws RangeError for segments that do not fit.
 */
export function attentionGradient(call: KernelCall): TensorInfo {
  checkSegments(call);
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

/** Segments are looked at where they were made on the processor. */
function checkSegments({ backend, inputs }: KernelCall): void {
  const { values } = backend.tensorMap.get(inputs['segments']!.dataId);
  if (values) mostKeys(values, inputs['joint']!.shape[0]!);
}
