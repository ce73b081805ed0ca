/** SwiGLU (Shazeer 2020, arXiv 2002.05202) of rows that hold gate and up side by side, forward and backward. */
import { sigmoid4 } from './exp';

/** silu(gate) ⊙ up. gateUp: [rows, 2·width] → y: [rows, width]. */
export function swiglu(rows: usize, width: usize, gateUp: usize, y: usize): void {
  const bytes: usize = 4 * width;
  for (let row: usize = 0; row < rows; row++) {
    const up = gateUp + bytes;
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) {
      const gate = v128.load(gateUp + at);
      v128.store(y + at, f32x4.mul(f32x4.mul(gate, sigmoid4(gate)), v128.load(up + at)));
    }
    for (; at < bytes; at += 4) {
      const gate = f32x4.splat(load<f32>(gateUp + at));
      const value = f32x4.mul(f32x4.mul(gate, sigmoid4(gate)), f32x4.splat(load<f32>(up + at)));
      store<f32>(y + at, f32x4.extract_lane(value, 0));
    }
    gateUp += 2 * bytes;
    y += bytes;
  }
}

/** From dy: [rows, width] the gradient by gateUp, [rows, 2·width], and the forward value y once more. */
export function swigluGradient(
  rows: usize,
  width: usize,
  gateUp: usize,
  dy: usize,
  dGateUp: usize,
  y: usize,
): void {
  const bytes: usize = 4 * width;
  const one = f32x4.splat(1);
  for (let row: usize = 0; row < rows; row++) {
    for (let at: usize = 0; at < bytes; at += 16) {
      const whole = at + 16 <= bytes;
      const gate = whole ? v128.load(gateUp + at) : lastLanes(gateUp, at, bytes);
      const up = whole ? v128.load(gateUp + bytes + at) : lastLanes(gateUp + bytes, at, bytes);
      const d = whole ? v128.load(dy + at) : lastLanes(dy, at, bytes);
      const sigma = sigmoid4(gate);
      const silu = f32x4.mul(gate, sigma);
      // silu′ = σ + silu·(1 − σ)
      const slope = f32x4.add(sigma, f32x4.mul(silu, f32x4.sub(one, sigma)));
      const dGate = f32x4.mul(f32x4.mul(d, up), slope);
      const dUp = f32x4.mul(d, silu);
      const value = f32x4.mul(silu, up);
      if (whole) {
        v128.store(dGateUp + at, dGate);
        v128.store(dGateUp + bytes + at, dUp);
        v128.store(y + at, value);
      } else {
        storeLastLanes(dGateUp, at, bytes, dGate);
        storeLastLanes(dGateUp + bytes, at, bytes, dUp);
        storeLastLanes(y, at, bytes, value);
      }
    }
    gateUp += 2 * bytes;
    dGateUp += 2 * bytes;
    dy += bytes;
    y += bytes;
  }
}

/** The values [at, end) of a row, fewer than four, then zeros. */
function lastLanes(row: usize, at: usize, end: usize): v128 {
  let lanes = f32x4.replace_lane(f32x4.splat(0), 0, load<f32>(row + at));
  if (at + 4 < end) lanes = f32x4.replace_lane(lanes, 1, load<f32>(row + at + 4));
  if (at + 8 < end) lanes = f32x4.replace_lane(lanes, 2, load<f32>(row + at + 8));
  return lanes;
}

function storeLastLanes(row: usize, at: usize, end: usize, lanes: v128): void {
  store<f32>(row + at, f32x4.extract_lane(lanes, 0));
  if (at + 4 < end) store<f32>(row + at + 4, f32x4.extract_lane(lanes, 1));
  if (at + 8 < end) store<f32>(row + at + 8, f32x4.extract_lane(lanes, 2));
}
