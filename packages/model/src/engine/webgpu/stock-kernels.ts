/** tfjs's own WebGPU kernels where they are right but for some of their inputs: wrappers that keep to the rest. */
import { env, getKernel, util, type TensorInfo } from '@tensorflow/tfjs-core';
import type { Kernel, KernelCall, WebgpuBackend } from './gpu-types.js';

const sizeOf = util.sizeFromShape;

/** tfjs's MatMulProgramType for outputs of few tiles. */
const SMALL_OUTPUT = 2;
/** tfjs splits the inner dimension from this on. */
const SPLIT_FROM = 2000;
const PROGRAM_TYPE = 'WEBGPU_MATMUL_PROGRAM_TYPE';

/**
 * tfjs splits a product with few outputs and a long inner dimension among threads that add with atomics: other bits in
 * every run. Such a product takes the program for small outputs instead, which it would take if it were shorter.
 */
export function matMulKernel(stock: Kernel): Kernel {
  return (call) => {
    const { inputs, attrs } = call;
    const { transposeA } = attrs as { transposeA: boolean };
    const inner = inputs['a']!.shape.at(transposeA ? -2 : -1)!;
    const before = env().getNumber(PROGRAM_TYPE);
    if (inner < SPLIT_FROM || before >= 0 || !isSplit(call)) return stock(call);
    env().set(PROGRAM_TYPE, SMALL_OUTPUT);
    try {
      return stock(call);
    } finally {
      env().set(PROGRAM_TYPE, before);
    }
  };
}

/** tfjs's rule for a product of long rows (see its BatchMatMul_impl). */
function isSplit({ inputs, backend, attrs }: KernelCall): boolean {
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  const [a, b] = [inputs['a']!.shape, inputs['b']!.shape];
  const [m, n] = [a.at(transposeA ? -1 : -2)!, b.at(transposeB ? -2 : -1)!];
  const batch = Math.max(sizeOf(a.slice(0, -2)), sizeOf(b.slice(0, -2)));
  const tiles = batch * Math.ceil(m / 32) * Math.ceil(n / 32);
  const few = backend.thresholdToIncreaseWorkgroups;
  return batch === 1 && m * n > 128 && (tiles <= few || (m <= 8 && tiles <= 2 * few));
}

/**
 * tfjs's gather gives zeros for an index out of range. Indices made on the processor are looked at first.
 * @throws RangeError for one that no row has.
 */
export function gatherKernel(stock: Kernel): Kernel {
  return (call) => {
    const { inputs, backend, attrs } = call;
    const [x, indices] = [inputs['x']!, inputs['indices']!];
    const axis = util.parseAxisParam((attrs as { axis: number }).axis, x.shape)[0]!;
    const values = backend.tensorMap.get(indices.dataId).values;
    const extent = x.shape[axis]!;
    for (let i = 0; values !== null && values !== undefined && i < values.length; i++) {
      if (values[i]! >= 0 && values[i]! < extent) continue;
      throw new RangeError(`gather: index ${values[i]} of ${extent}`);
    }
    return stock(call);
  };
}

/**
 * tfjs's softmax takes a group of threads a row. Beyond the most groups that WebGPU starts along one axis it starts more
 * than there are rows, and the surplus ones write out of range, which a driver may turn into the last element. So
 * more rows are done in pieces.
 */
export function softmaxKernel(stock: Kernel): Kernel {
  return (call) => {
    const { backend, inputs } = call;
    const logits = inputs['logits']!;
    const columns = logits.shape.at(-1)!;
    const rows = sizeOf(logits.shape.slice(0, -1));
    const most = backend.device.limits.maxComputeWorkgroupsPerDimension;
    if (rows <= most) return stock(call);
    const flat = { ...logits, shape: [rows, columns] };
    const parts: TensorInfo[] = [];
    for (let begin = 0; begin < rows; begin += most) {
      const size = [Math.min(most, rows - begin), columns];
      const piece = run('Slice', backend, { x: flat }, { begin: [begin, 0], size });
      parts.push(stock({ backend, inputs: { logits: piece }, attrs: { dim: 1 } }));
      backend.disposeData(piece.dataId);
    }
    const all = run('Concat', backend, parts, { axis: 0 });
    for (const { dataId } of parts) backend.disposeData(dataId);
    return { ...all, shape: logits.shape };
  };
}

function run(
  name: string,
  backend: WebgpuBackend,
  inputs: Record<string, TensorInfo> | TensorInfo[],
  attrs: Record<string, unknown>,
): TensorInfo {
  const kernel = getKernel(name, 'webgpu')!.kernelFunc as unknown as (call: object) => TensorInfo;
  return kernel({ inputs, backend, attrs });
}
