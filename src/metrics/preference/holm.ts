/** @file Several tests at once: Holm's correction, by which any of them errs with the probability that one may. */

/**
 * Probabilities of several tests, adjusted: the i-th smallest of m is multiplied by m - i + 1, none is below one before it,
 * and none is above 1.
 * @param probabilities from 0 to 1
 * @returns in the order that was given
 * @see Holm 1979, Scandinavian Journal of Statistics 6
 */
export function holm(probabilities: readonly number[]): number[] {
  for (const p of probabilities) {
    if (!(p >= 0 && p <= 1)) throw new RangeError(`holm: expected probabilities from 0 to 1, got ${p}`);
  }
  const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[a] - probabilities[b]);
  const adjusted = new Array<number>(probabilities.length);
  let most = 0;
  order.forEach((at, i) => {
    most = Math.max(most, Math.min(1, (order.length - i) * probabilities[at]));
    adjusted[at] = most;
  });
  return adjusted;
}
