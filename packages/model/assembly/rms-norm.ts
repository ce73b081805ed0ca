/** RMSNorm (Zhang & Sennrich 2019, arXiv 1910.07467) of rows, forward and backward. */
import { addPair, dot, sumOfLanes } from './lanes';

function inverseRms(x: usize, width: usize, epsilon: f32): f32 {
  return 1 / sqrt(dot(x, x, width) / <f32>width + epsilon);
}

/** x / rms(x) · weight. x, y: [rows, width], weight: [width]. */
export function rmsNorm(rows: usize, width: usize, x: usize, weight: usize, epsilon: f32, y: usize): void {
  const bytes: usize = 4 * width;
  for (let row: usize = 0; row < rows; row++) {
    const inverse = inverseRms(x, width, epsilon);
    const scale = f32x4.splat(inverse);
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      v128.store(y + at, f32x4.mul(f32x4.mul(v128.load(x + at), scale), v128.load(weight + at)));
    }
    for (; at < bytes; at += 4) store<f32>(y + at, load<f32>(x + at) * inverse * load<f32>(weight + at));
    x += bytes;
    y += bytes;
  }
}

/**
 * Gradients by x and weight for dy: [rows, width]. The one by weight is summed in float64, at `scratch`: 8 bytes a column
 * and 8 more.
 */
export function rmsNormGradient(
  rows: usize,
  width: usize,
  x: usize,
  weight: usize,
  epsilon: f32,
  dy: usize,
  dx: usize,
  dWeight: usize,
  scratch: usize,
): void {
  memory.fill(scratch, 0, 8 * width);
  for (let row: usize = 0; row < rows; row++) {
    gradientOfRow(width, x, weight, inverseRms(x, width, epsilon), dy, dx, scratch);
    x += 4 * width;
    dy += 4 * width;
    dx += 4 * width;
  }
  for (let i: usize = 0; i < width; i++) store<f32>(dWeight + 4 * i, <f32>load<f64>(scratch + 8 * i));
}

function gradientOfRow(
  width: usize,
  x: usize,
  weight: usize,
  inverse: f32,
  dy: usize,
  dx: usize,
  sums: usize,
): void {
  const bytes: usize = 4 * width;
  const scale = f32x4.splat(inverse);
  // Along the row itself nothing can change: dn · n, n = x / rms(x), dn = dy · weight.
  let lanes = f32x4.splat(0);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    const product = f32x4.mul(v128.load(dy + at), f32x4.mul(v128.load(x + at), scale));
    addPair(sums + 2 * at, product);
    addPair(sums + 2 * at + 16, v128.shuffle<f32>(product, product, 2, 3, 2, 3));
    lanes = f32x4.add(lanes, f32x4.mul(product, v128.load(weight + at)));
  }
  let along = sumOfLanes(lanes);
  for (; at < bytes; at += 4) {
    const product = load<f32>(dy + at) * (load<f32>(x + at) * inverse);
    store<f64>(sums + 2 * at, load<f64>(sums + 2 * at) + <f64>product);
    along += product * load<f32>(weight + at);
  }
  along /= <f32>width;
  const alongs = f32x4.splat(along);
  for (at = 0; at + 16 <= bytes; at += 16) {
    const normalised = f32x4.mul(v128.load(x + at), scale);
    const dn = f32x4.mul(v128.load(dy + at), v128.load(weight + at));
    v128.store(dx + at, f32x4.mul(f32x4.sub(dn, f32x4.mul(normalised, alongs)), scale));
  }
  for (; at < bytes; at += 4) {
    const dn = load<f32>(dy + at) * load<f32>(weight + at);
    store<f32>(dx + at, (dn - load<f32>(x + at) * inverse * along) * inverse);
  }
}
