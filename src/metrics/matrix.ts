/**
 * @file Feature rows in double precision and what metrics need of them: products, distances, moments. Plain loops over
 * Float64Array, tiled so that a tile stays in the cache: near copies and unbiased differences vanish in float32.
 */

/** Rows of numbers, [rows, columns] in row-major order. One row is one picture. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** @param data a multiple of `columns` numbers, kept, not copied */
export function matrix(data: Float64Array, columns: number): Matrix {
  if (!(columns > 0) || data.length % columns !== 0) {
    throw new RangeError(`matrix: expected rows of ${columns} numbers, got ${data.length}`);
  }
  return { rows: data.length / columns, columns, data };
}

/** The rows with these numbers, copied. */
export function takeRows({ columns, data }: Matrix, rows: ArrayLike<number>): Matrix {
  const taken = new Float64Array(rows.length * columns);
  for (let i = 0; i < rows.length; i++) {
    taken.set(data.subarray(rows[i] * columns, (rows[i] + 1) * columns), i * columns);
  }
  return { rows: rows.length, columns, data: taken };
}

/** Every row divided by its length; a row of zeros stays. */
export function unitRows({ rows, columns, data }: Matrix): Matrix {
  const unit = data.slice();
  for (let i = 0; i < rows; i++) {
    const row = unit.subarray(i * columns, (i + 1) * columns);
    const length = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
    if (length > 0) for (let j = 0; j < columns; j++) row[j] /= length;
  }
  return { rows, columns, data: unit };
}

/** @returns the mean row, and the rows less it (two passes, so that a large common offset costs no digits) */
export function centre({ rows, columns, data }: Matrix): { readonly mean: Float64Array; readonly rows: Matrix } {
  const mean = new Float64Array(columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) mean[j] += data[i * columns + j];
  for (let j = 0; j < columns; j++) mean[j] /= rows;
  const centred = new Float64Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) centred[i * columns + j] = data[i * columns + j] - mean[j];
  return { mean, rows: { rows, columns, data: centred } };
}

export function transpose({ rows, columns, data }: Matrix): Matrix {
  const turned = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j];
  return { rows: columns, columns: rows, data: turned };
}

/** Rows of one tile; two tiles of 32 rows of 512 numbers are 256 KiB. */
const TILE = 32;

/** a bT: every row of one with every row of the other. @returns [a.rows, b.rows] */
export function product(a: Matrix, b: Matrix): Matrix {
  return pairs(a, b, dots);
}

/** Squared Euclidean distances by direct differences. @returns [a.rows, b.rows] */
export function squaredDistances(a: Matrix, b: Matrix): Matrix {
  return pairs(a, b, differences);
}

/** Writes what four rows of b are to one row of a. */
type Quad = (
  a: Float64Array,
  atA: number,
  b: Float64Array,
  atB: readonly number[],
  width: number,
  out: Float64Array,
) => void;

function pairs(a: Matrix, b: Matrix, quad: Quad): Matrix {
  if (a.columns !== b.columns) throw new RangeError(`expected rows of one length, got ${a.columns} and ${b.columns}`);
  const width = a.columns;
  const data = new Float64Array(a.rows * b.rows);
  const at = [0, 0, 0, 0];
  const out = new Float64Array(4);
  for (let firstB = 0; firstB < b.rows; firstB += TILE) {
    const endB = Math.min(firstB + TILE, b.rows);
    for (let i = 0; i < a.rows; i++) {
      for (let j = firstB; j < endB; j += 4) {
        // The last quad repeats its last row.
        for (let k = 0; k < 4; k++) at[k] = Math.min(j + k, endB - 1) * width;
        quad(a.data, i * width, b.data, at, width, out);
        for (let k = 0; k < 4 && j + k < endB; k++) data[i * b.rows + j + k] = out[k];
      }
    }
  }
  return { rows: a.rows, columns: b.rows, data };
}

function dots(
  a: Float64Array,
  atA: number,
  b: Float64Array,
  at: readonly number[],
  width: number,
  out: Float64Array,
): void {
  const [b0, b1, b2, b3] = at;
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let c = 0; c < width; c++) {
    const v = a[atA + c];
    s0 += v * b[b0 + c];
    s1 += v * b[b1 + c];
    s2 += v * b[b2 + c];
    s3 += v * b[b3 + c];
  }
  out[0] = s0;
  out[1] = s1;
  out[2] = s2;
  out[3] = s3;
}

function differences(
  a: Float64Array,
  atA: number,
  b: Float64Array,
  at: readonly number[],
  width: number,
  out: Float64Array,
): void {
  const [b0, b1, b2, b3] = at;
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let c = 0; c < width; c++) {
    const v = a[atA + c];
    const d0 = v - b[b0 + c];
    const d1 = v - b[b1 + c];
    const d2 = v - b[b2 + c];
    const d3 = v - b[b3 + c];
    s0 += d0 * d0;
    s1 += d1 * d1;
    s2 += d2 * d2;
    s3 += d3 * d3;
  }
  out[0] = s0;
  out[1] = s1;
  out[2] = s2;
  out[3] = s3;
}
