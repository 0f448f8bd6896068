/**
 * @file Kernel distance (KID): the squared maximum mean discrepancy of two sets of feature rows under the cubic kernel
 * k(x, y) = (xT y / d + 1)^3, unbiased:
 *
 *   sum_{i != j} k(x_i, x_j) / m(m - 1)  +  sum_{i != j} k(y_i, y_j) / n(n - 1)  -  2 mean k(x_i, y_j)
 *
 * Around 0 for two samples of one distribution, whatever their size; negative values are right and stay. It is what
 * leads the tables here. Binkowski et al. 2018 (arXiv:1801.01401).
 */

import type { Random } from '../core/random.ts';
import { defineBuiltInMetric } from './define.ts';
import { deviation, type Interval, mean, subsampling } from './intervals.ts';
import { type Matrix, product, takeRows } from './matrix.ts';

defineBuiltInMetric({
  name: 'kid',
  gives: [
    {
      name: 'kid',
      title: 'KID',
      better: 'lower',
      scale: 1000,
      note: 'unbiased: real images score about 0, and below 0 is legal',
      leads: true,
    },
  ],
  needs: ['features'],
  least: 4,
  leastReal: 4,
  byDefault: true,
  measure: ({ features: { row, real } }, random) => {
    const { value, interval } = kernelDistanceInterval(row, real, { random });
    return [{ metric: 'kid', value, interval, n: row.rows, reference: real.rows }];
  },
});

const SUBSETS = 100;

/** @param x at least 2 rows; @param y at least 2 rows of the same length */
export function kernelDistance(x: Matrix, y: Matrix): number {
  if (x.rows < 2 || y.rows < 2)
    throw new RangeError(`kernelDistance: expected at least 2 rows, got ${x.rows}, ${y.rows}`);
  const [xx, yy, xy] = [kernel(x, x), kernel(y, y), kernel(x, y)];
  return offDiagonalMean(xx.data, x.rows) + offDiagonalMean(yy.data, y.rows) - 2 * mean(xy.data);
}

export interface KernelDistanceOptions {
  readonly random: Random;
  /** Halves that the interval is taken from. */
  readonly resamples?: number;
  /** Most rows of a set that are compared all at once. */
  readonly most?: number;
  readonly subsetRows?: number;
}

/**
 * The distance of all rows with its interval. Up to 5000 rows a set, the interval comes from halves drawn without
 * replacement (where the sets are alike it is up to 1.7 times too wide: the statistic is then degenerate and its
 * variance falls as 1/n^2); of more rows the value is the mean over 100 subsets of 1000, and the interval that mean's.
 * @param x at least 4 rows; @param y alike
 */
export function kernelDistanceInterval(
  x: Matrix,
  y: Matrix,
  options: KernelDistanceOptions,
): { readonly value: number; readonly interval: Interval } {
  const { random, resamples = SUBSETS, most = 5000 } = options;
  if (x.rows > most || y.rows > most) return overSubsets(x, y, options);
  const [xx, yy, xy] = [kernel(x, x), kernel(y, y), kernel(x, y)];
  const value = offDiagonalMean(xx.data, x.rows) + offDiagonalMean(yy.data, y.rows) - 2 * mean(xy.data);
  const ofRows = (i: Uint32Array, j: Uint32Array) =>
    offDiagonalMeanOf(xx, i) + offDiagonalMeanOf(yy, j) - 2 * meanOf(xy, i, j);
  return { value, interval: subsampling(value, [x.rows, y.rows], ofRows, { random, resamples }) };
}

function overSubsets(
  x: Matrix,
  y: Matrix,
  { random, subsetRows = 1000 }: KernelDistanceOptions,
): { readonly value: number; readonly interval: Interval } {
  const drawRows = (all: Matrix) => takeRows(all, random.permutation(all.rows).subarray(0, subsetRows));
  const values = Float64Array.from({ length: SUBSETS }, () => kernelDistance(drawRows(x), drawRows(y)));
  const value = mean(values);
  // Subsets overlap little in sets of this size; they are taken for independent.
  const half =
    (1.959964 * deviation(values)) / Math.sqrt(Math.min(SUBSETS, Math.max(1, Math.min(x.rows, y.rows) / subsetRows)));
  return { value, interval: [value - half, value + half] };
}

/** @returns [x.rows, y.rows] */
function kernel(x: Matrix, y: Matrix): Matrix {
  const dots = product(x, y);
  const { data } = dots;
  for (let i = 0; i < data.length; i++) data[i] = (data[i] / x.columns + 1) ** 3;
  return dots;
}

function offDiagonalMean(data: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) sum += data[i * n + j];
  return sum / (n * (n - 1));
}

function offDiagonalMeanOf({ columns, data }: Matrix, rows: Uint32Array): number {
  let sum = 0;
  for (const i of rows) for (const j of rows) if (i < j) sum += data[i * columns + j];
  return (2 * sum) / (rows.length * (rows.length - 1));
}

function meanOf({ columns, data }: Matrix, rows: Uint32Array, across: Uint32Array): number {
  let sum = 0;
  for (const i of rows) for (const j of across) sum += data[i * columns + j];
  return sum / (rows.length * across.length);
}
