/** Log-probs of tokens and their gradient for the WebGPU backend. See causal-lm/head-logps.ts for the plain version. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { checkTargets } from '../fused-inputs.js';
import type { KernelCall, WebgpuBackend } from './gpu-types.js';
import { GROUP_REDUCTIONS, runShader, threadsForRow } from './shader.js';

/** A workgroup a row. */
const LOG_SUM_EXP = `${GROUP_REDUCTIONS}
  fn main(index : i32) {
    let row = min(index / THREADS, uniforms.size - 1);
    let first = row * uniforms.vocabulary;
    var largest = logits[first];
    for (var c = i32(localId.x); c < uniforms.vocabulary; c += THREADS) {
      largest = max(largest, logits[first + c]);
    }
    let top = maxOfGroup(largest);
    var sum = 0.0;
    for (var c = i32(localId.x); c < uniforms.vocabulary; c += THREADS) { sum += exp(logits[first + c] - top); }
    let total = sumOfGroup(sum);
    if (index / THREADS < uniforms.size && localId.x == 0u) { result[row] = top + log(total); }
  }`;

const LOGPS = `
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    result[index] = logits[index * uniforms.vocabulary + targets[index]] - logSumExp[index];
  }`;

const GRADIENT = `
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    let row = index / uniforms.vocabulary;
    let hit = select(0.0, 1.0, index % uniforms.vocabulary == targets[row]);
    result[index] = coefficients[row] * (hit - exp(logits[index] - logSumExp[row]));
  }`;

/**
 * logits: [M, V], targets: [M] int32 → log-prob of each target and log-sum-exp of each row, [M] each, in nats.
 * @throws RangeError for a target outside the vocabulary.
 */
export function tokenLogps({ inputs, backend }: KernelCall): TensorInfo[] {
  const [logits, targets] = [inputs['logits']!, inputs['targets']!];
  const [rows, vocabulary] = logits.shape as [number, number];
  checkKnown(backend, targets, vocabulary);
  const output = [rows];
  const ints = { vocabulary };
  const logSumExp = runShader(backend, {
    name: 'LogSumExp',
    inputs: { logits },
    output,
    ints,
    threads: threadsForRow(vocabulary),
    groups: rows,
    source: LOG_SUM_EXP,
  });
  const logps = runShader(backend, {
    name: 'TokenLogps',
    inputs: { logits, targets, logSumExp },
    output,
    ints,
    source: LOGPS,
  });
  return [logps, logSumExp];
}

/** Targets are looked at where they were made on the processor. */
function checkKnown(backend: WebgpuBackend, targets: TensorInfo, vocabulary: number): void {
  const { values } = backend.tensorMap.get(targets.dataId);
  if (values) checkTargets(values, vocabulary);
}

/**
 * coefficients c: [M] → c · (onehot(target) − softmax(logits)), [M, V]. logSumExp: [M].
 * @throws RangeError as {@link tokenLogps}.
 */
export function tokenLogpsGradient({ inputs, backend }: KernelCall): TensorInfo {
  const logits = inputs['logits']!;
  const [targets, logSumExp, coefficients] = [
    inputs['targets']!,
    inputs['logSumExp']!,
    inputs['coefficients']!,
  ];
  checkKnown(backend, targets, logits.shape[1]!);
  return runShader(backend, {
    name: 'TokenLogpsGradient',
    inputs: { logits, targets, logSumExp, coefficients },
    output: logits.shape,
    ints: { vocabulary: logits.shape[1]! },
    source: GRADIENT,
  });
}
