/**
 * @file The Fréchet distance of two sets of feature rows, each taken for a Gaussian:
 *
 *   FD = |mu1 - mu2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)
 *
 * On Inception features it is called FID (Heusel et al. 2017, arXiv:1706.08500). Covariances have n - 1. No matrix root
 * is taken: with any factors S = FT F, tr (S1 S2)^(1/2) is the sum of the singular values of F1 F2T. Where there are at most as
 * many rows as columns the centred rows are the factor, so that fewer pictures than dimensions are exact and nothing is
 * added to a diagonal; otherwise it is the Cholesky factor of the covariance.
 *
 * Biased: two halves of one set of n rows in d dimensions are about d(d + 5) / 2n apart. Read it beside a floor.
 */

import { centre, type Matrix, product, transpose } from './matrix.ts';
import { cholesky, singularValues } from './singular.ts';

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
