/**
 * @file Synthetic captioned scenes whose captions are exact: one object with size, colour, shape and place, or two objects and
 * how they lie to each other. Because the caption says everything, how well a model follows it can be measured
 * (src/metrics/judges/scene-judge.ts).
 * Some colour and shape pairs are held out: no training scene shows them, the validation split does.
 */

import sharp from 'sharp';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { type Drawn, type IndexLine, writeDrawings } from './drawn.ts';

export const sceneColours = {
  red: [222, 38, 38],
  orange: [245, 134, 20],
  yellow: [246, 210, 30],
  green: [38, 160, 62],
  cyan: [30, 190, 214],
  blue: [36, 76, 214],
  purple: [140, 52, 184],
  black: [24, 24, 24],
} as const satisfies Record<string, readonly [number, number, number]>;

export const sceneShapes = ['circle', 'square', 'triangle', 'diamond', 'star', 'cross', 'heart', 'ring'] as const;
export const sceneSizes = ['small', 'large'] as const;
export const sceneRelations = ['to the left of', 'to the right of', 'above', 'below'] as const;
/** Rows from the top, columns from the left. */
export const scenePlaces = [
  ['in the top left', 'at the top', 'in the top right'],
  ['on the left', 'in the center', 'on the right'],
  ['in the bottom left', 'at the bottom', 'in the bottom right'],
] as const;

export type SceneColour = keyof typeof sceneColours;
export type SceneShape = (typeof sceneShapes)[number];
export type SceneSize = (typeof sceneSizes)[number];
export type SceneRelation = (typeof sceneRelations)[number];
export type ScenePlace = (typeof scenePlaces)[number][number];

/** What a caption says of one object. */
export interface SceneWords {
  readonly size: SceneSize;
  readonly colour: SceneColour;
  readonly shape: SceneShape;
}

/** An object as drawn: centre and extent as fractions of the picture's side. */
export interface SceneObject extends SceneWords {
  readonly x: number;
  readonly y: number;
  /** The larger side of its bounding box. */
  readonly extent: number;
}

export interface Scene {
  readonly objects: readonly SceneObject[];
  readonly caption: string;
}

