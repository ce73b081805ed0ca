/** Log-probs of given tokens from rows of logits, and their gradient. */
import { exp1, exp4, log } from './exp';
import { largest } from './lanes';

/** logits: [rows, vocabulary], targets: [rows] int32 → logps and log-sum-exps, [rows] each. Sums are in float64. */
export function tokenLogps(
  rows: usize,
  vocabulary: usize,
  logits: usize,
  targets: usize,
  logps: usize,
  logSumExp: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    const top = largest(logits, vocabulary);
    const sum = <f64>top + log(sumOfExp(logits, vocabulary, top));
    const target = <usize>load<i32>(targets + 4 * row);
    store<f32>(logSumExp + 4 * row, <f32>sum);
    store<f32>(logps + 4 * row, <f32>(<f64>load<f32>(logits + 4 * target) - sum));
    logits += 4 * vocabulary;
  }
}

function sumOfExp(x: usize, size: usize, top: f32): f64 {
  const tops = f32x4.splat(top);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let i: usize = 0;
  for (; i + 4 <= size; i += 4) {
    const e = exp4(f32x4.sub(v128.load(x + 4 * i), tops));
    low = f64x2.add(low, f64x2.promote_low_f32x4(e));
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(e, e, 2, 3, 2, 3)));
  }
  low = f64x2.add(low, high);
  let sum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
  for (; i < size; i++) sum += <f64>exp1(load<f32>(x + 4 * i) - top);
  return sum;
}

/** c · (onehot(target) − softmax(logits)) → d: [rows, vocabulary]. */
export function tokenLogpsGradient(
  rows: usize,
  vocabulary: usize,
  logits: usize,
  targets: usize,
  logSumExp: usize,
  coefficients: usize,
  d: usize,
): void {
  const bytes: usize = 4 * vocabulary;
  for (let row: usize = 0; row < rows; row++) {
    const c = load<f32>(coefficients + 4 * row);
    const sum = load<f32>(logSumExp + 4 * row);
    const sums = f32x4.splat(sum);
    const factor = f32x4.splat(-c);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      v128.store(d + at, f32x4.mul(exp4(f32x4.sub(v128.load(logits + at), sums)), factor));
    }
    for (; at < bytes; at += 4) {
      store<f32>(d + at, exp1(load<f32>(logits + at) - sum) * -c);
    }
    const target: usize = 4 * <usize>load<i32>(targets + 4 * row);
    store<f32>(d + target, c * (1 - exp1(load<f32>(logits + target) - sum)));
    logits += bytes;
    d += bytes;
  }
}
