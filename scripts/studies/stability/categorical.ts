/** @file Draws from a finite distribution by its running sums. */

/** Running sums of weights, scaled to end in 1; NaN throughout if the weights are no distribution. */
export function cumulative(weights: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(weights.length);
  let sum = 0;
  for (let i = 0; i < sums.length; i++) {
    sum += weights[i];
    sums[i] = sum;
  }
  return sums.map(value => value / sum);
}

/** The first place whose sum is above u; NaN, which makes a point that is none, where the sums are not numbers. */
export function binarySearch(sums: Float64Array, u: number): number {
  if (!(sums[sums.length - 1] > 0)) return Number.NaN;
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle] > u) high = middle;
    else low = middle + 1;
  }
  return low;
}
