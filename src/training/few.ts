/** @file What a measurement on few held-out items is worth: the interval of a mean of few values. */

/** Fewer items than this are called few: what is measured on them says how sure it is. */
export const FEW_ITEMS = 30;

/** 97.5 percent of Student's distribution lie below, by degrees of freedom from 1. */
const T95: readonly number[] = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045,
];

/**
 * Half of the 95 percent interval of a mean of few values, t s / sqrt(n), by Student's distribution.
 * @param values 2 to 30
 * @throws RangeError of fewer or more values
 * @see Student 1908, Biometrika 6
 */
export function meanMargin(values: readonly number[]): number {
  const n = values.length;
  const t = T95[n - 2];
  if (t === undefined) throw new RangeError(`meanMargin: expected 2 to ${FEW_ITEMS} values, got ${n}`);
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return (t * Math.sqrt(squares / (n - 1))) / Math.sqrt(n);
}
