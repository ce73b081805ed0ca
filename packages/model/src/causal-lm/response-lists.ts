/** Between the head's flat list of values, one a target, and lists by sequence and response. */
import type { PackedBatch } from './packed-batch.js';

/**
 * Cuts a flat list of per-target values, [M] and behind them [K] of the candidates, into [sequence][response] lists, in the
 * caller's order.
 */
export function splitByResponse(batch: PackedBatch, values: Float32Array): Float32Array[][] {
  const result: Float32Array[][] = Array.from({ length: batch.sequences }, () => []);
  for (const { sequence, response, start, length, candidates } of batch.spans) {
    const own = new Float32Array(length + (candidates?.length ?? 0));
    own.set(values.subarray(start, start + length));
    if (candidates !== undefined) {
      const first = batch.targetIds.length + candidates.start;
      own.set(values.subarray(first, first + candidates.length), length);
    }
    result[sequence]![response] = own;
  }
  return result;
}

/** The inverse of {@link splitByResponse}. @throws RangeError when a list has another length. */
export function joinByResponse(
  batch: PackedBatch,
  values: readonly (readonly Float32Array[])[],
): Float32Array {
  const tokens = batch.targetIds.length;
  const flat = new Float32Array(tokens + (batch.candidates?.ids.length ?? 0));
  for (const { sequence, response, start, length, candidates } of batch.spans) {
    const own = values[sequence]?.[response];
    const expected = length + (candidates?.length ?? 0);
    if (own?.length !== expected) {
      throw new RangeError(
        `sequence ${sequence} response ${response}: ${own?.length} values for ${expected} tokens`,
      );
    }
    flat.set(own.subarray(0, length), start);
    if (candidates !== undefined) flat.set(own.subarray(length), tokens + candidates.start);
  }
  return flat;
}
