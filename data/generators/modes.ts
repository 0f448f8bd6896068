/**
 * @file A thousand captioned scenes that can be counted: one object of 5 shapes, 5 colours, 2 sizes and 5 places on 4
 * backgrounds. Every scene has one canonical caption and a small cluster of pictures about it (jitter of place, extent and
 * colours), so that a model's samples can be read back exactly (src/metrics/judges/mode-judge.ts) and it can be said which
 * scenes it never paints. In the way of Stacked MNIST (Srivastava et al. 2017, VEEGAN, arXiv:1705.07761), without a learned judge.
 */

import sharp from 'sharp';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { type Drawn, type IndexLine, writeDrawings } from './drawn.ts';
import { shapeCoverage } from './shape-coverage.ts';
import type { SceneShape } from './shapes.ts';

/** Those that differ most when they are ten pixels wide. */
export const modeShapes = ['circle', 'square', 'triangle', 'cross', 'ring'] as const satisfies readonly SceneShape[];

type Colours = Readonly<Record<string, readonly [number, number, number]>>;

/** Far from each other, from the backgrounds, and from every mixture of two: a blend of two scenes shows no third. */
export const modeColours = {
  red: [230, 30, 40],
  yellow: [250, 210, 30],
  green: [30, 150, 50],
  cyan: [40, 210, 220],
  blue: [30, 50, 200],
} as const satisfies Colours;

export const modeBackgrounds = {
  white: [245, 245, 245],
  black: [20, 20, 20],
  pink: [250, 80, 185],
  purple: [150, 15, 245],
} as const satisfies Colours;

/** Centres as fractions of the side. A large object reaches almost to the border, and past the middle. */
export const modePlaces = {
  'in the top left': [0.28, 0.28],
  'in the top right': [0.72, 0.28],
  'in the center': [0.5, 0.5],
  'in the bottom left': [0.28, 0.72],
  'in the bottom right': [0.72, 0.72],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** The larger side of the bounding box, as fractions of the picture's side. */
export const modeSizes = { small: 0.3, large: 0.5 } as const satisfies Readonly<Record<string, number>>;

/** What a caption says, in its order. */
export interface Mode {
  readonly size: keyof typeof modeSizes;
  readonly colour: keyof typeof modeColours;
  readonly shape: (typeof modeShapes)[number];
  readonly place: keyof typeof modePlaces;
  readonly background: keyof typeof modeBackgrounds;
}

/** Values of each attribute; the number of a mode counts them up, the last attribute fastest. */
export const modeAttributes: { readonly [Name in keyof Mode]: readonly Mode[Name][] } = {
  size: keysOf(modeSizes),
  colour: keysOf(modeColours),
  shape: modeShapes,
  place: keysOf(modePlaces),
  background: keysOf(modeBackgrounds),
};

/** All of them, by number. */
export const modes: readonly Mode[] = modeAttributes.size.flatMap(size =>
  modeAttributes.colour.flatMap(colour =>
    modeAttributes.shape.flatMap(shape =>
      modeAttributes.place.flatMap(place =>
        modeAttributes.background.map(background => ({ size, colour, shape, place, background })),
      ),
    ),
  ),
);

const captions = modes.map(
  ({ size, colour, shape, place, background }) => `a ${size} ${colour} ${shape} ${place} on ${background}`,
);
const numbers = new Map(captions.map((caption, mode) => [caption, mode]));

/** The number of a mode. */
export function modeNumber(mode: Mode): number {
  const names = Object.keys(modeAttributes) as (keyof Mode)[]; // of the literal above
  return names.reduce((number, name) => {
    const values: readonly string[] = modeAttributes[name];
    return number * values.length + values.indexOf(mode[name]);
  }, 0);
}

/** The canonical caption of a mode. @param mode its number */
export function captionOf(mode: number): string {
  return captions[mode];
}

/** The number of the mode that a caption names, or undefined. */
export function modeOf(caption: string): number | undefined {
  return numbers.get(caption.trim().toLowerCase());
}

/**
 * Draws a mode.
 * @param random draws the jitter; without it the mode's middle is drawn
 * @returns [size, size, 3]
 */
export function drawMode(mode: number, size: number, random?: Random): Uint8Array {
  const { shape, colour, background, ...at } = modes[mode];
  const jitter = (most: number): number => (random === undefined ? 0 : most * (2 * random.uniform() - 1));
  const [x, y] = modePlaces[at.place].map(v => (v + jitter(PLACE_JITTER)) * size);
  const extent = modeSizes[at.size] * (1 + jitter(EXTENT_JITTER)) * size;
  const object = modeColours[colour].map(v => v + jitter(COLOUR_JITTER));
  const ground = modeBackgrounds[background].map(v => v + jitter(COLOUR_JITTER));
  const coverage = shapeCoverage(shape, { x, y, extent }, size);
  return Uint8Array.from({ length: 3 * coverage.length }, (_, i) => {
    const share = coverage[Math.floor(i / 3)];
    return Math.round(share * object[i % 3] + (1 - share) * ground[i % 3]);
  });
}

/** Most that a centre (of the side), an extent (of itself) and a channel (of 255) move. */
const PLACE_JITTER = 0.02;
const EXTENT_JITTER = 0.04;
const COLOUR_JITTER = 5;

export interface ModesOptions {
  readonly out: string;
  /** Pictures of every mode, held-out ones among them. */
  readonly perMode: number;
  readonly size?: number;
  readonly seed?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ModesResult extends Drawn {
  readonly train: number;
  readonly heldOut: number;
}

/** Share of every mode's pictures in the validation split; at least one of two. */
const HELD_OUT = 0.1;

/**
 * Writes `perMode` pictures of every mode as PNG files with `metadata.jsonl`. No mode is held out: of each the last tenth of
 * its pictures is (split `validation`).
 * @throws UserError if a number is out of range, or the folder is not free to be drawn into
 */
export async function makeModes(options: ModesOptions): Promise<ModesResult> {
  const { out, perMode, size = 32, seed = 1, onProgress } = options;
  if (!Number.isInteger(perMode) || perMode < 1)
    throw new UserError('per-mode', `expected a whole number from 1, got ${perMode}`);
  if (!Number.isInteger(size) || size < 16 || size > 256)
    throw new UserError('size', `expected 16 to 256 pixels, got ${size}`);
  const held = perMode === 1 ? 0 : Math.max(1, Math.round(perMode * HELD_OUT));
  const count = modes.length * perMode;
  const placeOf = (i: number) => [Math.floor(i / perMode), i % perMode] as const;
  const nameOf = (i: number) =>
    `images/${placeOf(i)
      .map(number => String(number).padStart(3, '0'))
      .join('-')}.png`;
  const draw = async (i: number): Promise<{ readonly png: Uint8Array } & IndexLine> => {
    const [mode, version] = placeOf(i);
    const pixels = drawMode(mode, size, new Random(seed).fork(`mode/${mode}`, version));
    return {
      png: await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
        .png({ compressionLevel: 3 })
        .toBuffer(),
      caption: captionOf(mode),
      split: version < perMode - held ? 'train' : 'validation',
    };
  };
  const drawn = await writeDrawings<IndexLine>(out, {
    kind: 'modes',
    request: { format: 1, modes: modes.length, perMode, size, seed },
    names: Array.from({ length: count }, (_, i) => nameOf(i)),
    draw,
    index: lines => lines,
    onProgress,
  });
  return { train: modes.length * (perMode - held), heldOut: modes.length * held, ...drawn };
}

function keysOf<T extends object>(values: T): readonly (keyof T)[] {
  return Object.keys(values) as (keyof T)[]; // of literals, which have no other keys
}
