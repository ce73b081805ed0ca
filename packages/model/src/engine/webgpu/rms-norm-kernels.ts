/** RMSNorm and its gradient for the WebGPU backend: a workgroup a row. See causal-lm/rms-norm.ts for the plain version. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { KernelCall, WebgpuBackend } from './gpu-types.js';
import { GROUP_REDUCTIONS, runShader, threadsForRow } from './shader.js';

/** Rows that one thread adds up for the weight's gradient. */
const BLOCK_ROWS = 64;

/** Row of this workgroup, within range; whether it is one at all is for the writes to see. */
const ROW = `
    let row = min(index / THREADS, uniforms.rows - 1);
    let isRow = index / THREADS < uniforms.rows;
    let first = row * uniforms.width;`;

const INVERSE = `
    var squares = 0.0;
    for (var c = i32(localId.x); c < uniforms.width; c += THREADS) {
      squares += x[first + c] * x[first + c];
    }
    let inverse = inverseSqrt(sumOfGroup(squares) / f32(uniforms.width) + uniforms.epsilon);`;

const NORM = `${GROUP_REDUCTIONS}
  fn main(index : i32) {${ROW}${INVERSE}
    if (!isRow) { return; }
    for (var c = i32(localId.x); c < uniforms.width; c += THREADS) {
      result[first + c] = x[first + c] * inverse * weight[c];
    }
  }`;

const INVERSE_RMS = `${GROUP_REDUCTIONS}
  fn main(index : i32) {${ROW}${INVERSE}
    if (isRow && localId.x == 0u) { result[row] = inverse; }
  }`;

const GRADIENT = `${GROUP_REDUCTIONS}
  fn main(index : i32) {${ROW}
    let inverse = inverseRms[row];
    var along = 0.0;
    for (var c = i32(localId.x); c < uniforms.width; c += THREADS) {
      along += dy[first + c] * weight[c] * x[first + c];
    }
    let mean = sumOfGroup(along) * inverse / f32(uniforms.width);
    if (!isRow) { return; }
    for (var c = i32(localId.x); c < uniforms.width; c += THREADS) {
      result[first + c] = (dy[first + c] * weight[c] - x[first + c] * inverse * mean) * inverse;
    }
  }`;

/** Sums of a block of rows, a thread a column. */
const WEIGHT_GRADIENT = `
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    let column = index % uniforms.width;
    let begin = index / uniforms.width * BLOCK_ROWS;
    var sum = 0.0;
    for (var row = begin; row < min(begin + BLOCK_ROWS, uniforms.rows); row++) {
      let at = row * uniforms.width + column;
      sum += dy[at] * x[at] * inverseRms[row];
    }
    result[index] = sum;
  }`;

const SUM_OF_BLOCKS = `
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    var sum = 0.0;
    for (var block = 0; block < uniforms.blocks; block++) { sum += parts[block * uniforms.size + index]; }
    result[index] = sum;
  }`;

/** x: [N, D], weight: [D] → [N, D]. */
export function rmsNorm({ inputs, backend, attrs }: KernelCall): TensorInfo {
  const [x, weight] = [inputs['x']!, inputs['weight']!];
  const { epsilon } = attrs as { epsilon: number };
  return runShader(backend, {
    name: 'RmsNorm',
    inputs: { x, weight },
    output: x.shape,
    floats: { epsilon },
    ...byRow(x),
    source: NORM,
  });
}

/** x, dy: [N, D], weight: [D] → dx: [N, D], dWeight: [D]. */
export function rmsNormGradient({ inputs, backend, attrs }: KernelCall): TensorInfo[] {
  const [x, weight, dy] = [inputs['x']!, inputs['weight']!, inputs['dy']!];
  const { epsilon } = attrs as { epsilon: number };
  const inverseRms = runShader(backend, {
    name: 'InverseRms',
    inputs: { x },
    output: [x.shape[0]!],
    floats: { epsilon },
    ...byRow(x),
    source: INVERSE_RMS,
  });
  const dx = runShader(backend, {
    name: 'RmsNormGradient',
    inputs: { x, weight, dy, inverseRms },
    output: x.shape,
    ...byRow(x),
    source: GRADIENT,
  });
  const dWeight = weightGradient(backend, x, dy, inverseRms);
  backend.disposeData(inverseRms.dataId);
  return [dx, dWeight];
}

function weightGradient(
  backend: WebgpuBackend,
  x: TensorInfo,
  dy: TensorInfo,
  inverseRms: TensorInfo,
): TensorInfo {
  const [rows, width] = x.shape as [number, number];
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const parts = runShader(backend, {
    name: 'RmsNormWeightGradient',
    inputs: { x, dy, inverseRms },
    output: [blocks, width],
    ints: { rows, width },
    constants: { BLOCK_ROWS },
    source: WEIGHT_GRADIENT,
  });
  const ints = { blocks };
  const dWeight = runShader(backend, {
    name: 'SumOfBlocks',
    inputs: { parts },
    output: [width],
    ints,
    source: SUM_OF_BLOCKS,
  });
  backend.disposeData(parts.dataId);
  return dWeight;
}

/** A workgroup a row of x: [N, D]. */
function byRow({ shape }: TensorInfo) {
  const [rows, width] = shape as [number, number];
  return { ints: { rows, width }, threads: threadsForRow(width), groups: rows };
}
