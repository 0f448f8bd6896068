/** @file Numbers that many places need: the middle of some, and a whole one as people read it, alone or of something. */

/** The value with as many values above it as below; between the two in the middle where their number is even; NaN of none. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A whole number with separators: `4,000`. */
export function formatWhole(value: number): string {
  return Math.round(value)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** So many of something: `1 image`, `4,000 images`. @param what one of them */
export function counted(count: number, what: string): string {
  return `${formatWhole(count)} ${what}${count === 1 ? '' : 's'}`;
}
