/** @file How far two words are from each other in spelling. */

/**
 * Damerau-Levenshtein distance in its restricted form: letters put in, left out or changed, and adjacent ones swapped, each
 * counted once; no part is edited twice.
 * @see Damerau 1964, A technique for computer detection and correction of spelling errors
 */
export function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], older[j - 2] + 1);
    }
    [older, above] = [above, row];
  }
  return above[b.length];
}
