/** Registers the kernels that replace or complete the WebAssembly backend's. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { getKernel, registerKernel, unregisterKernel, type KernelConfig } from '@tensorflow/tfjs-core';
import { checkFusedInputs } from '../fused-inputs.js';
import type { FusedKernelName } from '../fused-kernels.js';
import { gatherKernel, sliceKernel } from './block-copy-kernels.js';
import { attentionKernel, attentionGradientKernel } from './attention-kernels.js';
import type { Kernel, ListKernel } from './heap.js';
import { rmsNormGradientKernel, rmsNormKernel, swigluGradientKernel, swigluKernel } from './layer-kernels.js';
import { batchMatMul } from './matmul-kernel.js';
import { oneHotKernel } from './one-hot-kernel.js';
import { squaredSumKernel, sumKernel, unsortedSegmentSum } from './row-sum-kernels.js';
import { tokenLogpsGradientKernel, tokenLogpsKernel } from './token-logps-kernels.js';

let registered = false;

/** Once a process, and before the backend starts: tfjs runs the kernels' setup at that moment. */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  replace('BatchMatMul', () => batchMatMul);
  replace('Slice', sliceKernel);
  replace('GatherV2', gatherKernel);
  replace('Sum', sumKernel);
  replace('OneHot', oneHotKernel);
  register({ kernelName: 'UnsortedSegmentSum', kernel: unsortedSegmentSum });
  for (const [kernelName, kernel] of Object.entries(FUSED)) {
    const checked: ListKernel = (call) => {
      checkFusedInputs(kernelName as FusedKernelName, call);
      return kernel(call);
    };
    register({ kernelName, kernel: checked });
  }
}

/** What model code looks for by name: see engine/fused-kernels.ts. */
const FUSED: Record<FusedKernelName, ListKernel> = {
  SdpoRmsNorm: rmsNormKernel,
  SdpoRmsNormGradient: rmsNormGradientKernel,
  SdpoSwiglu: swigluKernel,
  SdpoSwigluGradient: swigluGradientKernel,
  SdpoAttention: attentionKernel,
  SdpoAttentionGradient: attentionGradientKernel,
  SdpoSquaredSum: squaredSumKernel,
  SdpoTokenLogps: tokenLogpsKernel,
  SdpoTokenLogpsGradient: tokenLogpsGradientKernel,
};

/** Puts a kernel in the place of tfjs's own, which it may fall back to. */
function replace(
  kernelName: string,
  replacement: (stock: Kernel) => Kernel,
  setup?: (backend: BackendWasm) => void,
): void {
  const stock = getKernel(kernelName, 'wasm')!;
  unregisterKernel(kernelName, 'wasm');
  const setupFunc = (setup as KernelConfig['setupFunc']) ?? stock.setupFunc;
  register({ kernelName, kernel: replacement(stock.kernelFunc as unknown as Kernel), setupFunc });
}

function register(config: {
  kernelName: string;
  kernel: Kernel | ListKernel;
  setupFunc?: KernelConfig['setupFunc'] | undefined;
}): void {
  registerKernel({
    kernelName: config.kernelName,
    backendName: 'wasm',
    kernelFunc: config.kernel as unknown as KernelConfig['kernelFunc'],
    ...(config.setupFunc === undefined ? {} : { setupFunc: config.setupFunc }),
  });
}
