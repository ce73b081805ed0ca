/**
 * Log-probs of given next tokens from final hidden states, without ever holding the logits of all positions:
 * rows go through the vocabulary in chunks. The backward pass visits only rows whose gradient is not zero; the
 * gradient of every other row is exactly zero, so skipping it changes nothing.
 *
 *   logp = (h Wᵀ)[target] − log Σ exp(h Wᵀ)      ∂L/∂logits = c · (onehot(target) − softmax), c = ∂L/∂logp
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasFused, runFused } from '../engine/fused-kernels.js';
import { inPlaceSums } from '../engine/in-place-sums.js';
import { candidateGradient, candidateLogps, rowCoefficients, type Candidates } from './candidates.js';
import { matMul } from './matmul.js';
import { upTo } from './packed-batch.js';
import { scope } from './scope.js';

/** Logits held at one time, in scalars (64 MB of float32). */
const MAX_LOGITS = 1 << 24;

/** Kept rows are filled up to a multiple of this. */
const ROW_MULTIPLE = 64;

/** Rows of a chunk for a vocabulary of `vocabSize`. */
export function headChunkRows(vocabSize: number): number {
  const rows = Math.max(1, Math.floor(MAX_LOGITS / vocabSize));
  return rows < ROW_MULTIPLE ? rows : rows - (rows % ROW_MULTIPLE);
}

/**
 * Log-prob of each target, in nats. hidden: [M, D], weight: [V, D], targets: [M] → logps and log-sum-exps, [M]; where there
 * are candidates, their log-probs follow in `logps`: [M + K].
 * @param chunkRows rows whose logits are held at one time.
 */
export function headLogps(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  targets: Int32Array,
  chunkRows = headChunkRows(weight.shape[0]),
  candidates?: Candidates,
): { logps: tf.Tensor1D; logSumExp: tf.Tensor1D } {
  return tf.tidy(() => {
    const logps: tf.Tensor1D[] = [];
    const logSumExp: tf.Tensor1D[] = [];
    const ofCandidates: tf.Tensor1D[] = [];
    for (let begin = 0; begin < targets.length; begin += chunkRows) {
      const [chunkLogps, chunkSum, further] = tf.tidy(() => {
        const logits = chunkLogits(hidden, weight, begin, Math.min(chunkRows, targets.length - begin));
        const [own, sum] = tokenLogps(logits, targets.subarray(begin, begin + chunkRows));
        return [own, sum, candidates && candidateLogps(logits, sum, candidates, begin)] as const;
      });
      logps.push(chunkLogps);
      logSumExp.push(chunkSum);
      if (further !== undefined) ofCandidates.push(further);
    }
    return { logps: tf.concat1d([...logps, ...ofCandidates]), logSumExp: tf.concat1d(logSumExp) };
  });
}

/** [R, V] of the rows from `begin` on. */
export function chunkLogits(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  begin: number,
  rows: number,
): tf.Tensor2D {
  return matMul(tf.slice2d(hidden, [begin, 0], [rows, -1]), weight, { b: true });
}

/** Log-prob of each target and log-sum-exp of each row, [R] each. logits: [R, V], targets: [R]. */
export function tokenLogps(logits: tf.Tensor2D, targets: Int32Array): [tf.Tensor1D, tf.Tensor1D] {
  if (hasFused('SdpoTokenLogps')) {
    const own = tf.tensor1d(targets, 'int32');
    return runFused('SdpoTokenLogps', { logits, targets: own }, {}) as [tf.Tensor1D, tf.Tensor1D];
  }
  const rows = targets.length;
  const sums = tf.logSumExp(logits, 1) as tf.Tensor1D;
  const places = new Int32Array(2 * rows);
  for (let i = 0; i < rows; i++) {
    places[2 * i] = i;
    places[2 * i + 1] = targets[i]!;
  }
  const chosen = tf.gatherND(logits, tf.tensor2d(places, [rows, 2], 'int32')) as tf.Tensor1D;
  return [tf.sub(chosen, sums), sums];
}

/**
 * Gradients of Σ c·logp by hidden and weight.
 * @param coefficients [M] c = ∂L/∂logp of each target, and behind them [K] of each candidate; rows with c = 0 cost nothing.
 * @returns dHidden: [K, D] for the rows named in `rows`: the `kept` first are those with a gradient in ascending order, then rows filled up to a round
 *   number with gradient 0; and dWeight: [V, D]. undefined where no row is kept.
 */
