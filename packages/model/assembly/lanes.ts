/** Sums and maxima of rows of float32 values, four lanes at a time and then the rest. */

/** The four lanes added up, in a fixed order. */
export function sumOfLanes(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) +
    f32x4.extract_lane(x, 2) +
    (f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 3))
  );
}

/** Σ a·b over `size` values. */
export function dot(a: usize, b: usize, size: usize): f32 {
  let lanes = f32x4.splat(0);
  let i: usize = 0;
  for (; i + 4 <= size; i += 4) {
    lanes = f32x4.add(lanes, f32x4.mul(v128.load(a + 4 * i), v128.load(b + 4 * i)));
  }
  let sum = sumOfLanes(lanes);
  for (; i < size; i++) sum += load<f32>(a + 4 * i) * load<f32>(b + 4 * i);
  return sum;
}

/** The largest of `size` values, -∞ of none; NaN if there is one. */
export function largest(x: usize, size: usize): f32 {
  let lanes = f32x4.splat(-Infinity);
  let i: usize = 0;
  for (; i + 4 <= size; i += 4) lanes = f32x4.max(lanes, v128.load(x + 4 * i));
  let top = max(
    max(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
    max(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
  );
  for (; i < size; i++) top = max(top, load<f32>(x + 4 * i));
  return top;
}

/** A float32 lane pair added to two float64 sums in memory: lanes 0 and 1 of x at `sums`. */
export function addPair(sums: usize, x: v128): void {
  v128.store(sums, f64x2.add(v128.load(sums), f64x2.promote_low_f32x4(x)));
}

/** Σ x² over `size` values, in float64, rounded once → out. */
export function squaredSum(size: usize, x: usize, out: usize): void {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let i: usize = 0;
  for (; i + 4 <= size; i += 4) {
    const values = v128.load(x + 4 * i);
    const first = f64x2.promote_low_f32x4(values);
    const second = f64x2.promote_low_f32x4(v128.shuffle<f32>(values, values, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(first, first));
    high = f64x2.add(high, f64x2.mul(second, second));
  }
  low = f64x2.add(low, high);
  let sum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
  for (; i < size; i++) {
    const value = <f64>load<f32>(x + 4 * i);
    sum += value * value;
  }
  store<f32>(out, <f32>sum);
}
