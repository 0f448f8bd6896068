/** @file Fewer points of a curve that look like all: of every stretch of it the lowest and the highest, and where it has gaps. */

/** A step, and what was measured at it; null: not finite. */
export type Measured = readonly [step: number, value: number | null];

/**
 * @param points in the order of their steps
 * @param most how many are wanted, at least 4; as many gaps may come to them
 */
export function decimate(points: readonly Measured[], most: number): readonly Measured[] {
  if (points.length <= most) return points;
  const stretches = Math.floor((most - 2) / 2);
  const inner = points.length - 2;
  const chosen: Measured[] = [points[0]];
  for (let i = 0; i < stretches; i++) {
    const from = 1 + Math.floor((i * inner) / stretches);
    const to = 1 + Math.floor(((i + 1) * inner) / stretches);
    chosen.push(...extremes(points, from, to));
  }
  chosen.push(points[points.length - 1]);
  return chosen;
}

/** The mean of every stretch of a curve, at its middle; gaps count for nothing. */
export function meansOf(points: readonly Measured[], most: number): readonly Measured[] {
  const stretches = Math.min(most, points.length);
  return Array.from({ length: stretches }, (_, i): Measured => {
    const from = Math.floor((i * points.length) / stretches);
    const to = Math.floor(((i + 1) * points.length) / stretches);
    const known = points.slice(from, to).flatMap(([, value]) => value ?? []);
    const mean = known.reduce((a, b) => a + b, 0) / known.length;
    return [points[(from + to - 1) >> 1][0], known.length === 0 ? null : mean];
  });
}

/** The lowest, the highest and the first gap of a stretch, in their order. */
function extremes(points: readonly Measured[], from: number, to: number): Measured[] {
  let [low, high, gap] = [-1, -1, -1];
  for (let i = from; i < to; i++) {
    const value = points[i][1];
    if (value === null) {
      if (gap < 0) gap = i;
      continue;
    }
    if (low < 0 || value < points[low][1]!) low = i;
    if (high < 0 || value > points[high][1]!) high = i;
  }
  const places = [...new Set([low, high, gap])].filter(place => place >= 0);
  return places.sort((a, b) => a - b).map(place => points[place]);
}
