/**
 * @file Which shape covers a picture like this? Each shape is laid over the coverage with equal mass and centre, at a
 * few amounts of blur, and the least squared difference wins.
 */
import { type Box, insideShape, shapeCoverage } from '../../../data/generators/shape-coverage.ts';
import { type SceneShape, sceneShapes } from '../../../data/generators/shapes.ts';

/** A shape and its bounding box, as fractions of the picture's side. */
export interface Fit extends Box {
  readonly shape: SceneShape;
}

interface Moments {
  readonly mass: number;
  readonly x: number;
  readonly y: number;
}

/** Blurs tried, as deviations in fractions of the extent. */
const BLURS = [0, 0.05, 0.1, 0.15];

/** Fits shapes to coverages. */
export class ShapeFitter {
  /** Mass and centre of each shape in its unit box, once it was tried: they take milliseconds. */
  private readonly moments = new Map<SceneShape, Moments>();

  /** The shape that fits best. @param coverage [size, size] in [0, 1], zero away from the object */
  fit(coverage: Float32Array, size: number): Fit {
    let [mass, mx, my] = [0, 0, 0];
    for (let i = 0; i < coverage.length; i++) {
      mass += coverage[i];
      mx += coverage[i] * ((i % size) + 0.5);
      my += coverage[i] * (Math.floor(i / size) + 0.5);
    }
    mx /= mass;
    my /= mass;
    let best: Fit | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const shape of sceneShapes) {
      const own = this.momentsOf(shape);
      const extent = Math.sqrt(mass / own.mass);
      const [x, y] = [mx - own.x * extent, my - own.y * extent];
      const drawn = shapeCoverage(shape, { x, y, extent }, size);
      for (const blur of BLURS) {
        const error = difference(coverage, blurred(drawn, size, blur * extent));
        if (error < least) [least, best] = [error, { shape, x: x / size, y: y / size, extent: extent / size }];
      }
    }
    return best!; // there is at least one shape
  }

  private momentsOf(shape: SceneShape): Moments {
    const known = this.moments.get(shape) ?? measureMoments(insideShape[shape]);
    this.moments.set(shape, known);
    return known;
  }
}

function measureMoments(inside: (x: number, y: number) => boolean): Moments {
  const n = 256;
  let [mass, mx, my] = [0, 0, 0];
  for (let i = 0; i < n * n; i++) {
    const [x, y] = [((i % n) + 0.5) / n - 0.5, (Math.floor(i / n) + 0.5) / n - 0.5];
    if (!inside(x, y)) continue;
    mass++;
    mx += x;
    my += y;
  }
  return { mass: mass / (n * n), x: mx / mass, y: my / mass };
}

/** Gaussian blur, rows then columns. @param deviation in pixels */
export function blurred(image: Float32Array, size: number, deviation: number): Float32Array {
  if (deviation < 0.2) return image;
  const reach = Math.ceil(2.5 * deviation);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * deviation ** 2)));
  const total = kernel.reduce((sum, v) => sum + v, 0);
  let current = image;
  for (const step of [1, size]) {
    const next = new Float32Array(image.length);
    for (let i = 0; i < current.length; i++) {
      if (current[i] === 0) continue;
      const at = step === 1 ? i % size : Math.floor(i / size);
      for (let k = -reach; k <= reach; k++) {
        if (at + k >= 0 && at + k < size) next[i + k * step] += (current[i] * kernel[k + reach]) / total;
      }
    }
    current = next;
  }
  return current;
}

function difference(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}
