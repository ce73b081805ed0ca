/** Registers the kernels that replace the WebGPU backend's own, and the fused ones. */
import {
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { attention, attentionGradient } from './attention-kernels.js';
import { checkFusedInputs } from '../fused-inputs.js';
import type { FusedKernelName } from '../fused-kernels.js';
import type { Kernel, KernelCall } from './gpu-types.js';
import { rmsNorm, rmsNormGradient } from './rms-norm-kernels.js';
import { segmentSumKernel } from './segment-sum-kernel.js';
import { gatherKernel, matMulKernel, softmaxKernel } from './stock-kernels.js';
import { squaredSum, sumKernel } from './whole-sum-kernels.js';
import { swiglu, swigluGradient } from './swiglu-kernels.js';
import { tokenLogps, tokenLogpsGradient } from './token-logps-kernels.js';

const FUSED: Record<FusedKernelName, (call: KernelCall) => TensorInfo | TensorInfo[]> = {
  SdpoRmsNorm: rmsNorm,
  SdpoRmsNormGradient: rmsNormGradient,
  SdpoSwiglu: swiglu,
  SdpoSwigluGradient: swigluGradient,
  SdpoAttention: attention,
  SdpoAttentionGradient: attentionGradient,
  SdpoSquaredSum: squaredSum,
  SdpoTokenLogps: tokenLogps,
  SdpoTokenLogpsGradient: tokenLogpsGradient,
};

/** Once a process, after tfjs's kernels have registered. */
export function registerWebgpuKernels(): void {
  replace('BatchMatMul', matMulKernel);
  replace('GatherV2', gatherKernel);
  replace('Softmax', softmaxKernel);
  replace('Sum', sumKernel);
  replace('UnsortedSegmentSum', segmentSumKernel);
  for (const [kernelName, kernel] of Object.entries(FUSED)) {
    const checked = (call: KernelCall): TensorInfo | TensorInfo[] => {
      checkFusedInputs(kernelName as FusedKernelName, call);
      return kernel(call);
    };
    const kernelFunc = checked as unknown as KernelConfig['kernelFunc'];
    registerKernel({ kernelName, backendName: 'webgpu', kernelFunc });
  }
}

/** Puts a kernel in the place of tfjs's own, which it may fall back to. */
function replace(kernelName: string, replacement: (stock: Kernel) => Kernel): void {
  const stock = getKernel(kernelName, 'webgpu')!;
  unregisterKernel(kernelName, 'webgpu');
  const kernel = replacement(stock.kernelFunc as unknown as Kernel);
  registerKernel({ ...stock, kernelFunc: kernel as unknown as KernelConfig['kernelFunc'] });
}
