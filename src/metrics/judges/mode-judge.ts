/**
 * @file Reads a picture back as one of the thousand scenes of modes.ts, or rejects it, without learning anything. The
 * reading is the likeliest scene under white noise: all of them are compared (the error is linear in ten sums a place
 * and size), the best few are moved and stretched by fractions of a pixel, and what the best leaves unexplained, in
 * colours or in some small region, decides whether the picture is one of the scenes at all.
 */

import {
  type Mode,
  modeAttributes,
  modeBackgrounds,
  modeColours,
  modeNumber,
  modeOf,
  modePlaces,
  modeSizes,
  modes,
} from '../../../data/generators/modes.ts';
import { shapeCoverage } from '../../../data/generators/shape-coverage.ts';
import type { SceneCheck } from './scene-judge.ts';
import { blurred } from './shape-fit.ts';

/**
 * Why a picture is no scene: its background's or object's colour is none of the palette, or something else is in it.
 */
export type Rejection = 'background' | 'colour' | 'rest';

export interface ModeReading {
  /** Number of the nearest mode. */
  readonly nearest: number;
  /** The same, or undefined where the picture was rejected. */
  readonly mode: number | undefined;
  readonly rejection: Rejection | undefined;
  /** Distance of the background's and the object's colour from the palette's, in [0, sqrt 3]. */
  readonly background: number;
  readonly colour: number;
  /** Largest mean error of a window of 3 x 3 pixels in 32, as a share of the contrast between object and background. */
  readonly rest: number;
  /** Root mean square of those in the object's bounding box. */
  readonly body: number;
}

/**
 * Most that a reading may be off: above all that real pictures reach, also noisy (deviation 0.05) or blurred (by a
 * pixel), and below what blends of two scenes do. Half of a small object in half of a large one, or of two like shapes,
 * may still pass.
 */
const MOST = { background: 0.185, colour: 0.185, rest: 0.27, body: 0.095 } as const;

const attributeNames = Object.keys(modeAttributes) as readonly (keyof Mode)[]; // of a literal

/** Judges pictures of modes. */
export class ModeJudge {
  /** One a size of pictures, made when it is first needed. */
  private readonly oracles = new Map<number, ModeOracle>();

  /** The oracle of pictures of a size. */
  oracle(size: number): ModeOracle {
    const oracle = this.oracles.get(size) ?? new ModeOracle(size);
    this.oracles.set(size, oracle);
    return oracle;
  }

  /**
   * How well a picture shows what a mode's caption says; a rejected picture shows nothing of it.
   * @param pixels [size, size, 3], bytes in [0, 255] or floats in [0, 1]
   * @throws Error if the caption is none of a mode
   */
  check(pixels: Uint8Array | Float32Array, size: number, caption: string): SceneCheck {
    const wanted = modeOf(caption);
    if (wanted === undefined) throw new Error(`check: not a caption of a mode: ${caption}`);
    const { mode } = this.oracle(size).read(pixels);
    const attributes = attributeNames.map(name => {
      const seen = mode === undefined ? 'nothing' : modes[mode][name];
      return { name, wanted: modes[wanted][name], seen, right: seen === modes[wanted][name] };
    });
    return { right: attributes.filter(({ right }) => right).length, total: attributes.length, attributes };
  }
}

type Rgb = readonly [number, number, number];

/** A shape at a place and size: what a mode is without its colours. */
interface Geometry extends Pick<Mode, 'size' | 'shape' | 'place'> {
  /** In the middle pose: the pixels that it covers and by how much, and the sums of that and of its squares. */
  readonly pixels: Int32Array;
  readonly shares: Float32Array;
  readonly mass: number;
  readonly energy: number;
}

/**
 * Coverage of an object in a square window whose middle pixel has the object's centre in its corner, or right of that.
 */
interface Template {
  readonly half: number;
  readonly side: number;
  readonly values: Float32Array;
}

/** Where a template is laid: centre in quarter pixels, and indices into STRETCHES and BLURS. */
interface Pose {
  readonly x: number;
  readonly y: number;
  readonly stretch: number;
  readonly blur: number;
}

