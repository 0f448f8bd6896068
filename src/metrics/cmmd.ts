/**
 * @file CLIP maximum mean discrepancy (CMMD): the squared MMD of unit-length embeddings under a Gaussian kernel of
 * width 10, times 1000, in the biased form with the diagonal:
 *
 *   1000 (mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j)),  k(x, y) = exp(-|x - y|^2 / (2 * 10^2))
 *
 * Between unit vectors k lies in [0.98, 1], so 1 - k is what is added up here, by expm1, in double precision. Two
 * samples of one distribution are about 1000 E[1 - k] (1/n + 1/m) apart, so read it beside a floor of the same sizes.
 * Published numbers use CLIP ViT-L/14 at 336 pixels and compare with no other features. Jayasumana et al. 2024
 * (arXiv:2401.09603).
 */

import type { Random } from '../core/random.ts';
import { defineBuiltInMetric } from './define.ts';
import { type Interval, mean, subsampling } from './intervals.ts';
import { type Matrix, squaredDistances, unitRows } from './matrix.ts';

defineBuiltInMetric({
  name: 'cmmd',
  gives: [{ name: 'cmmd', title: 'CMMD', better: 'lower' }],
  needs: ['features'],
  least: 4,
  leastReal: 4,
  measure: ({ features: { row, real } }, random) => {
    const { value, interval } = clipDiscrepancyInterval(row, real, { random });
    const positive: Interval = [Math.max(0, interval[0]), interval[1]];
    return [{ metric: 'cmmd', value, interval: positive, n: row.rows, reference: real.rows }];
  },
});

const WIDTH = 10;

/** With an interval from halves without replacement. @param x at least 4 rows; @param y alike */
export function clipDiscrepancyInterval(
  x: Matrix,
  y: Matrix,
  options: { readonly random: Random; readonly resamples?: number },
): { readonly value: number; readonly interval: Interval } {
  const { xx, yy, xy } = remainders(x, y);
  const value = 1000 * (2 * mean(xy.data) - mean(xx.data) - mean(yy.data));
  const ofRows = (i: Uint32Array, j: Uint32Array) =>
    1000 * (2 * meanOf(xy, i, j) - meanOf(xx, i, i) - meanOf(yy, j, j));
  return { value, interval: subsampling(value, [x.rows, y.rows], ofRows, options) };
}

/** 1 - k of all pairs. */
function remainders(x: Matrix, y: Matrix): { readonly xx: Matrix; readonly yy: Matrix; readonly xy: Matrix } {
  const [a, b] = [unitRows(x), unitRows(y)];
  const remainderOf = (left: Matrix, right: Matrix): Matrix => {
    const apart = squaredDistances(left, right);
    const { data } = apart;
    for (let i = 0; i < data.length; i++) data[i] = -Math.expm1(-data[i] / (2 * WIDTH * WIDTH));
    return apart;
  };
  return { xx: remainderOf(a, a), yy: remainderOf(b, b), xy: remainderOf(a, b) };
}

function meanOf({ columns, data }: Matrix, rows: Uint32Array, across: Uint32Array): number {
  let sum = 0;
  for (const i of rows) for (const j of across) sum += data[i * columns + j];
  return sum / (rows.length * across.length);
}
