import type { AdamWHyperparameters } from '../../src/engine/index.js';

/** AdamW as in PyTorch's documentation, in float64. Gradients are a fixed function of step and place. */
export function adamW(start: number[], steps: number, o: AdamWHyperparameters, first = { m: 0, v: 0 }) {
  const theta = [...start];
  const m = start.map(() => first.m);
  const v = start.map(() => first.v);
  for (let t = 1; t <= steps; t++) {
    start.forEach((_, i) => {
      const g = gradientAt(t, i);
      theta[i]! *= 1 - o.learningRate * o.weightDecay;
      m[i] = o.beta1 * m[i]! + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i]! + (1 - o.beta2) * g * g;
      const mHat = m[i]! / (1 - o.beta1 ** t);
      const vHat = v[i]! / (1 - o.beta2 ** t);
      theta[i]! -= (o.learningRate * mHat) / (Math.sqrt(vHat) + o.epsilon);
    });
  }
  return { theta, m, v };
}

/** Some gradients are far below epsilon, where its place inside or outside the root shows. */
export function gradientAt(step: number, place: number): number {
  return Math.fround(Math.sin(step * 1.7 + place) * 10 ** -(place % 6));
}

export const START = Array.from({ length: 24 }, (_, i) => Math.fround(Math.cos(i)));
