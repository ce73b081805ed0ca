/** Inputs that fit each fused kernel, and for each of them shapes that do not fit the others. */
import * as tf from '@tensorflow/tfjs';
import type { FusedKernelName } from '../../src/engine/index.js';

export interface FusedCase {
  attributes: object;
  /** Shapes that fit each other. */
  fitting: Record<string, number[]>;
  /** For some of the inputs, shapes that do not. */
  wrong: [input: string, shape: number[]][];
}

const LOGPS = { logits: [4, 9], targets: [4] };
const ATTENTION = { joint: [4, 16], cos: [4, 1, 2], sin: [4, 1, 2], segments: [2, 4] };
const WRONG_ATTENTION: FusedCase['wrong'] = [
  ['joint', [4, 12]],
  ['joint', [3, 16]],
  ['joint', [64]],
  ['cos', [3, 1, 2]],
  ['sin', [3, 1, 2]],
  ['sin', [4, 1, 1]],
  ['segments', [0, 4]],
  ['segments', [4, 2]],
];
const HEADS = { heads: 2, kvHeads: 1, headDim: 4 };

export const FUSED_CASES: Record<FusedKernelName, FusedCase> = {
  SdpoRmsNorm: {
    attributes: { epsilon: 1e-5 },
    fitting: { x: [3, 8], weight: [8] },
    wrong: [
      ['x', [3, 9]],
      ['x', [24]],
      ['weight', [7]],
      ['weight', [0]],
    ],
  },
  SdpoRmsNormGradient: {
    attributes: { epsilon: 1e-5 },
    fitting: { x: [3, 8], weight: [8], dy: [3, 8] },
    wrong: [
      ['x', [4, 8]],
      ['weight', [7]],
      ['dy', [2, 8]],
      ['dy', [3, 4]],
    ],
  },
  SdpoSwiglu: {
    attributes: {},
    fitting: { gateUp: [3, 8] },
    wrong: [
      ['gateUp', [3, 7]],
      ['gateUp', [24]],
    ],
  },
  SdpoSwigluGradient: {
    attributes: {},
    fitting: { gateUp: [3, 8], dActivated: [3, 4] },
    wrong: [
      ['gateUp', [3, 9]],
      ['gateUp', [2, 8]],
      ['dActivated', [3, 5]],
      ['dActivated', [400, 4]],
    ],
  },
  SdpoSquaredSum: { attributes: {}, fitting: { x: [3, 2] }, wrong: [] },
  SdpoTokenLogps: {
    attributes: {},
    fitting: LOGPS,
    wrong: [
      ['logits', [36]],
      ['logits', [3, 9]],
      ['targets', [3]],
      ['targets', [5]],
    ],
  },
  SdpoTokenLogpsGradient: {
    attributes: {},
    fitting: { ...LOGPS, logSumExp: [4], coefficients: [4] },
    wrong: [
      ['targets', [3]],
      ['logSumExp', [3]],
      ['coefficients', [3]],
      ['logits', [5, 9]],
    ],
  },
  SdpoAttention: { attributes: HEADS, fitting: ATTENTION, wrong: WRONG_ATTENTION },
  SdpoAttentionGradient: {
    attributes: HEADS,
    fitting: { ...ATTENTION, context: [4, 8], logSumExp: [4, 2], dContext: [4, 8] },
    wrong: [
      ...WRONG_ATTENTION,
      ['context', [3, 8]],
      ['context', [4, 4]],
      ['logSumExp', [4, 1]],
      ['logSumExp', [3, 2]],
      ['dContext', [4, 7]],
      ['dContext', [3, 8]],
    ],
  },
};

/** A prompt of two rows and a response of two. */
const SEGMENTS = [0, 2, 0, 0, 2, 2, 0, 2];

/** A tensor of that shape for the input of that name. */
export function fusedInput(name: string, shape: number[]): tf.Tensor {
  if (name === 'targets') return tf.ones(shape, 'int32');
  if (name !== 'segments') return tf.ones(shape);
  const values = SEGMENTS.slice(0, tf.util.sizeFromShape(shape));
  return tf.tensor(values, shape, 'int32');
}
