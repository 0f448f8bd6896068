/**
 * @file The incomplete beta function by its continued fraction (Abramowitz and Stegun 26.5.8), its inverse, and Student's
 * distribution, which is one of its forms.
 */
import { logGamma } from './gamma.ts';

/**
 * The regularised incomplete beta function I_x(a, b): the probability that a beta variable is at most x.
 * @param x from 0 to 1; @param a above 0; @param b above 0
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (!(x >= 0 && x <= 1)) throw new RangeError(`incompleteBeta: expected x from 0 to 1, got ${x}`);
  if (!(a > 0 && b > 0)) throw new RangeError(`incompleteBeta: expected a and b above 0, got ${a} and ${b}`);
  if (x === 0 || x === 1) return x;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  // The fraction converges fast below the mean; above it the other tail is taken.
  return x < (a + 1) / (a + b + 2) ? (front * fraction(x, a, b)) / a : 1 - (front * fraction(1 - x, b, a)) / b;
}

/** The smallest denominator of a continued fraction by Lentz: 0 would divide. */
const TINY = 1e-300;

/** The continued fraction of I_x(a, b), by Lentz's method. */
function fraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1) || TINY);
  let value = d;
  for (let m = 1; m < 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d || TINY);
    c = 1 + even / c || TINY;
    value *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d || TINY);
    c = 1 + odd / c || TINY;
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return value;
}

/** The x of which I_x(a, b) is a share, by bisection. @param share from 0 to 1; @param a above 0; @param b above 0 */
export function betaQuantile(share: number, a: number, b: number): number {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`betaQuantile: expected a share from 0 to 1, got ${share}`);
  if (share === 0 || share === 1) return share;
  let [low, high] = [0, 1];
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (incompleteBeta(middle, a, b) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * The probability that Student's t lies further from 0 than a value, on either side.
 * @param t any number; @param degrees of freedom above 0, not always whole
 */
export function studentTails(t: number, degrees: number): number {
  if (!(degrees > 0)) throw new RangeError(`studentTails: expected degrees of freedom above 0, got ${degrees}`);
  return incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
}

/**
 * The value beyond which, on either side, Student's t lies with a probability.
 * @param tails in (0, 1]; @param degrees of freedom above 0
 */
export function studentQuantile(tails: number, degrees: number): number {
  if (!(tails > 0 && tails <= 1)) throw new RangeError(`studentQuantile: expected tails in (0, 1], got ${tails}`);
  if (!(degrees > 0)) throw new RangeError(`studentQuantile: expected degrees of freedom above 0, got ${degrees}`);
  const x = betaQuantile(tails, degrees / 2, 0.5);
  return Math.sqrt((degrees * (1 - x)) / x);
}
