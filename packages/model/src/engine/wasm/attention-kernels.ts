/** The fused attention of engine/fused-kernels.ts on the WebAssembly heap. */
import { addressOf, sizeOf, type KernelCall, type ListKernel } from './heap.js';
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

/** @throws RangeError for tensors that do not fit each other, and for segments that are no packed batch. */
function sizesOf({ inputs, backend, attrs }: KernelCall) {
  const { heads, kvHeads, headDim } = attrs as { heads: number; kvHeads: number; headDim: number };
  const { joint, cos, segments } = inputs;
  const [rows, width] = joint!.shape as [number, number];
  if (width !== (heads + 2 * kvHeads) * headDim || sizeOf(cos!.shape) !== (rows * headDim) / 2) {
    throw new RangeError(
      `SdpoAttention: joint [${joint!.shape}], angles [${cos!.shape}] for heads of ${headDim}`,
    );
  }
  const maxKeys = mostKeys(backend.typedArrayFromHeap(segments!), rows);
  return { rows, heads, kvHeads, headDim, maxKeys };
}

/** joint, cos, sin, segments and their number, in the kernels' order. */
function layoutAddresses({ inputs, backend }: KernelCall): number[] {
  const { joint, cos, sin, segments } = inputs;
  const addresses = [joint!, cos!, sin!, segments!].map((info) => addressOf(backend, info));
  return [...addresses, segments!.shape[0]!];
}

/**
 * The most keys that a query of any segment sees. Segments follow each other from row 0 on, and a response names the prompt
 * before it.
 */
function mostKeys(segments: ArrayLike<number>, rows: number): number {
  let [next, promptRow, promptRows, most] = [0, 0, 0, 0];
  for (let at = 0; at < segments.length; at += 4) {
    const [row, length, shared, keys] = [0, 1, 2, 3].map((i) => segments[at + i]!) as Segment;
    if (keys === 0) [promptRow, promptRows] = [row, length];
    const known = shared === promptRow && (keys === 0 || (keys === promptRows && promptRow < row));
    if (row !== next || length < 1 || length > rows - row || !known) {
      throw new RangeError(`SdpoAttention: segment ${row}, ${length}, ${shared}, ${keys} of ${rows} rows`);
    }
    next = row + length;
    most = Math.max(most, keys + length);
  }
  return most;
}

type Segment = [number, number, number, number];
