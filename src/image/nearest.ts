/**
 * @file The nearest of many images to a picture. Distances are between small pictures, pixel by pixel, which finds copies
 * and near copies, not borrowed ideas. Knows bytes only.
 */

import type { Images, Picture } from './images.ts';
import { resizeArea } from './resize.ts';

/** One of the references, and how far it is. */
export interface Nearest {
  readonly index: number;
  /** Root mean square of the differences of all bytes, over 255: 0 for a copy, 1 between black and white. */
  readonly distance: number;
}

/** Cells on a side of the coarse picture that rules references out. */
const COARSE = 4;

/** Side that images are reduced to before the nearest is looked for among thousands. */
export const NEAREST_SIDE = 64;

/** References to compare pictures with, held as they are given: no copy is made of the bytes. */
export class NearestImages {
  readonly count: number;
  private readonly references: Images;
  private readonly cells: Cells;
  /** Sums of the bytes of each cell and colour, [n, cells, 3]. */
  private readonly coarse: Int32Array;

  /**
   * @param references square, at least one, not written to while this is in use
   */
  constructor(references: Images) {
    const { count, width, height } = references;
    if (count === 0 || width !== height) {
      throw new RangeError(`NearestImages: expected square images, got ${count} of ${width} x ${height} pixels`);
    }
    this.references = references;
    this.count = count;
    this.cells = divide(width);
    const cells = this.cells.areas.length * 3;
    this.coarse = new Int32Array(count * cells);
    for (let n = 0; n < count; n++) {
      addCells(references.at(n).data, this.cells, this.coarse.subarray(n * cells, (n + 1) * cells));
    }
  }

  /** One reference as a picture that shares its bytes. @param index 0 to count - 1 */
  reference(index: number): Picture {
    return this.references.at(index);
  }

  /**
   * The reference nearest to a picture; of equally near ones the first.
   * @param picture any size; reduced by averaging areas
   * @param options.except a reference to leave out, to ask for the neighbour of that reference itself
   * @throws RangeError if no reference is left
   */
  find(picture: Picture, options: { readonly except?: number } = {}): Nearest {
    const { except = -1 } = options;
    const { count, coarse, cells } = this;
    const { width: size, bytes: references } = this.references;
    if (count === 1 && except === 0) throw new RangeError('NearestImages.find: the only reference is left out');
    const query = resizeArea(picture, size, size).data;
    const sums = new Int32Array(cells.areas.length * 3);
    addCells(query, cells, sums);
    const bounds = lowerBounds(sums, coarse, cells);
    if (except >= 0 && except < count) bounds[except] = Number.POSITIVE_INFINITY;
    // The most promising one goes first, so that its distance rules out nearly all others before they are read.
    let index = smallest(bounds);
    let best = squaredDistance(query, references, index, Number.POSITIVE_INFINITY);
    for (let n = 0; n < count; n++) {
      if (bounds[n] > best + ROUNDING || n === index) continue;
      const squared = squaredDistance(query, references, n, best);
      if (squared < best || (squared === best && n < index)) {
        best = squared;
        index = n;
      }
    }
    return { index, distance: Math.sqrt(best / query.length) / 255 };
  }
}

/** A picture cut into at most COARSE x COARSE cells. */
interface Cells {
  /** Cell of each pixel. */
  readonly of: Uint8Array;
  /** Pixels in each cell. */
  readonly areas: Float64Array;
}

function divide(size: number): Cells {
  const side = Math.min(COARSE, size);
  const areas = new Float64Array(side * side);
  const of = Uint8Array.from({ length: size * size }, (_, i) => {
    const row = Math.floor((Math.floor(i / size) * side) / size);
    return row * side + Math.floor(((i % size) * side) / size);
  });
  for (const cell of of) areas[cell]++;
  return { of, areas };
}

function addCells(bytes: Uint8Array, { of }: Cells, sums: Int32Array): void {
  for (let i = 0; i < of.length; i++) {
    const at = of[i] * 3;
    sums[at] += bytes[i * 3];
    sums[at + 1] += bytes[i * 3 + 1];
    sums[at + 2] += bytes[i * 3 + 2];
  }
}

/** Bounds are rational numbers in floating point: never let one that should equal a distance exceed it. */
const ROUNDING = 1e-3;

/**
 * For each reference a number that its squared distance is not below: in a cell of m pixels,
 * sum((a - b)^2) >= (sum(a) - sum(b))^2 / m (Cauchy-Schwarz).
 */
function lowerBounds(sums: Int32Array, coarse: Int32Array, { areas }: Cells): Float64Array {
  const width = sums.length;
  const inverse = Float64Array.from({ length: width }, (_, i) => 1 / areas[Math.floor(i / 3)]);
  const bounds = new Float64Array(coarse.length / width);
  for (let n = 0; n < bounds.length; n++) {
    let bound = 0;
    for (let i = 0; i < width; i++) {
      const difference = sums[i] - coarse[n * width + i];
      bound += difference * difference * inverse[i];
    }
    bounds[n] = bound;
  }
  return bounds;
}

function smallest(values: Float64Array): number {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i] < values[at]) at = i;
  return at;
}

/** Bytes compared between two looks at whether a reference is too far already. */
const STRIDE = 192;

/** @returns the sum of squared differences, exact, or any number above `limit` if it is above */
function squaredDistance(query: Uint8Array, references: Uint8Array, index: number, limit: number): number {
  const offset = index * query.length;
  let sum = 0;
  for (let start = 0; start < query.length && sum <= limit; start += STRIDE) {
    const end = Math.min(start + STRIDE, query.length);
    let part = 0; // at most 192 * 255^2, so that it stays a small integer
    for (let i = start; i < end; i++) {
      const difference = query[i] - references[offset + i];
      part += difference * difference;
    }
    sum += part;
  }
  return sum;
}