interface Candidate {
  readonly geometry: Geometry;
  readonly colour: Mode['colour'];
  readonly background: Mode['background'];
  readonly error: number;
}

const STRETCHES = [0.9, 0.95, 1, 1.05, 1.1];
/** Deviations, in pixels of a picture of 32. */
const BLURS = [0, 0.5, 1];
/** Geometries that are tried in other poses: so many at most, whose error is at most so many times the least. */
const TRIED = 6;
const WORSE = 3;

const PALETTE = unit(modeColours);
const GROUNDS = unit(modeBackgrounds);

/** Reads pictures of one size. */
export class ModeOracle {
  readonly size: number;
  private readonly geometries: readonly Geometry[];
  private readonly templates: Template[] = [];

  constructor(size: number) {
    this.size = size;
    this.geometries = modeAttributes.size.flatMap(size =>
      modeAttributes.shape.flatMap(shape =>
        modeAttributes.place.map(place => {
          const all = this.shares({ size, shape }, this.middle(place));
          const pixels = Int32Array.from(all.keys()).filter(i => all[i] !== 0);
          const shares = Float32Array.from(pixels, i => all[i]);
          const sum = (of: (share: number) => number) => shares.reduce((total, share) => total + of(share), 0);
          return { size, shape, place, pixels, shares, mass: sum(share => share), energy: sum(share => share * share) };
        }),
      ),
    );
  }

  /**
   * The nearest scene, and whether the picture is one.
   * @param pixels [size, size, 3], bytes in [0, 255] or floats in [0, 1]
   */
  read(pixels: Uint8Array | Float32Array): ModeReading {
    const scale = pixels instanceof Uint8Array ? 1 / 255 : 1;
    const rgb = new Float32Array(pixels.length);
    for (let i = 0; i < rgb.length; i++) rgb[i] = scale * pixels[i];
    let best: { readonly candidate: Candidate; readonly pose: Pose; readonly error: number } | undefined;
    for (const candidate of this.candidates(rgb)) {
      const { pose, error } = this.pose(rgb, candidate);
      if (best === undefined || error < best.error) best = { candidate, pose, error };
    }
    const { candidate, pose } = best!; // there are always candidates
    return this.judge(rgb, candidate, this.shares(candidate.geometry, pose));
  }

  /** The geometries that explain most with some colours of the palette, best first. */
  private candidates(rgb: Float32Array): Candidate[] {
    const N = this.size ** 2;
    const sums = [0, 0, 0];
    let squares = 0;
    for (let i = 0; i < rgb.length; i++) {
      sums[i % 3] += rgb[i];
      squares += rgb[i] ** 2;
    }
    const best = this.geometries.map(geometry => {
      const { pixels, shares, mass, energy } = geometry;
      let [red, green, blue] = [0, 0, 0];
      for (let k = 0; k < pixels.length; k++) {
        const i = 3 * pixels[k];
        red += shares[k] * rgb[i];
        green += shares[k] * rgb[i + 1];
        blue += shares[k] * rgb[i + 2];
      }
      const products = [red, green, blue];
      let least: Candidate | undefined;
      for (const [background, ground] of GROUNDS) {
        const alone = squares - 2 * dot(ground, sums) + N * dot(ground, ground);
        const along = products.map((v, c) => v - ground[c] * mass);
        for (const [colour, object] of PALETTE) {
          const full = object.map((v, c) => v - ground[c]);
          const error = alone - 2 * dot(full, along) + dot(full, full) * energy;
          if (least === undefined || error < least.error) least = { geometry, colour, background, error };
        }
      }
      return least!; // of the first colours at least
    });
    best.sort((a, b) => a.error - b.error);
    return best.slice(0, TRIED).filter(({ error }) => error <= WORSE * best[0].error);
  }

