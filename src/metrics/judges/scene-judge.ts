/**
 * @file Reads a picture of shapes back and compares it with its caption, without knowing the scene: what is not
 * background is split into blobs, each blob's colour is the nearest of the palette, and its shape the one whose
 * coverage fits best after matching mass and centre, which blur changes little. Serves to measure how well a model
 * follows captions.
 */

import {
  type SceneColour,
  type ScenePlace,
  type SceneRelation,
  type SceneShape,
  type SceneSize,
  type SceneWords,
  sceneColours,
  scenePlaces,
  sceneRelations,
  sceneShapes,
  sceneSizes,
} from '../../../data/generators/shapes.ts';
import { ShapeFitter } from './shape-fit.ts';

export interface SceneAttribute {
  /** E.g. `first colour`, `relation`, `objects`. */
  readonly name: string;
  readonly wanted: string;
  readonly seen: string;
  readonly right: boolean;
}

export interface SceneCheck {
  readonly right: number;
  readonly total: number;
  readonly attributes: readonly SceneAttribute[];
}

/** An object found in a picture; places are fractions of the side. */
export interface SeenObject extends SceneWords {
  readonly x: number;
  readonly y: number;
  readonly extent: number;
}

interface Wish {
  readonly objects: readonly SceneWords[];
  readonly place?: ScenePlace;
  readonly relation?: SceneRelation;
}

/** Whether a caption is one that `makeShapes` writes, which pictures can be checked against. */
export function isSceneCaption(caption: string): boolean {
  return parseCaption(caption) !== undefined;
}

/** Judges pictures of scenes. */
export class SceneJudge {
  private readonly fitter = new ShapeFitter();

  /**
   * How much of a caption a picture shows. One object has 5 attributes (objects, size, colour, shape, place), two have
   * 8 (objects, three each, relation). Two objects are matched in the order that gets more right.
   * @param pixels [size, size, 3], bytes in [0, 255] or floats in [0, 1]; @param caption as `makeShapes` writes them
   * @throws Error if the caption is not of that form
   */
  check(pixels: Uint8Array | Float32Array, size: number, caption: string): SceneCheck {
    const wish = parseCaption(caption);
    if (wish === undefined) throw new Error(`check: not a caption of a scene: ${caption}`);
    const seen = seeScene(pixels, size, this.fitter);
    const count = {
      name: 'objects',
      wanted: String(wish.objects.length),
      seen: String(seen.length),
      right: seen.length === wish.objects.length,
    };
    const orders = wish.objects.length === 1 ? seen.map(object => [object]) : pairsOf(seen);
    if (orders.length === 0) orders.push(seen.slice(0, 1));
    const checks = orders.map(order => summary([count, ...compare(wish, order)]));
    return checks.reduce((best, check) => (check.right > best.right ? check : best));
  }
}

function summary(attributes: readonly SceneAttribute[]): SceneCheck {
  return { right: attributes.filter(({ right }) => right).length, total: attributes.length, attributes };
}

function pairsOf(seen: readonly SeenObject[]): (SeenObject | undefined)[][] {
  if (seen.length === 1)
    return [
      [seen[0], undefined],
      [undefined, seen[0]],
    ];
  return seen.flatMap((a, i) => seen.flatMap((b, j) => (i === j ? [] : [[a, b]])));
}

function compare({ objects, place, relation }: Wish, seen: readonly (SeenObject | undefined)[]): SceneAttribute[] {
  const attribute = (name: string, wanted: string, found: string | undefined): SceneAttribute => ({
    name,
    wanted,
    seen: found ?? 'nothing',
    right: wanted === found,
  });
  const attributes = objects.flatMap((words, i) => {
    const prefix = objects.length === 1 ? '' : i === 0 ? 'first ' : 'second ';
    return (['size', 'colour', 'shape'] as const).map(key => attribute(prefix + key, words[key], seen[i]?.[key]));
  });
  if (place !== undefined) attributes.push(attribute('place', place, seen[0] && placeOf(seen[0])));
  if (relation !== undefined)
    attributes.push(attribute('relation', relation, seen[0] && seen[1] && relationOf(seen[0], seen[1])));
  return attributes;
}

