/**
 * Operations that an engine may do in one pass over memory where plain tfjs ops need many. An engine offers one by
 * registering a tfjs kernel under its name here; where none is registered, the plain ops are used. Both give the
 * same values up to float32 rounding (test/causal-lm/fused-kernels.test.ts compares them).
 *
 * Names: N packed rows, D hidden size, F intermediate size, H query heads, K key-value heads, d head size,
 * V vocabulary, M rows of logits, S segments.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Inputs, attributes and outputs of every fused kernel. All tensors are float32 but where int32 is said. */
export interface FusedKernels {
  /** x / rms(x) · weight. x: [N, D], weight: [D] → [N, D]. */
  SdpoRmsNorm: { inputs: { x: tf.Tensor; weight: tf.Tensor }; attributes: { epsilon: number }; outputs: 1 };
  /** Gradients by x and weight: dy: [N, D] → dx: [N, D], dWeight: [D]. */
  SdpoRmsNormGradient: {
    inputs: { x: tf.Tensor; weight: tf.Tensor; dy: tf.Tensor };
    attributes: { epsilon: number };
    outputs: 2;
  };
  /** silu(gate) ⊙ up. gateUp: [N, 2F], gate first → [N, F]. */
  SdpoSwiglu: { inputs: { gateUp: tf.Tensor }; attributes: Record<string, never>; outputs: 1 };
  /** dActivated: [N, F] → dGateUp: [N, 2F], and the forward value once more, [N, F]. */
  SdpoSwigluGradient: {
    inputs: { gateUp: tf.Tensor; dActivated: tf.Tensor };
    attributes: Record<string, never>;
    outputs: 2;
  };
  /**
   * Rotary embedding and attention of packed sequences, see {@link SharedPromptAttentionInputs}
   * → context: [N, H·d], and the log-sum-exp of every query's scores, [N, H]. Rows outside all segments give zeros.
   */
  SdpoAttention: {
    inputs: SharedPromptAttentionInputs;
    attributes: AttentionAttributes;
    outputs: 2;
  };
  /** From the forward's outputs and dContext: [N, H·d] the gradient by joint, [N, (H + 2K)·d]; zeros outside all segments. */
  SdpoAttentionGradient: {
    inputs: SharedPromptAttentionInputs & { context: tf.Tensor; logSumExp: tf.Tensor; dContext: tf.Tensor };
    attributes: AttentionAttributes;
    outputs: 1;
  };
  /** Σ x² of a tensor of any shape → a scalar. */
  SdpoSquaredSum: { inputs: { x: tf.Tensor }; attributes: Record<string, never>; outputs: 1 };
  /** logits: [M, V], targets: [M] int32 → log-prob of each target and log-sum-exp of each row, [M] each, in nats. */
  SdpoTokenLogps: {
    inputs: { logits: tf.Tensor; targets: tf.Tensor };
    attributes: Record<string, never>;
    outputs: 2;
  };
  /** coefficients c: [M] → c · (onehot(target) − softmax(logits)), [M, V]. logSumExp: [M]. */
  SdpoTokenLogpsGradient: {
    inputs: { logits: tf.Tensor; targets: tf.Tensor; logSumExp: tf.Tensor; coefficients: tf.Tensor };
    attributes: Record<string, never>;
    outputs: 1;
  };
}

/**
 * joint: [N, (H + 2K)·d] query, key and value heads side by side, before the rotary embedding; cos, sin: [N, 1, d/2];
 * segments: [S, 4] int32, see `PackedBatch.segments` in causal-lm.
 */
export interface SharedPromptAttentionInputs {
  joint: tf.Tensor;
  cos: tf.Tensor;
  sin: tf.Tensor;
  segments: tf.Tensor;
}

export interface AttentionAttributes {
  heads: number;
  kvHeads: number;
  headDim: number;
}

export type FusedKernelName = keyof FusedKernels;

let allowed = true;

/** Whether an engine's own kernels may be used: not inside {@link withoutFusedKernels}. */
export function fusedKernelsAllowed(): boolean {
  return allowed;
}

/** Whether the current engine has a kernel for it. */
export function hasFused(name: FusedKernelName): boolean {
  return allowed && tf.getKernel(name, tf.getBackend()) !== undefined;
}

/** Runs a kernel that {@link hasFused}. The outputs belong to the enclosing tidy, or to the caller. */
export function runFused<Name extends FusedKernelName>(
  name: Name,
  inputs: FusedKernels[Name]['inputs'],
  attributes: FusedKernels[Name]['attributes'],
): tf.Tensor[] {
  const outputs: unknown = tf
    .engine()
    .runKernel(name, inputs as unknown as tf.NamedTensorMap, attributes as unknown as tf.NamedAttrMap);
  return (Array.isArray(outputs) ? outputs : [outputs]) as tf.Tensor[];
}

/** Runs `compute`, which must not be asynchronous, on plain ops alone: what tests compare with. */
export function withoutFusedKernels<Result>(compute: () => Result): Result {
  const before = allowed;
  allowed = false;
  try {
    return compute();
  } finally {
    allowed = before;
  }
}