  /** Moves, stretches and blurs a candidate until it fits best. @returns also the squared error of the whole picture */
  private pose(rgb: Float32Array, { geometry, colour, background }: Candidate): { pose: Pose; error: number } {
    const ground = GROUNDS.get(background)!; // candidates have colours of the palettes
    const full = PALETTE.get(colour)!.map((v, c) => v - ground[c]);
    const contrast = dot(full, full);
    // How far each pixel has gone from the background to the colour.
    const gone = new Float32Array(this.size ** 2);
    let alone = 0;
    for (let i = 0; i < gone.length; i++) {
      let along = 0;
      for (let c = 0; c < 3; c++) {
        const off = rgb[3 * i + c] - ground[c];
        along += off * full[c];
        alone += off * off;
      }
      gone[i] = along / contrast;
    }
    let pose = this.middle(geometry.place);
    let least = this.misfit(gone, geometry, pose);
    const consider = (others: readonly Pose[]) => {
      for (const other of others) {
        const error = this.misfit(gone, geometry, other);
        if (error < least) [least, pose] = [error, other];
      }
    };
    const step = Math.max(1, Math.round(this.size / 32));
    const deformed = ({ x, y }: Pose) =>
      STRETCHES.flatMap((_, stretch) => BLURS.map((_, blur) => ({ x, y, stretch, blur })));
    consider(moved(pose, 2 * step, 3));
    consider(deformed(pose));
    consider(moved(pose, step, 1));
    consider(deformed(pose));
    return { pose, error: alone + contrast * least };
  }

  /** What a template leaves of the squared coverage, less a constant. */
  private misfit(gone: Float32Array, geometry: Geometry, pose: Pose): number {
    const { half, side, values } = this.template(geometry, pose);
    const { size } = this;
    const [left, top] = [(pose.x >> 2) - half, (pose.y >> 2) - half];
    let error = 0;
    for (let v = Math.max(0, -top); v < Math.min(side, size - top); v++) {
      for (let u = Math.max(0, -left); u < Math.min(side, size - left); u++) {
        const share = values[v * side + u];
        error += share * (share - 2 * gone[(top + v) * size + left + u]);
      }
    }
    return error;
  }

  /** What remains of the picture when the object is painted in the colours that suit it best. */
  private judge(rgb: Float32Array, candidate: Candidate, shares: Float32Array): ModeReading {
    const nearest = modeNumber({ ...candidate.geometry, ...candidate });
    const { ground, object } = colours(rgb, shares);
    const background = distance(ground, GROUNDS.get(candidate.background)!); // candidates have colours of the palettes
    const colour = distance(object, PALETTE.get(candidate.colour)!);
    const left = new Float32Array(rgb.length);
    for (let i = 0; i < shares.length; i++) {
      for (let c = 0; c < 3; c++) {
        left[3 * i + c] = rgb[3 * i + c] - ground[c] - shares[i] * (object[c] - ground[c]);
      }
    }
    const contrast = Math.max(0.2, distance(ground, object));
    const { largest, inside } = regions(left, shares, this.size);
    const [rest, body] = [largest / contrast, inside / contrast];
    const rejection =
      background > MOST.background
        ? 'background'
        : colour > MOST.colour
          ? 'colour'
          : rest > MOST.rest || body > MOST.body
            ? 'rest'
            : undefined;
    return { nearest, mode: rejection === undefined ? nearest : undefined, rejection, background, colour, rest, body };
  }

  private middle(place: Mode['place']): Pose {
    const [x, y] = modePlaces[place].map(v => Math.round(4 * v * this.size));
    return { x, y, stretch: 2, blur: 1 };
  }

  /** The coverage of the whole picture. @returns [size, size] */
  private shares(form: Pick<Mode, 'size' | 'shape'>, pose: Pose): Float32Array {
    const { half, side, values } = this.template(form, pose);
    const { size } = this;
    const [left, top] = [(pose.x >> 2) - half, (pose.y >> 2) - half];
    const shares = new Float32Array(size * size);
    for (let v = Math.max(0, -top); v < Math.min(side, size - top); v++) {
      for (let u = Math.max(0, -left); u < Math.min(side, size - left); u++) {
        shares[(top + v) * size + left + u] = values[v * side + u];
      }
    }
    return shares;
  }

