/** Offers the fused kernels of packages/model/native, which run on the CPU alone, as tfjs kernels of the TensorFlow backend. */
import { registerKernel, type Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import type { FusedKernelName } from '../fused-kernels.js';
import type { KernelAttribute, TensorflowKernels } from './kernels.js';

type Attributes = Record<string, number>;

interface Definition {
  /** In the order of the operation in native/fused_ops.cc. */
  inputs: readonly string[];
  outputs: number;
  attributes: (given: Attributes) => Record<string, KernelAttribute>;
}

const NONE = (): Record<string, KernelAttribute> => ({});
const EPSILON = ({ epsilon }: Attributes): Record<string, KernelAttribute> => ({
  epsilon: { float: epsilon! },
});
const HEADS = ({ heads, kvHeads, headDim }: Attributes): Record<string, KernelAttribute> => ({
  heads: { int: heads! },
  kv_heads: { int: kvHeads! },
  head_dim: { int: headDim! },
});
const ATTENTION = ['joint', 'cos', 'sin', 'segments'];

const DEFINITIONS: Record<FusedKernelName, Definition> = {
  SdpoRmsNorm: { inputs: ['x', 'weight'], outputs: 1, attributes: EPSILON },
  SdpoRmsNormGradient: { inputs: ['x', 'weight', 'dy'], outputs: 2, attributes: EPSILON },
  SdpoSwiglu: { inputs: ['gateUp'], outputs: 1, attributes: NONE },
  SdpoSwigluGradient: { inputs: ['gateUp', 'dActivated'], outputs: 2, attributes: NONE },
  SdpoAttention: { inputs: ATTENTION, outputs: 2, attributes: HEADS },
  SdpoAttentionGradient: {
    inputs: [...ATTENTION, 'context', 'logSumExp', 'dContext'],
    outputs: 1,
    attributes: HEADS,
  },
  SdpoSquaredSum: { inputs: ['x'], outputs: 1, attributes: NONE },
  SdpoTokenLogps: { inputs: ['logits', 'targets'], outputs: 2, attributes: NONE },
  SdpoTokenLogpsGradient: {
    inputs: ['logits', 'targets', 'logSumExp', 'coefficients'],
    outputs: 1,
    attributes: NONE,
  },
};

/** Once a process, for a backend whose tensors lie in the machine's own memory. */
export function registerFusedKernels(kernels: TensorflowKernels): void {
  for (const [name, { inputs, outputs, attributes }] of Object.entries(DEFINITIONS)) {
    registerKernel({
      kernelName: name,
      backendName: 'tensorflow',
      kernelFunc: ({ inputs: given, attrs }): TensorInfo | TensorInfo[] => {
        const tensors = inputs.map((input) => given[input] as Tensor);
        const results = kernels.run(name, attributes((attrs ?? {}) as Attributes), tensors, outputs);
        return outputs === 1 ? results[0]! : results;
      },
    });
  }
}
