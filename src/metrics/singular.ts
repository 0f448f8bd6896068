/**
 * @file Singular values and Cholesky factors in double precision, as the Fréchet distance needs them. No vectors, no
 * squared condition: Householder bidiagonalisation, then the values of the bidiagonal as the eigenvalues of the
 * symmetric tridiagonal matrix with a zero diagonal that holds the same numbers (Golub and Kahan 1965), by implicit QL.
 */
import { type Matrix, transpose } from './matrix.ts';

/** Singular values, in no order; as many as the smaller side. */
export function singularValues(given: Matrix): Float64Array {
  const { rows: m, columns: n, data } = given.rows >= given.columns ? given : transpose(given);
  const { diagonal, above } = bidiagonalise(data.slice(), m, n);
  // Eigenvalues of [[0, B], [BT, 0]], reordered to a tridiagonal matrix, are the singular values and their negatives.
  const off = new Float64Array(2 * n);
  for (let i = 0; i < n; i++) {
    off[2 * i] = diagonal[i];
    off[2 * i + 1] = above[i];
  }
  const values = tridiagonalEigenvalues(new Float64Array(2 * n), off)
    .map(Math.abs)
    .sort();
  return Float64Array.from({ length: n }, (_, i) => values[2 * i + 1]);
}

/**
 * Householder reflections from both sides until only the diagonal and the one above it are left; overwrites a, [m, n].
 * @see Golub and Van Loan 2013, algorithm 5.4.2
 */
function bidiagonalise(a: Float64Array, m: number, n: number): { diagonal: Float64Array; above: Float64Array } {
  const diagonal = new Float64Array(n);
  const above = new Float64Array(n);
  const v = new Float64Array(Math.max(m, n));
  const w = new Float64Array(Math.max(m, n));
  for (let k = 0; k < n; k++) {
    for (let i = k; i < m; i++) v[i] = a[i * n + k];
    diagonal[k] = reflector(v, k, m);
    if (diagonal[k] !== 0) {
      w.fill(0, k + 1, n);
      for (let i = k; i < m; i++) {
        const scale = v[i];
        for (let j = k + 1; j < n; j++) w[j] += scale * a[i * n + j];
      }
      for (let i = k; i < m; i++) {
        const scale = v[i];
        for (let j = k + 1; j < n; j++) a[i * n + j] -= scale * w[j];
      }
    }
    if (k + 1 >= n) continue;
    for (let j = k + 1; j < n; j++) v[j] = a[k * n + j];
    above[k] = reflector(v, k + 1, n);
    if (above[k] === 0) continue;
    for (let i = k + 1; i < m; i++) {
      const at = i * n;
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += a[at + j] * v[j];
      for (let j = k + 1; j < n; j++) a[at + j] -= sum * v[j];
    }
  }
  return { diagonal, above };
}

/** Numbers whose squares may be 0: what rounding leaves of rows that are multiples of each other, e.g. of pictures all alike. */
const SQUARED_IS_ZERO = 1e-150;

/**
 * Turns x[from..to) into u with (I - u uT) x = r e_from, |u|^2 = 2.
 * @returns r; 0 leaves x as it was, a reflection that does nothing
 */
function reflector(x: Float64Array, from: number, to: number): number {
  let largest = 0;
  for (let i = from; i < to; i++) largest = Math.max(largest, Math.abs(x[i]));
  if (!(largest > SQUARED_IS_ZERO)) return Number.isNaN(largest) ? largest : 0; // NaN goes on to the values
  let squared = 0;
  for (let i = from; i < to; i++) squared += (x[i] / largest) ** 2;
  const length = largest * Math.sqrt(squared);
  const r = x[from] > 0 ? -length : length; // the sign that adds, not cancels
  const scale = 1 / Math.sqrt(length * (length + Math.abs(x[from])));
  x[from] -= r;
  for (let i = from; i < to; i++) x[i] *= scale;
  return r;
}

/** Sweeps that one eigenvalue may take; it takes two on average. */
const SWEEPS = 60;

/**
 * Eigenvalues of a symmetric tridiagonal matrix by QL with implicit shifts, in no order.
 * @param d diagonal; @param e e[i] beside d[i] and d[i + 1], the last is not read. Both are overwritten.
 * @throws RangeError if a number is not finite
 * @see Dubrulle 1970; Press et al. 2007, section 11.4
 */
function tridiagonalEigenvalues(d: Float64Array, e: Float64Array): Float64Array {
  const n = d.length;
  e[n - 1] = 0;
  const size = [...d, ...e].reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  if (!Number.isFinite(size)) throw new RangeError('singularValues: expected finite numbers');
  // With a zero diagonal a test against the neighbours alone would never find a split.
  const small = Number.EPSILON * size * 1e-2;
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      let m = l;
      while (m < n - 1 && Math.abs(e[m]) > Math.max(small, Number.EPSILON * (Math.abs(d[m]) + Math.abs(d[m + 1])))) m++;
      if (m === l) break;
      if (sweep === SWEEPS) throw new RangeError('singularValues: no convergence');
      sweepUp(d, e, l, m);
    }
  }
  return d;
}

/** One QL sweep over the unsplit block l..m. */
function sweepUp(d: Float64Array, e: Float64Array, l: number, m: number): void {
  const half = (d[l + 1] - d[l]) / (2 * e[l]);
  const root = Math.hypot(half, 1);
  let g = d[m] - d[l] + e[l] / (half + (half >= 0 ? root : -root));
  let [s, c, p] = [1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const f = s * e[i];
    const b = c * e[i];
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1] -= p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1] - p;
    const t = (d[i] - g) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = g + p;
    g = c * t - b;
  }
  d[l] -= p;
  e[l] = g;
  e[m] = 0;
}

/**
 * Upper triangular R with RT R = s, for a symmetric positive semidefinite s. Pivots that rounding alone may have made
 * are taken for 0, with their rows.
 * @param s [n, n]
 */
export function cholesky({ rows: n, data }: Matrix): Matrix {
  const r = new Float64Array(n * n);
  const rest = data.slice();
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, data[i * n + i]);
  for (let k = 0; k < n; k++) {
    const pivot = rest[k * n + k];
    if (!(pivot > n * Number.EPSILON * largest)) continue;
    const root = Math.sqrt(pivot);
    for (let j = k; j < n; j++) r[k * n + j] = rest[k * n + j] / root;
    for (let i = k + 1; i < n; i++) {
      const scale = r[k * n + i];
      for (let j = i; j < n; j++) rest[i * n + j] -= scale * r[k * n + j];
    }
  }
  return { rows: n, columns: n, data: r };
}