  private template({ shape, size }: Pick<Mode, 'size' | 'shape'>, { x, y, stretch, blur }: Pose): Template {
    const [right, down] = [x & 3, y & 3];
    const form = modeAttributes.shape.indexOf(shape) * modeAttributes.size.length + modeAttributes.size.indexOf(size);
    const key = ((form * 16 + 4 * down + right) * STRETCHES.length + stretch) * BLURS.length + blur;
    this.templates[key] ??= this.drawn({ shape, size }, { x: right / 4, y: down / 4, stretch, blur });
    return this.templates[key];
  }

  private drawn({ shape, size }: Pick<Mode, 'size' | 'shape'>, { x, y, stretch, blur }: Pose): Template {
    const extent = modeSizes[size] * STRETCHES[stretch] * this.size;
    const deviation = (BLURS[blur] * this.size) / 32;
    const half = Math.ceil(extent / 2 + 2.5 * deviation) + 1;
    const side = 2 * half + 1;
    const coverage = shapeCoverage(shape, { x: half + x, y: half + y, extent }, side);
    return { half, side, values: blurred(coverage, side, deviation) };
  }
}

function unit<Name extends string>(colours: Readonly<Record<Name, Rgb>>): ReadonlyMap<Name, Rgb> {
  const entries = Object.entries(colours) as [Name, Rgb][]; // of literals
  return new Map(entries.map(([name, [r, g, b]]) => [name, [r / 255, g / 255, b / 255]]));
}

function moved({ x, y, ...rest }: Pose, step: number, reach: number): Pose[] {
  const offsets = Array.from({ length: 2 * reach + 1 }, (_, i) => (i - reach) * step);
  return offsets.flatMap(dy => offsets.map(dx => ({ ...rest, x: x + dx, y: y + dy })));
}

/**
 * The colours of the background and of the object where it covers most: the middle one of every channel, so that a half
 * seen second object tints neither and remains.
 */
function colours(rgb: Float32Array, shares: Float32Array): { ground: Rgb; object: Rgb } {
  const most = shares.reduce((a, b) => Math.max(a, b), 0);
  const bare: number[] = [];
  const covered: number[] = [];
  for (let i = 0; i < shares.length; i++) {
    if (shares[i] < 0.01) bare.push(i);
    else if (shares[i] > 0.8 * most) covered.push(i);
  }
  const ground = perChannel(c => middleOf(bare.map(i => rgb[3 * i + c])));
  const unmixed = (i: number, c: number) => (rgb[3 * i + c] - (1 - shares[i]) * ground[c]) / shares[i];
  return { ground, object: perChannel(c => middleOf(covered.map(i => unmixed(i, c)))) };
}

function perChannel(value: (c: number) => number): Rgb {
  return [value(0), value(1), value(2)];
}

function middleOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/**
 * Means of the error over square windows, in which noise averages out and something that is there does not: the largest
 * length of all, and the root mean square of those in the object's bounding box. A window has 3 x 3 pixels of a picture
 * of 32 and grows with the picture, as what a pose is off by does.
 */
function regions(left: Float32Array, shares: Float32Array, size: number): { largest: number; inside: number } {
  const columns: number[] = [];
  const rows: number[] = [];
  for (let i = 0; i < shares.length; i++) {
    if (shares[i] < 0.02) continue;
    columns.push(i % size);
    rows.push(Math.floor(i / size));
  }
  const [west, east] = [Math.min(...columns), Math.max(...columns)];
  const [north, south] = [rows[0], rows[rows.length - 1]];
  const reach = Math.max(1, Math.round(size / 32));
  const side = 2 * reach + 1;
  let [largest, sum, count] = [0, 0, 0];
  for (let y = reach; y < size - reach; y++) {
    for (let x = reach; x < size - reach; x++) {
      let square = 0;
      for (let c = 0; c < 3; c++) {
        let mean = 0;
        for (let k = 0; k < side * side; k++) {
          const [v, u] = [y + Math.floor(k / side) - reach, x + (k % side) - reach];
          mean += left[3 * (v * size + u) + c] / (side * side);
        }
        square += mean * mean;
      }
      if (square > largest) largest = square;
      if (x < west || x > east || y < north || y > south) continue;
      sum += square;
      count++;
    }
  }
  return { largest: Math.sqrt(largest), inside: Math.sqrt(sum / Math.max(1, count)) };
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function distance(a: Rgb, b: Rgb): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}
