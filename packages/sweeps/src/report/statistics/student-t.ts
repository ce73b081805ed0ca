/** Student's t distribution for whole degrees of freedom. */

/**
 * P(|T| ≤ t) in closed form.
 * @param t at least 0.
 * @param degrees of freedom, a whole number from 1 on.
 * Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
 */
function centralProbability(t: number, degrees: number): number {
  const theta = Math.atan(t / Math.sqrt(degrees));
  const cos = Math.cos(theta);
  const odd = degrees % 2 === 1;
  let term = odd ? cos : 1;
  let sum = odd && degrees === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
    term *= (cos * cos * (k - 1)) / k;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
}

/** From here on the normal distribution's value is right to three digits, and sums would get long. */
const MANY_DEGREES = 1000;
const NORMAL_975 = 1.959963984540054;

/** t with P(|T| ≤ t) = 0.95. @param degrees of freedom, a whole number from 1 on; 12.706 for 1, 4.303 for 2. */
export function studentT95(degrees: number): number {
  if (degrees > MANY_DEGREES) return NORMAL_975;
  let [low, high] = [1, 13];
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (centralProbability(middle, degrees) < 0.95) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