export interface ShapesOptions {
  readonly out: string;
  /** Scenes in all, held-out ones among them. */
  readonly count: number;
  readonly size?: number;
  readonly seed?: number;
  /** Fraction of the 64 colour and shape pairs that training never shows; as many of the scenes show one. */
  readonly holdOut?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ShapesResult extends Drawn {
  readonly out: string;
  readonly train: number;
  readonly heldOut: number;
  /** The pairs held out, e.g. `red circle`. */
  readonly pairs: readonly string[];
}

const COLOURS = Object.keys(sceneColours) as SceneColour[]; // keys of the literal above

/** As many as names of six digits tell apart. */
const MOST_SCENES = 1_000_000;

/**
 * Writes `count` scenes as PNG files with `metadata.jsonl`: `scenes/` without the held-out pairs (split by hash as usual), and
 * `held-out/` where every scene has one (split `validation`).
 * @throws UserError if a number is out of range, or the folder is not free to be drawn into
 */
export async function makeShapes(options: ShapesOptions): Promise<ShapesResult> {
  const { out, count, size = 64, seed = 1, holdOut = 0.1, onProgress } = options;
  if (!Number.isInteger(count) || count < 1 || count > MOST_SCENES)
    throw new UserError('count', `expected a whole number from 1 to ${MOST_SCENES}, got ${count}`);
  if (!Number.isInteger(size) || size < 16 || size > 1024)
    throw new UserError('size', `expected 16 to 1024 pixels, got ${size}`);
  if (!(holdOut >= 0 && holdOut <= 0.5)) throw new UserError('hold-out', `expected 0 to 0.5, got ${holdOut}`);
  const pairs = heldOutPairs(seed, holdOut);
  const heldOut = pairs.length === 0 ? 0 : Math.max(1, Math.round(count * holdOut));
  const result = { out, train: count - heldOut, heldOut, pairs };
  const isHeld = (i: number) => i >= count - heldOut;
  const nameOf = (i: number) =>
    `${isHeld(i) ? 'held-out' : 'scenes'}/${String(isHeld(i) ? i - (count - heldOut) : i).padStart(6, '0')}.png`;
  const drawn = await writeDrawings<IndexLine>(out, {
    kind: 'shapes',
    request: { format: 1, count, size, seed, holdOut, pairs },
    names: Array.from({ length: count }, (_, i) => nameOf(i)),
    draw: async i => {
      const scene = sceneFor(new Random(seed).fork(isHeld(i) ? 'held-out' : 'scene', i), pairs, isHeld(i));
      return {
        png: await drawScene(scene, size),
        caption: scene.caption,
        split: isHeld(i) ? 'validation' : undefined,
      };
    },
    index: lines => lines,
    onProgress,
  });
  return { ...result, ...drawn };
}

/**
 * Captions with a pair that training never showed, without making pictures.
 * @param options the seed and fraction the dataset was made with, and how many captions
 */
export function heldOutCaptions(options: { seed?: number; holdOut?: number; count: number }): string[] {
  const { seed = 1, holdOut = 0.1, count } = options;
  const pairs = heldOutPairs(seed, holdOut);
  if (pairs.length === 0) return [];
  const random = new Random(seed).fork('held-out captions');
  return Array.from({ length: count }, (_, i) => sceneFor(random.fork('caption', i), pairs, true).caption);
}

/** The held-out pairs. Every colour and every shape keeps at least half of its pairs in training. */
export function heldOutPairs(seed: number, fraction: number): string[] {
  const all = COLOURS.flatMap(colour => sceneShapes.map(shape => ({ colour, shape })));
  const wanted = Math.round(all.length * fraction);
  const taken = new Map<string, number>();
  const pairs: string[] = [];
  for (const i of new Random(seed).fork('hold out').permutation(all.length)) {
    const { colour, shape } = all[i];
    const [byColour, byShape] = [taken.get(colour) ?? 0, taken.get(shape) ?? 0];
    if (pairs.length === wanted || byColour >= 4 || byShape >= 4) continue;
    taken.set(colour, byColour + 1).set(shape, byShape + 1);
    pairs.push(`${colour} ${shape}`);
  }
  return pairs.sort();
}

/** Draws a scene. With `held`, at least one object is a held-out pair; without, none is. */
export function sceneFor(random: Random, pairs: readonly string[] = [], held = false): Scene {
  const draw = random.uniform() < 0.5 ? singleScene : doubleScene;
  for (;;) {
    const scene = draw(random);
    if (scene.objects.some(({ colour, shape }) => pairs.includes(`${colour} ${shape}`)) === held) return scene;
  }
}

function singleScene(random: Random): Scene {
  const words = wordsFor(random);
  const extent = extentFor(words.size, random);
  const [row, column] = [random.integer(3), random.integer(3)];
  const object = { ...words, extent, x: coordinate(column, extent, random), y: coordinate(row, extent, random) };
  return { objects: [object], caption: captionOf(words, scenePlaces[row][column]) };
}

function doubleScene(random: Random): Scene {
  const [first, second] = [wordsFor(random), wordsFor(random)];
  const relation = sceneRelations[random.integer(4)];
  const [a, b] = [extentFor(first.size, random), extentFor(second.size, random)];
  // Along the relation's axis the pair is placed with a gap; across it both wander about the middle.
  const room = 1 - 2 * MARGIN - a - b - GAP;
  const gap = GAP + (room * random.uniform()) / 2;
  const start = MARGIN + (1 - 2 * MARGIN - a - b - gap) * random.uniform();
  const firstComesFirst = relation === 'to the left of' || relation === 'above';
  const [low, high] = firstComesFirst ? [a, b] : [b, a];
  const along = [start + low / 2, start + low + gap + high / 2];
  const across = (): number => 0.5 + 0.14 * (random.uniform() - 0.5);
  const place = (at: number, extent: number): { x: number; y: number; extent: number } =>
    relation === 'above' || relation === 'below' ? { x: across(), y: at, extent } : { x: at, y: across(), extent };
  const objects = [
    { ...first, ...place(along[firstComesFirst ? 0 : 1], a) },
    { ...second, ...place(along[firstComesFirst ? 1 : 0], b) },
  ];
  return { objects, caption: pairCaptionOf(first, relation, second) };
}

/** Empty border, and the least gap between two objects, as fractions of the side. */
const MARGIN = 0.03;
const GAP = 0.08;

function wordsFor(random: Random): SceneWords {
  return {
    size: sceneSizes[random.integer(2)],
    colour: COLOURS[random.integer(COLOURS.length)],
    shape: sceneShapes[random.integer(sceneShapes.length)],
  };
}

function extentFor(size: SceneSize, random: Random): number {
  return (size === 'small' ? 0.22 : 0.39) + 0.04 * random.uniform();
}

/** A centre well inside the low, middle or high part of the side. */
function coordinate(part: number, extent: number, random: Random): number {
  if (part === 1) return 0.5 + 0.08 * (random.uniform() - 0.5);
  const low = MARGIN + extent / 2 + 0.05 * random.uniform();
  return part === 0 ? low : 1 - low;
}

function captionOf({ size, colour, shape }: SceneWords, place: ScenePlace): string {
  return `a ${size} ${colour} ${shape} ${place}`;
}

function pairCaptionOf(first: SceneWords, relation: SceneRelation, second: SceneWords): string {
  return `a ${first.size} ${first.colour} ${first.shape} ${relation} a ${second.size} ${second.colour} ${second.shape}`;
}

/** A scene as a PNG on white, smooth edges. @param size side in pixels */
export async function drawScene(scene: Scene, size: number): Promise<Uint8Array> {
  return await sharp(Buffer.from(sceneSvg(scene, size)))
    .flatten({ background: 'white' })
    .removeAlpha()
    .png({ compressionLevel: 3 })
    .toBuffer();
}

function sceneSvg({ objects }: Scene, size: number): string {
  const drawn = objects.map(({ shape, colour, x, y, extent }) => {
    const place = `transform="translate(${x.toFixed(4)} ${y.toFixed(4)}) scale(${extent.toFixed(4)})"`;
    return `<path ${place} fill="rgb(${sceneColours[colour].join(',')})" fill-rule="evenodd" d="${PATHS[shape]}"/>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 1 1">${drawn.join('')}</svg>`;
}

const disc = (r: number): string => `M${-r} 0A${r} ${r} 0 1 0 ${r} 0A${r} ${r} 0 1 0 ${-r} 0Z`;

/** Corners of a five-pointed star whose larger bounding side is 1, centred on its box. */
function star(): string {
  const outer = 1 / (2 * Math.sin((2 * Math.PI) / 5));
  const shift = (outer * (1 - Math.cos(Math.PI / 5))) / 2;
  const corners = Array.from({ length: 10 }, (_, i) => {
    const radius = i % 2 === 0 ? outer : outer * 0.42;
    const angle = (Math.PI * i) / 5;
    return `${(radius * Math.sin(angle)).toFixed(4)} ${(shift - radius * Math.cos(angle)).toFixed(4)}`;
  });
  return `M${corners.join('L')}Z`;
}

/** Outlines in a box of side 1 about the origin. */
const PATHS: Readonly<Record<SceneShape, string>> = {
  circle: disc(0.5),
  square: 'M-.46 -.46H.46V.46H-.46Z',
  triangle: 'M0 -.45L.5 .45H-.5Z',
  diamond: 'M0 -.5L.5 0L0 .5L-.5 0Z',
  star: star(),
  cross: 'M-.16 -.5H.16V-.16H.5V.16H.16V.5H-.16V.16H-.5V-.16H-.16Z',
  heart:
    'M0 .47C-.2 .3 -.5 .1 -.5 -.17C-.5 -.34 -.38 -.45 -.25 -.45C-.14 -.45 -.05 -.38 0 -.28C.05 -.38 .14 -.45 .25 -.45C.38 -.45 .5 -.34 .5 -.17C.5 .1 .2 .3 0 .47Z',
  ring: `${disc(0.5)}${disc(0.27)}`,
};
