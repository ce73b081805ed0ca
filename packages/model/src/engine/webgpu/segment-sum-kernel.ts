/**
 * UnsortedSegmentSum for the WebGPU backend. tfjs's own adds with atomics in whatever order threads come; here each
 * output element is one thread's sum over its rows in order, so a run gives the same bits again.
 */
import { util } from '@tensorflow/tfjs-core';
import type { Kernel } from './gpu-types.js';
import { runShader } from './shader.js';

const SOURCE = `
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    let segment = index / uniforms.width;
    let column = index % uniforms.width;
    var sum = 0.0;
    for (var i = starts[segment]; i < starts[segment + 1]; i++) {
      sum += x[rows[i] * uniforms.width + column];
    }
    result[index] = sum;
  }`;

/**
 * Sums of the rows of x by segment: x [N, …], segmentIds [N] → [numSegments, …]; an id out of range leaves its row out.
 * Ids that are on the GPU already, or other types than float32, go to `stock`.
 */
export function segmentSumKernel(stock: Kernel): Kernel {
  return (call) => {
    const { inputs, backend, attrs } = call;
    const [x, segmentIds] = [inputs['x']!, inputs['segmentIds']!];
    const { numSegments } = attrs as { numSegments: number };
    const ids = backend.tensorMap.get(segmentIds.dataId).values;
    const shape = x.shape.slice(segmentIds.shape.length);
    const width = util.sizeFromShape(shape);
    if (x.dtype !== 'float32' || !ids || numSegments * width === 0 || ids.length === 0) {
      return stock(call);
    }
    const { starts, rows } = rowsBySegment(ids, numSegments);
    const lists = [
      backend.makeTensorInfo([starts.length], 'int32', starts),
      backend.makeTensorInfo([rows.length], 'int32', rows),
    ];
    const out = runShader(backend, {
      name: 'SegmentSum',
      inputs: { x, starts: lists[0]!, rows: lists[1]! },
      output: [numSegments, ...shape],
      ints: { width },
      source: SOURCE,
    });
    for (const { dataId } of lists) backend.disposeData(dataId);
    return out;
  };
}

/** Segment s has the rows `rows[starts[s]]` to `rows[starts[s + 1] − 1]`, in ascending order. */
function rowsBySegment(
  ids: ArrayLike<number>,
  numSegments: number,
): { starts: Int32Array; rows: Int32Array } {
  const starts = new Int32Array(numSegments + 1);
  const valid = Array.from(ids, (id) => id >= 0 && id < numSegments);
  valid.forEach((isValid, row) => {
    if (isValid) starts[ids[row]! + 1]!++;
  });
  for (let s = 0; s < numSegments; s++) starts[s + 1]! += starts[s]!;
  const next = starts.slice();
  const rows = new Int32Array(Math.max(1, starts[numSegments]!));
  valid.forEach((isValid, row) => {
    if (isValid) rows[next[ids[row]!]!++] = row;
  });
  return { starts, rows };
}