const WORDS = `a (${sceneSizes.join('|')}) (${Object.keys(sceneColours).join('|')}) (${sceneShapes.join('|')})`;
const SINGLE = new RegExp(`^${WORDS} (${scenePlaces.flat().join('|')})$`);
const DOUBLE = new RegExp(`^${WORDS} (${sceneRelations.join('|')}) ${WORDS}$`);

function parseCaption(caption: string): Wish | undefined {
  // The expressions admit only the words of the unions.
  const words = ([size, colour, shape]: string[]): SceneWords => ({
    size: size as SceneSize,
    colour: colour as SceneColour,
    shape: shape as SceneShape,
  });
  const text = caption.trim().toLowerCase();
  const single = SINGLE.exec(text);
  if (single !== null) return { objects: [words(single.slice(1, 4))], place: single[4] as ScenePlace };
  const double = DOUBLE.exec(text);
  if (double === null) return undefined;
  return { objects: [words(double.slice(1, 4)), words(double.slice(5, 8))], relation: double[4] as SceneRelation };
}

function placeOf({ x, y }: SeenObject): ScenePlace {
  const part = (v: number): number => (v < 0.375 ? 0 : v > 0.625 ? 2 : 1);
  return scenePlaces[part(y)][part(x)];
}

function relationOf(a: SeenObject, b: SeenObject): SceneRelation {
  const [dx, dy] = [a.x - b.x, a.y - b.y];
  if (Math.abs(dx) > Math.abs(dy)) return dx < 0 ? 'to the left of' : 'to the right of';
  return dy < 0 ? 'above' : 'below';
}

/** A set of pixels that hang together. */
interface Blob {
  readonly pixels: readonly number[];
  readonly colour: SceneColour;
}

/** Smallest share of the picture that counts as an object; the smallest drawn is three times that. */
const LEAST_AREA = 0.008;

/** All objects in a picture, largest first. @param pixels [size, size, 3] as in `check` */
function seeScene(pixels: Uint8Array | Float32Array, size: number, fitter: ShapeFitter): SeenObject[] {
  const rgb = pixels instanceof Uint8Array ? Float32Array.from(pixels, v => v / 255) : pixels;
  const ground = backgroundOf(rgb, size);
  // Distance from the background, of which half marks an edge.
  const far = new Float32Array(size * size);
  for (let i = 0; i < far.length; i++)
    far[i] = Math.hypot(rgb[3 * i] - ground[0], rgb[3 * i + 1] - ground[1], rgb[3 * i + 2] - ground[2]);
  const inside = Uint8Array.from(far, d => (d > 0.35 ? 1 : 0));
  return blobsOf(inside, size)
    .flatMap(blob => byColour(blob, rgb, far, size))
    .filter(({ pixels: { length } }) => length >= LEAST_AREA * size * size)
    .sort((a, b) => b.pixels.length - a.pixels.length)
    .map(blob => look(blob, { rgb, ground, size, fitter }));
}

/** The middle value of the border's pixels in each channel. */
function backgroundOf(rgb: Float32Array, size: number): number[] {
  const border: number[] = [];
  for (let i = 0; i < size; i++) border.push(i, (size - 1) * size + i, i * size, i * size + size - 1);
  return [0, 1, 2].map(c => border.map(i => rgb[3 * i + c]).sort((a, b) => a - b)[border.length >> 1]);
}

/** Connected sets of marked pixels (eight neighbours). */
function blobsOf(marked: Uint8Array, size: number): number[][] {
  const left = marked.slice();
  const blobs: number[][] = [];
  for (let start = 0; start < left.length; start++) {
    if (left[start] === 0) continue;
    left[start] = 0;
    const blob = [start];
    for (let k = 0; k < blob.length; k++) {
      for (const next of neighbours(blob[k], size)) {
        if (left[next] === 0) continue;
        left[next] = 0;
        blob.push(next);
      }
    }
    blobs.push(blob);
  }
  return blobs;
}

function neighbours(i: number, size: number): number[] {
  const [x, y] = [i % size, Math.floor(i / size)];
  const around: number[] = [];
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) {
      const [u, v] = [x + dx, y + dy];
      if ((dx !== 0 || dy !== 0) && u >= 0 && v >= 0 && u < size && v < size) around.push(v * size + u);
    }
  }
  return around;
}

