/** Rotary position embedding (Su et al. 2021, arXiv 2104.09864) of one head: its first half against its second. */

/**
 * to ← from turned by the row's angles (`direction` 1) or back (-1), times `scale`. cos, sin: [half]; from, to: [2·half]. They
 * may be the same.
 */
export function rotateHead(
  half: usize,
  from: usize,
  to: usize,
  cos: usize,
  sin: usize,
  direction: f32,
  scale: f32,
): void {
  const bytes: usize = 4 * half;
  const scales = f32x4.splat(scale);
  const turn = f32x4.splat(direction);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) {
    const first = v128.load(from + at);
    const second = v128.load(from + bytes + at);
    const c = v128.load(cos + at);
    const s = f32x4.mul(v128.load(sin + at), turn);
    v128.store(to + at, f32x4.mul(f32x4.sub(f32x4.mul(first, c), f32x4.mul(second, s)), scales));
    v128.store(to + bytes + at, f32x4.mul(f32x4.add(f32x4.mul(second, c), f32x4.mul(first, s)), scales));
  }
  for (; at < bytes; at += 4) {
    const first = load<f32>(from + at);
    const second = load<f32>(from + bytes + at);
    const c = load<f32>(cos + at);
    const s = load<f32>(sin + at) * direction;
    store<f32>(to + at, (first * c - second * s) * scale);
    store<f32>(to + bytes + at, (second * c + first * s) * scale);
  }
}
