/** The fused attention of engine/fused-kernels.ts on the WebAssembly heap. */
import { mostKeys } from '../fused-inputs.js';
import { addressOf, type KernelCall, type ListKernel } from './heap.js';
import { kernelModule } from './kernel-module.js';

export const attentionKernel: ListKernel = (call) => {
  const { backend } = call;
  const { rows, heads, kvHeads, headDim, maxKeys } = sizesOf(call);
  const context = backend.makeOutput([rows, heads * headDim], 'float32');
  const logSumExp = backend.makeOutput([rows, heads], 'float32');
  const module = kernelModule(backend);
  const bytes = module.kernels.attentionScratchBytes(rows, heads + kvHeads, headDim, maxKeys, 1);
  const scratch = module.scratch(bytes);
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
  const bytes = module.kernels.attentionScratchBytes(rows, heads + kvHeads, headDim, maxKeys, 2);
  const scratch = module.scratch(bytes);
  const results = [inputs['context']!, inputs['logSumExp']!, inputs['dContext']!, dJoint];
  const addresses = [...layoutAddresses(call), ...results.map((info) => addressOf(backend, info))];
  module.kernels.attentionGradient(rows, heads, kvHeads, headDim, maxKeys, ...addresses, scratch);
  return [dJoint];
};

/** @throws RangeError for segments that are no packed batch. */
function sizesOf({ inputs, backend, attrs }: KernelCall) {
  const { heads, kvHeads, headDim } = attrs as { heads: number; kvHeads: number; headDim: number };
  const rows = inputs['joint']!.shape[0]!;
  const maxKeys = mostKeys(backend.typedArrayFromHeap(inputs['segments']!), rows);
  return { rows, heads, kvHeads, headDim, maxKeys };
}

/** joint, cos, sin, segments and their number, in the kernels' order. */
function layoutAddresses({ inputs, backend }: KernelCall): number[] {
  const { joint, cos, sin, segments } = inputs;
  const addresses = [joint!, cos!, sin!, segments!].map((info) => addressOf(backend, info));
  return [...addresses, segments!.shape[0]!];
}
