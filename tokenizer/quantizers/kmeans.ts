/**
 * @file Spherical k-means (Dhillon and Modha 2001) on unit vectors, for starting a codebook. Plain loops over typed
 * arrays: it runs once, on some thousand points.
 */
import type { Random } from '../../src/core/random.ts';

export interface KMeansOptions {
  readonly clusters: number;
  readonly dimension: number;
  readonly random: Random;
  readonly iterations?: number;
  /** Points are thinned to this many multiply-adds an iteration. */
  readonly work?: number;
}

/**
 * Directions that stand for a cloud of unit vectors. Where there are fewer points than clusters, the further centres are
 * points with a little noise, so that no two are equal.
 * @param points unit vectors, one after another
 * @returns [clusters * dimension], unit vectors
 */
export function kMeans(points: Float32Array, options: KMeansOptions): Float32Array {
  const { clusters, dimension: D, random, iterations = 8, work = 2 ** 29 } = options;
  const order = random.permutation(points.length / D);
  const limit = Math.max(clusters, Math.floor(work / (clusters * D)));
  const chosen = order.subarray(0, Math.min(order.length, limit));
  const centres = new Float32Array(clusters * D);
  for (let k = 0; k < clusters; k++) {
    const from = order[k % order.length] * D;
    const noise = k < order.length ? 0 : 0.05;
    for (let d = 0; d < D; d++) centres[k * D + d] = points[from + d] + noise * random.normal();
    unit(centres, k * D, D);
  }
  const sums = new Float64Array(clusters * D);
  for (let iteration = 0; iteration < iterations; iteration++) {
    sums.fill(0);
    for (const point of chosen) {
      const k = closest(points, point * D, centres, D);
      for (let d = 0; d < D; d++) sums[k * D + d] += points[point * D + d];
    }
    for (let k = 0; k < clusters; k++) {
      let norm = 0;
      for (let d = 0; d < D; d++) norm += sums[k * D + d] ** 2;
      // An empty cluster stays where it is.
      if (norm < 1e-12) continue;
      for (let d = 0; d < D; d++) centres[k * D + d] = sums[k * D + d] / Math.sqrt(norm);
    }
  }
  return centres;
}

/** The centre of greatest cosine with the point at `from`. */
function closest(points: Float32Array, from: number, centres: Float32Array, D: number): number {
  let best = -Infinity;
  let at = 0;
  for (let k = 0, base = 0; base < centres.length; k++, base += D) {
    let dot = 0;
    for (let d = 0; d < D; d++) dot += points[from + d] * centres[base + d];
    if (dot > best) {
      best = dot;
      at = k;
    }
  }
  return at;
}

function unit(values: Float32Array, from: number, D: number): void {
  let norm = 0;
  for (let d = 0; d < D; d++) norm += values[from + d] ** 2;
  const scale = 1 / Math.sqrt(norm + 1e-12);
  for (let d = 0; d < D; d++) values[from + d] *= scale;
}
