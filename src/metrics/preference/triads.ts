/** @file Whether preferences go round: of three systems, the first over the second, that over the third, and that over the first. */

export interface Triads {
  /** Threes of systems that were all compared with each other, none of them at a draw. */
  readonly judged: number;
  /** Those that go round, as indices: the first is preferred to the second, that to the third, and that to the first. */
  readonly circular: readonly (readonly [number, number, number])[];
}

/**
 * Circular triads of a table of wins. Of three that are compared at random, one in four is circular.
 * @param wins wins[i][j]: votes for i against j, a draw counting half to each; square
 * @see Kendall and Babington Smith 1940, Biometrika 31
 */
export function triads(wins: readonly (readonly number[])[]): Triads {
  const n = wins.length;
  if (wins.some(row => row.length !== n)) throw new RangeError(`triads: expected a square table of ${n} rows`);
  const beats = (i: number, j: number) => wins[i][j] > wins[j][i];
  let judged = 0;
  const circular: [number, number, number][] = [];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      for (let k = j + 1; k < n; k++) {
        if (wins[i][j] === wins[j][i] || wins[j][k] === wins[k][j] || wins[i][k] === wins[k][i]) continue;
        judged++;
        if (beats(i, j) && beats(j, k) && beats(k, i)) circular.push([i, j, k]);
        if (beats(j, i) && beats(k, j) && beats(i, k)) circular.push([i, k, j]);
      }
    }
  }
  return { judged, circular };
}
