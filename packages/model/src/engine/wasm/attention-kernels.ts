/** The fused attention of causal-lm/fused-kernels.ts on the WebAssembly heap. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { addressOf, type KernelCall, type ListKernel } from './heap.js';
import { kernelModule } from './kernel-module.js';

export const attentionKernel: ListKernel = (call) => {
  const { backend } = call;
  const { rows, heads, kvHeads, headDim, maxKeys } = sizesOf(call);
  const context = backend.makeOutput([rows, heads * headDim], 'float32');
  const logSumExp = backend.makeOutput([rows, heads], 'float32');
  const module = kernelModule(backend);
  const scratch = scratchFor(call, 1);
  const outputs = [addressOf(backend, context), addressOf(backend, logSumExp)];
  const inputs = layoutAddresses(call);
  module.kernels.attention(rows, heads, kvHeads, headDim, maxKeys, ...inputs, ...outputs, scratch);
  return [context, logSumExp];
};

export const attentionGradientKernel: ListKernel = (call) => {
  const { backend, inputs } = call;
  const { rows, heads, kvHeads, headDim, maxKeys } = sizesOf(call);
  const dJoint = backend.makeOutput(inputs['joint']!.shape, 'float32');
  const module = kernelModule(backend);
  const scratch = scratchFor(call, 2);
  const results = [inputs['context']!, inputs['logSumExp']!, inputs['dContext']!, dJoint];
  const addresses = [...layoutAddresses(call), ...results.map((info) => addressOf(backend, info))];
  module.kernels.attentionGradient(rows, heads, kvHeads, headDim, maxKeys, ...addresses, scratch);
  return [dJoint];
};

function sizesOf({ inputs, backend, attrs }: KernelCall) {
  const { heads, kvHeads, headDim } = attrs as { heads: number; kvHeads: number; headDim: number };
  return {
    rows: inputs['joint']!.shape[0]!,
    heads,
    kvHeads,
    headDim,
    maxKeys: mostKeys(backend, inputs['segments']!),
  };
}

/** joint, cos, sin, segments and their number, in the kernels' order. */
function layoutAddresses({ inputs, backend }: KernelCall): number[] {
  const { joint, cos, sin, segments } = inputs;
  const addresses = [joint!, cos!, sin!, segments!].map((info) => addressOf(backend, info));
  return [...addresses, segments!.shape[0]!];
}

/** @param passes 1 forward, 2 backward. */
function scratchFor(call: KernelCall, passes: 1 | 2): number {
  const { rows, heads, kvHeads, headDim, maxKeys } = sizesOf(call);
  const module = kernelModule(call.backend);
  const bytes = module.kernels.attentionScratchBytes(rows, heads + kvHeads, headDim, maxKeys, passes);
  return module.scratch(bytes);
}

/** The most keys that a query of any segment sees. segments: [S, 4]. */
function mostKeys(backend: BackendWasm, segments: TensorInfo): number {
  const values = backend.typedArrayFromHeap(segments);
  let most = 0;
  for (let s = 0; s < values.length; s += 4) most = Math.max(most, values[s + 1]! + values[s + 3]!);
  return most;
}