export function headLogpsGradient(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  targets: Int32Array,
  logSumExp: tf.Tensor1D,
  coefficients: Float32Array,
  chunkRows = headChunkRows(weight.shape[0]),
  candidates?: Candidates,
): { kept: number; rows: Int32Array; dHidden: tf.Tensor2D; dWeight: tf.Tensor2D } | undefined {
  const tokens = coefficients.subarray(0, targets.length);
  const ofCandidates = coefficients.subarray(targets.length);
  const kept = keptRows(tokens, ofCandidates, candidates);
  if (kept.length === 0) return undefined;
  const { rows, c } = filledUp(
    kept,
    candidates === undefined ? tokens : rowCoefficients(tokens, candidates, ofCandidates),
  );
  const sums = scope(() => {
    const dHidden: tf.Tensor2D[] = [];
    let dWeight: tf.Tensor2D | undefined;
    for (let begin = 0; begin < rows.length; begin += chunkRows) {
      const own = rows.subarray(begin, begin + chunkRows);
      const coefficientsOfChunk = c.subarray(begin, begin + chunkRows);
      const further = (): tf.Tensor2D | undefined =>
        candidates &&
        candidateGradient(
          candidates,
          ofCandidates,
          targets,
          own,
          Math.min(own.length, Math.max(0, kept.length - begin)),
          weight.shape[0],
        );
      const chunk = scope(() =>
        chunkBackward(hidden, weight, targets, logSumExp, own, coefficientsOfChunk, further),
      );
      dHidden.push(chunk.dHidden);
      if (dWeight === undefined) {
        dWeight = chunk.dWeight;
      } else {
        dWeight = inPlaceSums().add(dWeight, chunk.dWeight) as tf.Tensor2D;
        chunk.dWeight.dispose();
      }
    }
    return { dHidden: tf.concat2d(dHidden, 0), dWeight: dWeight! };
  });
  return { kept: kept.length, rows, ...sums };
}

/** Rows of targets that have a coefficient, or a candidate that has one, ascending. */
function keptRows(
  tokens: Float32Array,
  ofCandidates: Float32Array,
  candidates: Candidates | undefined,
): Int32Array {
  const counts = Uint8Array.from(tokens, (c) => (c === 0 ? 0 : 1));
  candidates?.places.forEach((place, k) => {
    if (ofCandidates[k] !== 0) counts[place] = 1;
  });
  return Int32Array.from(counts.keys()).filter((row) => counts[row] === 1);
}

/** Rows and coefficients, filled up with coefficient 0 so that few different shapes arise (see GroupLimits). */
function filledUp(
  kept: Int32Array,
  coefficients: Float32Array | Float64Array,
): { rows: Int32Array; c: Float32Array } {
  const rows = new Int32Array(upTo(kept.length, ROW_MULTIPLE)).fill(kept[0]!);
  rows.set(kept);
  const c = new Float32Array(rows.length);
  kept.forEach((row, i) => (c[i] = coefficients[row]!));
  return { rows, c };
}

function chunkBackward(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  targets: Int32Array,
  logSumExp: tf.Tensor1D,
  rows: Int32Array,
  coefficients: Float32Array,
  further: () => tf.Tensor2D | undefined,
): { dHidden: tf.Tensor2D; dWeight: tf.Tensor2D } {
  const index = tf.tensor1d(rows, 'int32');
  const own = tf.gather(hidden, index);
  const logits = matMul(own, weight, { b: true });
  const ids = tf.tensor1d(
    rows.map((row) => targets[row]!),
    'int32',
  );
  const ofTokens = logitsGradient(logits, ids, tf.gather(logSumExp, index), tf.tensor1d(coefficients));
  const ofCandidates = further();
  const dLogits = ofCandidates === undefined ? ofTokens : tf.add<tf.Tensor2D>(ofTokens, ofCandidates);
  return { dHidden: matMul(dLogits, weight), dWeight: matMul(dLogits, own, { a: true }) };
}

/** c · (onehot(target) − softmax). logits: [R, V], targets, logSumExp, c: [R] → [R, V]. */
function logitsGradient(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  logSumExp: tf.Tensor1D,
  coefficients: tf.Tensor1D,
): tf.Tensor2D {
  if (hasFused('SdpoTokenLogpsGradient')) {
    const inputs = { logits, targets, logSumExp, coefficients };
    return runFused('SdpoTokenLogpsGradient', inputs, {})[0] as tf.Tensor2D;
  }
  const softmax = tf.exp(tf.sub(logits, tf.expandDims(logSumExp, 1)));
  // Not oneHot(…, 'float32'): the WebAssembly kernel then writes the bits of an integer 1.
  const oneHot = tf.cast(tf.oneHot(targets, logits.shape[1]), 'float32');
  return tf.mul(tf.sub(oneHot, softmax), tf.expandDims(coefficients, 1));
}
