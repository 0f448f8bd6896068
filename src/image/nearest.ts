/**
 * @file Looks for training images in what a model paints: which one is nearest, and whether samples lie nearer to the
 * training images than images do that the model never saw. Distances are between small pictures, pixel by pixel, which
 * finds copies and near copies, not borrowed ideas. Knows bytes only. Authentic share: Alaa et al. 2022 (arXiv:2102.08921).
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
  find(picture: Picture, { except = -1 }: { readonly except?: number } = {}): Nearest {
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

/** Whether samples are copies: distances to the nearest training image, beside those of images never trained on. */
export interface Memorisation {
  /** Nearest training image of every sample, in their order. */
  readonly samples: readonly Nearest[];
  /** Nearest training image of every held-out image, in their order. */
  readonly heldOut: readonly Nearest[];
  readonly sampleMedian: number;
  readonly heldOutMedian: number;
  /** sampleMedian / heldOutMedian: near 1 samples are as new as held-out images are, near 0 they are copies. */
  readonly ratio: number;
  /** Each sample's distance over heldOutMedian, for a histogram. */
  readonly ratios: Float64Array;
  /**
   * Share of samples whose nearest training image is nearer to another training image than to the sample. The published
   * check of one sample; NaN if there is only one training image.
   */
  readonly authentic: number;
  /** Indices of samples, the nearest to training first, for a strip of the worst cases. */
  readonly closest: readonly number[];
}

/**
 * Compares how near samples and held-out images lie to the training images. Drawings of one kind are near each other
 * without any copying; only the comparison with held-out images tells that apart from memorising.
 * @param samples at least one; @param heldOut at least one, from the same source as the training images
 */
export function memorisation(
  samples: readonly Picture[],
  train: NearestImages,
  heldOut: readonly Picture[],
): Memorisation {
  if (samples.length === 0 || heldOut.length === 0) {
    throw new RangeError(
      `memorisation: expected samples and held-out images, got ${samples.length}, ${heldOut.length}`,
    );
  }
  const ofSamples = samples.map(picture => train.find(picture));
  const ofHeldOut = heldOut.map(picture => train.find(picture));
  const sampleMedian = median(ofSamples);
  const heldOutMedian = median(ofHeldOut);
  return {
    samples: ofSamples,
    heldOut: ofHeldOut,
    sampleMedian,
    heldOutMedian,
    ratio: quotient(sampleMedian, heldOutMedian),
    ratios: Float64Array.from(ofSamples, ({ distance }) => quotient(distance, heldOutMedian)),
    authentic: authenticShare(ofSamples, train),
    closest: ofSamples.map((_, i) => i).sort((a, b) => ofSamples[a].distance - ofSamples[b].distance || a - b),
  };
}

function authenticShare(samples: readonly Nearest[], train: NearestImages): number {
  if (train.count < 2) return Number.NaN;
  const own = new Map<number, number>(); // the distance of a training image to its neighbour; samples share neighbours
  let authentic = 0;
  for (const { index, distance } of samples) {
    const neighbour = own.get(index) ?? train.find(train.reference(index), { except: index }).distance;
    own.set(index, neighbour);
    if (neighbour < distance) authentic++;
  }
  return authentic / samples.length;
}

function median(found: readonly Nearest[]): number {
  const sorted = found.map(({ distance }) => distance).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Where held-out images are copies of training images too, samples that are copies are no worse than they. */
function quotient(a: number, b: number): number {
  return b === 0 && a === 0 ? 1 : a / b;
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
