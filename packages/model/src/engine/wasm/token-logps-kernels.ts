/** The fused log-probs of engine/fused-kernels.ts on the WebAssembly heap. */
import { checkTargets } from '../fused-inputs.js';
import { addressOf, type ListKernel } from './heap.js';
import { kernelModule } from './kernel-module.js';

/** @throws RangeError for a target outside the vocabulary. */
export const tokenLogpsKernel: ListKernel = ({ inputs, backend }) => {
  const [logits, targets] = [inputs['logits']!, inputs['targets']!];
  const [rows, vocabulary] = logits.shape as [number, number];
  checkTargets(backend.typedArrayFromHeap(targets), vocabulary);
  const logps = backend.makeOutput([rows], 'float32');
  const sums = backend.makeOutput([rows], 'float32');
  const [logitsAt, targetsAt] = [addressOf(backend, logits), addressOf(backend, targets)];
  const [logpsAt, sumsAt] = [addressOf(backend, logps), addressOf(backend, sums)];
  kernelModule(backend).kernels.tokenLogps(rows, vocabulary, logitsAt, targetsAt, logpsAt, sumsAt);
  return [logps, sums];
};

/** @throws RangeError for a target outside the vocabulary. */
export const tokenLogpsGradientKernel: ListKernel = ({ inputs, backend }) => {
  const [logits, targets] = [inputs['logits']!, inputs['targets']!];
  const [rows, vocabulary] = logits.shape as [number, number];
  checkTargets(backend.typedArrayFromHeap(targets), vocabulary);
  const d = backend.makeOutput(logits.shape, 'float32');
  const [logitsAt, targetsAt] = [addressOf(backend, logits), addressOf(backend, targets)];
  const sumsAt = addressOf(backend, inputs['logSumExp']!);
  const coefficientsAt = addressOf(backend, inputs['coefficients']!);
  const { kernels } = kernelModule(backend);
  const dAt = addressOf(backend, d);
  kernels.tokenLogpsGradient(rows, vocabulary, logitsAt, targetsAt, sumsAt, coefficientsAt, dAt);
  return [d];
};
