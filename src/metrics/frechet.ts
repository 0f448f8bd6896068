/**
 * @file The Fréchet distance of two sets of feature rows, each taken for a Gaussian:
 *
 *   FD = |mu1 - mu2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)
 *
 * On Inception features it is called FID (Heusel et al. 2017, arXiv:1706.08500). Covariances have n - 1. No matrix root
 * is taken: with any factors S = FT F, tr (S1 S2)^(1/2) is the sum of the singular values of F1 F2T. Where there are at
 * most as many rows as columns the centred rows are the factor, so that fewer pictures than dimensions are exact and
 * nothing is added to a diagonal; otherwise it is the Cholesky factor of the covariance.
 *
 * Biased: two halves of one set of n rows in d dimensions are about d(d + 5) / 2n apart. Read it beside a floor.
 */

import type { Random } from '../core/random.ts';
import { blurRadii, defineBuiltInMetric, type Estimate, type FeaturePair } from './define.ts';
import { subsampling } from './intervals.ts';
import { centre, type Matrix, product, takeRows, transpose } from './matrix.ts';
import { cholesky, singularValues } from './singular.ts';

/** Multiply-adds that the resamples of one distance may cost, so that wide features stay a matter of seconds. */
const COST = { sharp: 2e9, blurred: 5e8 } as const;
const RESAMPLES = { least: 10, most: 100 } as const;

defineBuiltInMetric({
  name: 'fd',
  gives: [0, ...blurRadii].map(radius => ({
    name: nameAt(radius),
    title: `Fréchet distance${radius === 0 ? '' : `, blur ${radius}`}`,
    better: 'lower',
    note: 'biased for few images: read it beside the floor',
  })),
  needs: ['features', 'blurredFeatures'],
  least: 4,
  leastReal: 4,
  byDefault: true,
  measure: ({ features, blurredFeatures }, random) =>
    [[0, features] as const, ...blurredFeatures].map(([radius, pair]) => measureAt(radius, pair, random)),
});

/** `fd`, `fd-blur-1`, ... */
function nameAt(radius: number): string {
  return radius === 0 ? 'fd' : `fd-blur-${radius}`;
}

function measureAt(radius: number, { row, real }: FeaturePair, random: Random): Estimate {
  const smaller = Math.min(row.columns, Math.max(row.rows, real.rows) / 2);
  const one = (row.rows + real.rows) * row.columns * smaller + 3 * smaller ** 3;
  const affordable = Math.floor((radius === 0 ? COST.sharp : COST.blurred) / one);
  const resamples = Math.max(RESAMPLES.least, Math.min(RESAMPLES.most, affordable));
  const value = frechetDistance(row, real);
  const ofHalves = (i: Uint32Array, j: Uint32Array) => frechetDistance(takeRows(row, i), takeRows(real, j));
  const [low, high] = subsampling(value, [row.rows, real.rows], ofHalves, { random, resamples });
  return {
    metric: nameAt(radius),
    value,
    interval: [Math.max(0, low), high],
    n: row.rows,
    reference: real.rows,
    details: { dimension: row.columns },
  };
}

/**
 * @param a at least 2 rows; @param b at least 2 rows of the same length
 * @returns at least 0 but for rounding
 */
export function frechetDistance(a: Matrix, b: Matrix): number {
  return between(gaussian(a), gaussian(b));
}

/** A Gaussian by its mean and a factor of its covariance. */
interface Gaussian {
  readonly mean: Float64Array;
  /** [r, d], FT F the covariance */
  readonly factor: Matrix;
}

/** The distance of two Gaussians. @param mean [d]; @param covariance [d, d] */
export function frechetOfGaussians(
  a: { readonly mean: ArrayLike<number>; readonly covariance: Matrix },
  b: { readonly mean: ArrayLike<number>; readonly covariance: Matrix },
): number {
  const known = ({ mean, covariance }: typeof a): Gaussian => ({
    mean: Float64Array.from(mean),
    factor: cholesky(covariance),
  });
  return between(known(a), known(b));
}

function gaussian(rows: Matrix): Gaussian {
  if (rows.rows < 2) throw new RangeError(`frechetDistance: expected at least 2 rows, got ${rows.rows}`);
  const { mean, rows: centred } = centre(rows);
  const scale = 1 / (rows.rows - 1);
  if (rows.rows <= rows.columns) {
    return { mean, factor: { ...centred, data: centred.data.map(v => v * Math.sqrt(scale)) } };
  }
  const columns = transpose(centred);
  const covariance = product(columns, columns);
  return { mean, factor: cholesky({ ...covariance, data: covariance.data.map(v => v * scale) }) };
}

function between(a: Gaussian, b: Gaussian): number {
  const apart = a.mean.reduce((sum, v, i) => sum + (v - b.mean[i]) ** 2, 0);
  const overlap = singularValues(product(a.factor, b.factor)).reduce((sum, v) => sum + v, 0);
  return apart + squaredLength(a.factor) + squaredLength(b.factor) - 2 * overlap;
}

/** The trace of FT F. */
function squaredLength({ data }: Matrix): number {
  return data.reduce((sum, v) => sum + v * v, 0);
}
