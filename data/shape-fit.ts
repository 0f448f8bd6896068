/**
 * @file Which shape covers a picture like this? Each shape is laid over the coverage with equal mass and centre, at a few
 * amounts of blur, and the least squared difference wins. Inside tests are written out here, apart from the outlines that
 * draw the shapes, so that a mistake in one shows as a disagreement.
 */

import { type SceneShape, sceneShapes } from './shapes.ts';

export interface Fit {
  readonly shape: SceneShape;
  /** Centre of the bounding box and its larger side, as fractions of the picture's side. */
  readonly x: number;
  readonly y: number;
  readonly extent: number;
}

/** Whether a point lies in the shape in a box of side 1 about the origin, y down. */
const INSIDE: Readonly<Record<SceneShape, (x: number, y: number) => boolean>> = {
  circle: (x, y) => x * x + y * y < 0.25,
  square: (x, y) => Math.abs(x) < 0.46 && Math.abs(y) < 0.46,
  triangle: (x, y) => y < 0.45 && Math.abs(x) < (y + 0.45) / 1.8,
  diamond: (x, y) => Math.abs(x) + Math.abs(y) < 0.5,
  star: insideStar,
  cross: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.5 && Math.min(Math.abs(x), Math.abs(y)) < 0.16,
  heart: insideHeart,
  ring: (x, y) => x * x + y * y < 0.25 && x * x + y * y > 0.27 ** 2,
};

/** In polar form: between two tips the edge is a straight line from tip to notch. */
function insideStar(x: number, y: number): boolean {
  const outer = 0.5 / Math.sin((2 * Math.PI) / 5);
  const down = y - (outer * (1 - Math.cos(Math.PI / 5))) / 2;
  const fifth = (2 * Math.PI) / 5;
  const turn = Math.abs(((Math.atan2(x, -down) + 10 * Math.PI + fifth / 2) % fifth) - fifth / 2);
  const radius = Math.hypot(x, down);
  // In the frame of the tip: the line from (outer, 0) to the notch at angle pi/5.
  const [nx, ny] = [0.42 * outer * Math.cos(Math.PI / 5), 0.42 * outer * Math.sin(Math.PI / 5)];
  const [px, py] = [radius * Math.cos(turn), radius * Math.sin(turn)];
  return (nx - outer) * py - ny * (px - outer) > 0;
}

/** Two lobes and a point. */
function insideHeart(x: number, y: number): boolean {
  const across = Math.abs(x);
  if (y < -0.17) return ((across - 0.25) / 0.25) ** 2 + ((y + 0.17) / 0.28) ** 2 < 1 && y > -0.45;
  const down = (y + 0.17) / 0.64;
  return down < 1 && across < 0.5 * (1 - down ** 1.55) ** 0.92;
}

interface Moments {
  readonly mass: number;
  readonly x: number;
  readonly y: number;
}

/** Mass and centre of each shape in its unit box, once they have been needed: they take tens of milliseconds. */
const moments = new Map<SceneShape, Moments>();

function momentsOf(shape: SceneShape): Moments {
  const known = moments.get(shape) ?? measure(INSIDE[shape]);
  moments.set(shape, known);
  return known;
}

function measure(inside: (x: number, y: number) => boolean): Moments {
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

/** Blurs tried, as deviations in fractions of the extent. */
const BLURS = [0, 0.05, 0.1, 0.15];

/** @param coverage [size, size] in [0, 1], zero away from the object */
export function shapeFit(coverage: Float32Array, size: number): Fit {
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
    const own = momentsOf(shape);
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

/**
 * The coverage of a shape, from 4 x 4 points a pixel.
 * @param place centre and extent of the bounding box, in pixels; @param size the picture's side
 * @returns [size, size] in [0, 1]
 */
export function shapeCoverage(shape: SceneShape, { x, y, extent }: Omit<Fit, 'shape'>, size: number): Float32Array {
  const inside = INSIDE[shape];
  const drawn = new Float32Array(size * size);
  const from = (v: number): number => Math.max(0, Math.floor(v - 0.75 * extent));
  const to = (v: number): number => Math.min(size, Math.ceil(v + 0.75 * extent));
  for (let v = from(y); v < to(y); v++) {
    for (let u = from(x); u < to(x); u++) {
      let points = 0;
      for (let k = 0; k < 16; k++) {
        if (inside((u + ((k & 3) + 0.5) / 4 - x) / extent, (v + ((k >> 2) + 0.5) / 4 - y) / extent)) points++;
      }
      drawn[v * size + u] = points / 16;
    }
  }
  return drawn;
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
