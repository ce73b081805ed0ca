/** AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), one pass over parameter, moments and gradient. */

/**
 * With g ← scale · g: m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  p ← p · decay − rate · m / (√v / root2 + ε), all [size], in place.
 * decay: 1 − lr · weight decay; rate: lr / (1 − β₁ᵗ); root2: √(1 − β₂ᵗ).
 */
export function adamW(
  size: usize,
  p: usize,
  m: usize,
  v: usize,
  g: usize,
  gradientScale: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  decay: f32,
  rate: f32,
  root2: f32,
  epsilon: f32,
): void {
  let i: usize = 0;
  for (; i + 4 <= size; i += 4) {
    const at: usize = 4 * i;
    const gradient = f32x4.mul(v128.load(g + at), f32x4.splat(gradientScale));
    const square = f32x4.mul(gradient, gradient);
    const mean = f32x4.add(
      f32x4.mul(v128.load(m + at), f32x4.splat(beta1)),
      f32x4.mul(gradient, f32x4.splat(rest1)),
    );
    const meanSquare = f32x4.add(
      f32x4.mul(v128.load(v + at), f32x4.splat(beta2)),
      f32x4.mul(square, f32x4.splat(rest2)),
    );
    const scale = f32x4.add(f32x4.div(f32x4.sqrt(meanSquare), f32x4.splat(root2)), f32x4.splat(epsilon));
    const step = f32x4.mul(f32x4.div(mean, scale), f32x4.splat(rate));
    v128.store(m + at, mean);
    v128.store(v + at, meanSquare);
    v128.store(p + at, f32x4.sub(f32x4.mul(v128.load(p + at), f32x4.splat(decay)), step));
  }
  for (; i < size; i++) {
    const at: usize = 4 * i;
    const gradient = load<f32>(g + at) * gradientScale;
    const mean = load<f32>(m + at) * beta1 + gradient * rest1;
    const meanSquare = load<f32>(v + at) * beta2 + gradient * gradient * rest2;
    store<f32>(m + at, mean);
    store<f32>(v + at, meanSquare);
    store<f32>(p + at, load<f32>(p + at) * decay - (mean / (sqrt(meanSquare) / root2 + epsilon)) * rate);
  }
}
