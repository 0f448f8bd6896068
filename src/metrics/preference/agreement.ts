/**
 * @file How far raters agree: Krippendorff's alpha for answers without an order, and the share of pairs of answers that
 * are the same. Where nearly all answers are alike, alpha is low although people agree: both are to be shown.
 */

export interface Agreement {
  /** 1: all agree; 0: as chance would; below 0: less than by chance. null where every answer is the same, or none meets another. */
  readonly alpha: number | null;
  /** Share of pairs of answers to one unit that are the same; null where no unit has two. */
  readonly percent: number | null;
  /** Units with two answers or more; others say nothing of agreement. */
  readonly units: number;
  /** Answers to those. */
  readonly answers: number;
}

/**
 * Krippendorff's alpha, nominal: 1 - Do / De = 1 - (n - 1) sum_u sum_(c != k) n_uc n_uk / (m_u - 1) / sum_(c != k) n_c n_k,
 * for any number of raters, of whom any may have left out any unit.
 * @param units the answers to each unit, in any order
 * @see Krippendorff 2011, Computing Krippendorff's alpha-reliability
 */
export function agreement(units: Iterable<readonly string[]>): Agreement {
  const totals = new Map<string, number>();
  let [judged, answers, disagreement, equalPairs, pairs] = [0, 0, 0, 0, 0];
  for (const unit of units) {
    const m = unit.length;
    if (m < 2) continue;
    const counts = new Map<string, number>();
    for (const answer of unit) {
      counts.set(answer, (counts.get(answer) ?? 0) + 1);
      totals.set(answer, (totals.get(answer) ?? 0) + 1);
    }
    const same = [...counts.values()].reduce((sum, n) => sum + n * (n - 1), 0);
    judged++;
    answers += m;
    pairs += m * (m - 1);
    equalPairs += same;
    disagreement += (m * (m - 1) - same) / (m - 1);
  }
  const expected = answers ** 2 - [...totals.values()].reduce((sum, n) => sum + n * n, 0);
  return {
    alpha: expected === 0 ? null : 1 - ((answers - 1) * disagreement) / expected,
    percent: pairs === 0 ? null : equalPairs / pairs,
    units: judged,
    answers,
  };
}
