/**
 * Candidates: further next tokens whose log-probs are asked for at the positions of a response, several a position. They
 * share the row of logits of the token that stands there, so they cost a few numbers a row and no product.
 *
 *   ∂L/∂logits = Σ_k c_k · (onehot(k) − softmax) over the token and its candidates, c_k = ∂L/∂logp_k
 *              = C · (onehot(token) − softmax) + Σ_candidates c_k · (onehot(k) − onehot(token)),   C = Σ c_k
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ResponseSpan, SharedPromptSequence } from './packed-batch.js';

/** The candidates of a batch, in the order of the targets they stand beside. */
export interface Candidates {
  /** [K] place in the batch's list of targets, ascending. */
  places: Int32Array;
  /** [K] the candidate tokens. */
  ids: Int32Array;
}

/**
 * Lists the candidates of a batch and writes into each span how many it has.
 * @returns undefined where no response has any.
 * @throws RangeError for a list that has not the same number of candidates for every token.
 */
export function layCandidates(
  spans: readonly ResponseSpan[],
  sequences: readonly SharedPromptSequence[],
): Candidates | undefined {
  const listOf = ({ sequence, response }: ResponseSpan) => sequences[sequence]!.candidates?.[response];
  const total = spans.reduce((sum, span) => sum + (listOf(span)?.length ?? 0), 0);
  if (total === 0) return undefined;
  const candidates = { places: new Int32Array(total), ids: new Int32Array(total) };
  let at = 0;
  for (const span of spans) {
    const list = listOf(span);
    if (list === undefined) continue;
    const each = list.length / span.length;
    if (!Number.isInteger(each)) {
      throw new RangeError(`${list.length} candidates for ${span.length} tokens: as many for each expected`);
    }
    candidates.ids.set(list, at);
    for (let i = 0; i < list.length; i++) candidates.places[at + i] = span.start + Math.floor(i / each);
    span.candidates = { start: at, length: list.length };
    at += list.length;
  }
  return candidates;
}

/**
 * Log-probs of the candidates of some targets: [k], undefined where they have none.
 * @param logits [R, V] of the targets from `begin` on.
 * @param logSumExp [R]
 */
export function candidateLogps(
  logits: tf.Tensor2D,
  logSumExp: tf.Tensor1D,
  { places, ids }: Candidates,
  begin: number,
): tf.Tensor1D | undefined {
  const first = lowerBound(places, begin);
  const count = lowerBound(places, begin + logits.shape[0]) - first;
  if (count === 0) return undefined;
  const rows = places.slice(first, first + count).map((place) => place - begin);
  const entries = new Int32Array(2 * count);
  rows.forEach((row, i) => entries.set([row, ids[first + i]!], 2 * i));
  const own = tf.gatherND(logits, tf.tensor2d(entries, [count, 2], 'int32')) as tf.Tensor1D;
  return tf.sub(own, tf.gather(logSumExp, tf.tensor1d(rows, 'int32')));
}

/** Places of the first element that is not below a bound, in an ascending list. */
function lowerBound(values: Int32Array, bound: number): number {
  let low = 0;
  for (let high = values.length; low < high;) {
    const middle = (low + high) >> 1;
    if (values[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** [M] C of each target: its own coefficient and those of its candidates. */
export function rowCoefficients(
  tokens: Float32Array,
  candidates: Candidates,
  coefficients: Float32Array,
): Float64Array {
  const sums = Float64Array.from(tokens);
  candidates.places.forEach((place, k) => (sums[place]! += coefficients[k]!));
  return sums;
}

/**
 * Σ_candidates c_k · (onehot(k) − onehot(token)) of some targets: [R, V].
 * @param rows the targets, each at most once among the first `kept`; what follows gets zeros.
 * @param coefficients [K] c of each candidate.
 */
export function candidateGradient(
  { places, ids }: Candidates,
  coefficients: Float32Array,
  targets: Int32Array,
  rows: Int32Array,
  kept: number,
  vocabSize: number,
): tf.Tensor2D {
  const [entries, updates]: [number[], number[]] = [[], []];
  for (let row = 0; row < kept; row++) {
    const target = targets[rows[row]!]!;
    // One entry a place: engines add several to one place in any order.
    const sums = new Map<number, number>();
    const add = (id: number, c: number) => sums.set(id, (sums.get(id) ?? 0) + c);
    for (let k = lowerBound(places, rows[row]!); places[k] === rows[row]; k++) {
      add(ids[k]!, coefficients[k]!);
      add(target, -coefficients[k]!);
    }
    for (const [id, c] of sums) {
      if (c === 0) continue;
      entries.push(row, id);
      updates.push(c);
    }
  }
  const shape: [number, number] = [rows.length, vocabSize];
  if (updates.length === 0) return tf.zeros(shape);
  const index = tf.tensor2d(Int32Array.from(entries), [updates.length, 2], 'int32');
  return tf.scatterND(index, tf.tensor1d(Float32Array.from(updates)), shape) as tf.Tensor2D;
}
