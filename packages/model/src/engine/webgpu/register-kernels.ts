/** Registers the kernels that replace the WebGPU backend's own. */
import { getKernel, registerKernel, unregisterKernel, type KernelConfig } from '@tensorflow/tfjs-core';
import type { Kernel } from './gpu-types.js';
import { segmentSumKernel } from './segment-sum-kernel.js';
import { gatherKernel, matMulKernel, softmaxKernel } from './stock-kernels.js';

/** Once a process, after tfjs's kernels have registered. */
export function registerWebgpuKernels(): void {
  replace('BatchMatMul', matMulKernel);
  replace('GatherV2', gatherKernel);
  replace('Softmax', softmaxKernel);
  replace('UnsortedSegmentSum', segmentSumKernel);
}

/** Puts a kernel in the place of tfjs's own, which it may fall back to. */
function replace(kernelName: string, replacement: (stock: Kernel) => Kernel): void {
  const stock = getKernel(kernelName, 'webgpu')!;
  unregisterKernel(kernelName, 'webgpu');
  const kernel = replacement(stock.kernelFunc as unknown as Kernel);
  registerKernel({ ...stock, kernelFunc: kernel as unknown as KernelConfig['kernelFunc'] });
}
