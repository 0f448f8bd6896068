/**
 * @file The order in which the codes of an image follow one another in the sequence: row by row (`raster`, Ramesh et al. 2021), or
 * coarse cells first (`interlaced`): every 16th cell of every 16th row, then every 8th, 4th, 2nd, and the rest, each level row by row and no
 * cell twice. So the first 4 of 1,024 codes already span the image, and each later one lies between some that are known; subscale pixel networks
 * (Menick and Kalchbrenner 2019, arXiv:1812.01608) go by such an order.
 */

export const codeOrders = ['raster', 'interlaced'] as const;
export type CodeOrderName = (typeof codeOrders)[number];

/** Which code comes when. */
export interface CodeOrder {
  /** The cell of each place of the sequence, row * grid + column: [grid * grid]. */
  readonly cells: Int32Array;
  /** The place of each cell. */
  readonly places: Int32Array;
}

/** @param grid cells along a side */
export function orderOf(name: CodeOrderName, grid: number): CodeOrder {
  const cells = name === 'raster' ? Int32Array.from({ length: grid * grid }, (_, i) => i) : interlaced(grid);
  const places = new Int32Array(cells.length);
  cells.forEach((cell, place) => {
    places[cell] = place;
  });
  return { cells, places };
}

/** Levels from the largest power of two below the grid's side down to 1. */
function interlaced(grid: number): Int32Array {
  const cells = new Set<number>();
  let stride = 1;
  while (stride * 2 < grid) stride *= 2;
  for (; stride >= 1; stride /= 2) {
    for (let row = 0; row < grid; row += stride) {
      for (let column = 0; column < grid; column += stride) cells.add(row * grid + column);
    }
  }
  return Int32Array.from(cells); // a set keeps the order in which its members came first
}

/**
 * Pictures whose codes stand in another order.
 * @param values [pictures, N]
 * @param from [N], the place from which each of a picture comes: `cells` puts cells into the order, `places` puts them back
 * @param n how many of each picture are wanted, from the first on; @returns [pictures, n]
 */
export function reorder(values: Int32Array, from: Int32Array, n = from.length): Int32Array {
  const pictures = values.length / from.length;
  const result = new Int32Array(pictures * n);
  for (let b = 0; b < pictures; b++) {
    for (let i = 0; i < n; i++) result[b * n + i] = values[b * from.length + from[i]];
  }
  return result;
}

/**
 * How many codes of the interlaced order a picture has that are not of its two finest levels: a sixteenth, every fourth cell of every
 * fourth row.
 */
export function coarsePlaces(grid: number): number {
  return Math.ceil(grid / 4) ** 2;
}

/**
 * Unfinished pictures of interlaced codes as they are looked at: a cell without a code has that of the coarser cell which it lies right and below of.
 * @param codes [n, grid * grid] cell by cell, -1 where there is none yet; what has no coarser one stays
 */
export function fillFromCoarser(codes: Int32Array, grid: number): Int32Array {
  const N = grid * grid;
  return codes.map((code, i) => {
    const [row, column] = [Math.floor((i % N) / grid), i % grid];
    for (let stride = 2; code < 0 && stride < 2 * grid; stride *= 2) {
      code = codes[i - (i % N) + (row - (row % stride)) * grid + column - (column % stride)];
    }
    return code;
  });
}