/**
 * A blob's colour by the votes of its pixels, edges counting little (an edge of blue is nearest to cyan). Two colours
 * with a fair share each are two objects that touch.
 */
function byColour(blob: readonly number[], rgb: Float32Array, far: Float32Array, size: number): Blob[] {
  const inBlob = new Set(blob);
  const votes = new Map<SceneColour, number>();
  const nearest = new Map<number, SceneColour>();
  const depths = new Map<number, number>();
  let total = 0;
  for (const i of blob) {
    // How deep in the blob: the share of neighbours inside, which noise hardly moves.
    const depth = (neighbours(i, size).filter(j => inBlob.has(j)).length / 8) ** 4 * far[i];
    const colour = nearestColour(rgb, i);
    nearest.set(i, colour);
    depths.set(i, depth);
    votes.set(colour, (votes.get(colour) ?? 0) + depth);
    total += depth;
  }
  const ranked = [...votes].sort((a, b) => b[1] - a[1]);
  const strong = ranked.filter(([, share]) => share > 0.25 * total).map(([colour]) => colour);
  if (strong.length < 2) return [{ pixels: blob, colour: ranked[0][0] }];
  return strong.flatMap(colour => {
    const marked = new Uint8Array(size * size);
    for (const i of blob) if (nearest.get(i) === colour) marked[i] = 1;
    // A piece that is all edge is a fringe of the other colour, not an object.
    const deep = (pixels: number[]): boolean => pixels.reduce((sum, i) => sum + (depths.get(i) ?? 0), 0) > 0.1 * total;
    return blobsOf(marked, size)
      .filter(deep)
      .map(pixels => ({ pixels, colour }));
  });
}

const PALETTE = Object.entries(sceneColours) as [SceneColour, readonly [number, number, number]][]; // keys of the literal

function nearestColour(rgb: Float32Array, i: number): SceneColour {
  let best = PALETTE[0][0];
  let least = Number.POSITIVE_INFINITY;
  for (const [name, [r, g, b]] of PALETTE) {
    const distance = (rgb[3 * i] - r / 255) ** 2 + (rgb[3 * i + 1] - g / 255) ** 2 + (rgb[3 * i + 2] - b / 255) ** 2;
    if (distance < least) [best, least] = [name, distance];
  }
  return best;
}

/** Largest extent called small, halfway between the sizes drawn. */
const SMALL_UP_TO = 0.325;

/**
 * Shape, size and place of a blob from its coverage: how far each pixel has gone from the background to the blob's
 * colour.
 */
function look(
  { pixels, colour }: Blob,
  {
    rgb,
    ground,
    size,
    fitter,
  }: {
    readonly rgb: Float32Array;
    readonly ground: readonly number[];
    readonly size: number;
    readonly fitter: ShapeFitter;
  },
): SeenObject {
  const full = sceneColours[colour].map((v, c) => v / 255 - ground[c]);
  const norm = full.reduce((sum, v) => sum + v * v, 0);
  const area = new Set(pixels);
  // One more ring of pixels: edges that are mostly background.
  for (const i of pixels) for (const j of neighbours(i, size)) area.add(j);
  const xs = pixels.map(i => i % size);
  const ys = pixels.map(i => Math.floor(i / size));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const longest = Math.max(Math.max(...xs) - left, Math.max(...ys) - top) + 1;
  // A window with room for the shapes that do not fit as well as the right one.
  const border = Math.ceil(longest / 4) + 2;
  const side = longest + 2 * border;
  const coverage = new Float32Array(side * side);
  for (const i of area) {
    const along = full.reduce((sum, v, c) => sum + v * (rgb[3 * i + c] - ground[c]), 0) / norm;
    const [u, v] = [(i % size) - left + border, Math.floor(i / size) - top + border];
    coverage[v * side + u] = Math.min(1, Math.max(0, along));
  }
  const { shape, ...fit } = fitter.fit(coverage, side);
  const extent = (fit.extent * side) / size;
  const x = (fit.x * side + left - border) / size;
  const y = (fit.y * side + top - border) / size;
  return { shape, colour, size: extent <= SMALL_UP_TO ? 'small' : 'large', x, y, extent };
}
