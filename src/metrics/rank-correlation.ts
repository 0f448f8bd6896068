/**
 * @file Whether two orders agree: the rank correlations of Spearman and Kendall, and how often a chance order agrees as
 * well.
 */
import type { Random } from '../core/random.ts';

type Pairs = readonly (readonly [number, number])[];

/** Of four pairs even a perfect order comes by chance in one of twelve cases, either way. */
const FEWEST_PAIRS = 5;

/**
 * Spearman's rank correlation, ties by their mean rank; null for fewer than five pairs, of which any order is likely, or where
 * one side is constant.
 * @param fewest pairs that are looked at; fewer than five are for who says how likely their order is by chance
 */
export function spearman(pairs: Pairs, fewest = FEWEST_PAIRS): number | null {
  if (pairs.length < fewest) return null;
  const a = ranks(pairs.map(([value]) => value));
  const b = ranks(pairs.map(([, value]) => value));
  const centre = (pairs.length + 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - centre) * (b[i] - centre);
    aa += (a[i] - centre) ** 2;
    bb += (b[i] - centre) ** 2;
  }
  return aa === 0 || bb === 0 ? null : ab / Math.sqrt(aa * bb);
}

function ranks(values: readonly number[]): number[] {
  return values.map(value => {
    const below = values.filter(other => other < value).length;
    const equal = values.filter(other => other === value).length;
    return below + (equal + 1) / 2;
  });
}

/**
 * Kendall's tau-b: pairs of pairs in the same order less those in the other, over the root of the pairs without a tie on either
 * side; null where one side is constant.
 * @see Kendall 1945, Biometrika 33
 */
export function kendall(pairs: Pairs): number | null {
  let [same, untiedA, untiedB] = [0, 0, 0];
  for (let i = 0; i < pairs.length; i++) {
    for (let j = 0; j < i; j++) {
      const a = Math.sign(pairs[i][0] - pairs[j][0]);
      const b = Math.sign(pairs[i][1] - pairs[j][1]);
      same += a * b;
      untiedA += Math.abs(a);
      untiedB += Math.abs(b);
    }
  }
  return untiedA === 0 || untiedB === 0 ? null : same / Math.sqrt(untiedA * untiedB);
}

/** Up to so many pairs all orders are tried, 5,040 of seven; of more, so many are drawn. */
const ALL_ORDERS = 7;
const DRAWN_ORDERS = 5000;

/**
 * The probability, if every order of one side is as likely, of Spearman's correlation being as far from 0 as it is: over all
 * orders of up to seven pairs, and over 5,000 drawn ones of more.
 * @returns null where there is no correlation
 */
export function rankTest(pairs: Pairs, { random }: { readonly random: Random }): number | null {
  const observed = spearman(pairs, 2);
  if (observed === null) return null;
  const a = pairs.map(([value]) => value);
  const b = pairs.map(([, value]) => value);
  const asFar = (order: ArrayLike<number>) =>
    Math.abs(
      spearman(
        a.map((value, i) => [value, b[order[i]]] as const),
        2,
      ) ?? 0,
    ) >=
    Math.abs(observed) - 1e-12;
  if (pairs.length > ALL_ORDERS) {
    let far = 1; // the order that was seen is one of them
    for (let i = 0; i < DRAWN_ORDERS; i++) if (asFar(random.permutation(pairs.length))) far++;
    return far / (DRAWN_ORDERS + 1);
  }
  const orders = ordersOf(pairs.length);
  return orders.filter(asFar).length / orders.length;
}

/** All orders of 0 to n - 1. */
function ordersOf(n: number): number[][] {
  if (n === 0) return [[]];
  return ordersOf(n - 1).flatMap(order => Array.from({ length: n }, (_, at) => order.toSpliced(at, 0, n - 1)));
}
