/**
 * @file A look at a dataset before training on it: counts, picture sizes, caption lengths, duplicates, problems, and a contact
 * sheet of captioned thumbnails.
 */

import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { Random } from '../src/core/random.ts';
import { decodeImage, type Header, readHeader, withReason } from '../src/image/decode.ts';
import { blank, type Rgb } from '../src/image/images.ts';
import { LIMIT_PIXELS } from '../src/image/kind.ts';
import { encodePng } from '../src/image/png.ts';
import { type Cell, drawSheet } from '../src/image/sheet.ts';
import { decodingTurns } from '../src/image/turns.ts';
import { sheetText } from '../src/io/outputs.ts';
import { byId, type Dataset, type Item, type Problem, type Split } from './dataset.ts';
import { describeDivision, divideItems, itemsOn } from './division.ts';
import { mapBounded, whyFailed } from './files.ts';
import { problemLines } from './reasons.ts';

/** Smallest, middle and largest of some numbers, and their mean. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly mean: number;
  readonly max: number;
}

/** A picture that can be decoded, and what would be learned with it. */
export interface InspectedItem {
  readonly id: string;
  /** In pixels, turned as it is shown. */
  readonly width: number;
  readonly height: number;
  /** Of the encoded picture. */
  readonly bytes: number;
  readonly encoding: string;
  readonly captions: readonly string[];
  /** The side that it falls on: trained on, held out (validation), or left alone (test). */
  readonly split: Split;
  /** The split that the data itself gives it, where it gives one. */
  readonly published?: Split;
  readonly group?: string;
}

export interface Inspection {
  readonly root: string;
  readonly format: string;
  /** Those that can be decoded; all that follows is counted over them. */
  readonly images: number;
  /** Pictures of each encoding, e.g. `png: 3707`. */
  readonly encodings: Readonly<Record<string, number>>;
  readonly width: Spread;
  readonly height: Spread;
  readonly bytes: Spread;
  readonly captions: number;
  readonly captionsPerImage: Spread;
  readonly characters: Spread;
  readonly words: Spread;
  /** Different words in all captions. */
  readonly vocabulary: number;
  /** Ids of images that are equal to the byte, one list for each picture. */
  readonly duplicateImages: readonly (readonly string[])[];
  /** Captions that more than one image has, most frequent first. */
  readonly duplicateCaptions: readonly { readonly caption: string; readonly images: number }[];
  /** What is trained on, held out and left alone of all items, whichever are looked at. */
  readonly train: number;
  readonly validation: number;
  readonly test: number;
  /** How the items of published splits are divided, in a line; null where there is no such split. */
  readonly published: string | null;
  /** In the order of their ids. */
  readonly items: readonly InspectedItem[];
  readonly problems: readonly Problem[];
  /** Other files that lie there. */
  readonly unused: readonly Problem[];
  /** How the data was read where somebody might expect it otherwise. */
  readonly notices: readonly string[];
}

/** How a data set is looked at. */
interface InspectOptions {
  readonly validation?: number;
  readonly split?: readonly Split[];
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Decodes every image once, so that broken bodies are found and not only broken headers, and measures the dataset. A
 * dataset opened with `check: false` gives the same result sooner.
 * @param options.validation share held out by the hash, for the sizes of the sides
 * @param options.split sides that are looked at; default all
 */
export async function inspectDataset(dataset: Dataset, options: InspectOptions = {}): Promise<Inspection> {
  const { validation, split, onProgress, signal } = options;
  const division = divideItems(dataset.items, { validation });
  const chosen = split === undefined ? dataset.items : itemsOn(division, split);
  const sides = new Map(
    (['train', 'validation', 'test'] as const).flatMap(side => itemsOn(division, [side]).map(item => [item, side])),
  );
  const problems = [...dataset.problems];
  let done = 0;
  const measured = await mapBounded(chosen, 8, async item => {
    signal?.throwIfAborted();
    try {
      return { item, ...(await measure(await item.read())) };
    } catch (error) {
      problems.push({ id: item.id, what: whyFailed(error) });
      return undefined;
    } finally {
      onProgress?.(++done, chosen.length);
    }
  });
  problems.sort(byId);
  const good = measured.filter(each => each !== undefined);
  const items = good.map(({ item }) => item);
  const captions = items.flatMap(item => item.captions);
  const words = captions.map(caption => caption.split(/\s+/));
  const listed = good.map(({ item, hash: _, ...header }): InspectedItem => {
    const { id, captions: own, group, split: published } = item;
    const more = { ...(published !== undefined && { published }), ...(group !== undefined && { group }) };
    return { id, ...header, captions: own, split: sides.get(item) as Split, ...more }; // every item is on one
  });
  const bad = new Set(measured.flatMap((each, i) => (each === undefined ? chosen[i] : [])));
  const onSide = (side: Split) => itemsOn(division, [side]).filter(item => !bad.has(item)).length;
  return {
    root: dataset.root,
    format: dataset.format,
    images: good.length,
    encodings: countBy(good.map(({ encoding }) => encoding)),
    width: spread(good.map(({ width }) => width)),
    height: spread(good.map(({ height }) => height)),
    bytes: spread(good.map(({ bytes }) => bytes)),
    captions: captions.length,
    captionsPerImage: spread(items.map(item => item.captions.length)),
    characters: spread(captions.map(caption => [...caption].length)),
    words: spread(words.map(({ length }) => length)),
    vocabulary: new Set(words.flat().map(word => word.toLowerCase())).size,
    duplicateImages: repeated(good.map(({ item, hash }) => [hash, item.id] as const)).map(([, ids]) => ids),
    duplicateCaptions: repeated(
      items.flatMap(({ id, captions: own }) => own.map(caption => [caption.toLowerCase(), id] as const)),
    ).map(([caption, ids]) => ({ caption, images: ids.length })),
    train: onSide('train'),
    validation: onSide('validation'),
    test: onSide('test'),
    published: describeDivision(division) ?? null,
    items: listed.sort(byId),
    problems,
    unused: dataset.unused,
    notices: dataset.notices,
  };
}

/** Larger images are decoded through a tiny picture, which takes longer and holds less. */
const SMALL_PIXELS = 2 ** 20;

/** What there is to know of one encoded image, every pixel of which is decoded. */
async function measure(encoded: Uint8Array): Promise<Header & { readonly bytes: number; readonly hash: string }> {
  const header = await readHeader(encoded);
  const image = sharp(encoded, { limitInputPixels: LIMIT_PIXELS });
  const small = header.width * header.height <= SMALL_PIXELS;
  const pixels = (small ? image : image.resize(8, 8, { fit: 'fill' })).raw();
  await withReason(encoded, () => decodingTurns.run(header.pixelsHeld, () => pixels.toBuffer()));
  const hash = createHash('sha256').update(encoded).digest('base64');
  return { ...header, bytes: encoded.length, hash };
}

function spread(values: readonly number[]): Spread {
  if (values.length === 0) return { min: 0, median: 0, mean: 0, max: 0 };
  const sorted = values.toSorted((a, b) => a - b);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return { min: sorted[0], median: sorted[sorted.length >> 1], mean, max: sorted[sorted.length - 1] };
}

function countBy(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** Keys that come with more than one id, the most frequent first. */
function repeated(pairs: readonly (readonly [string, string])[]): [string, string[]][] {
  const ids = new Map<string, string[]>();
  for (const [key, id] of pairs) {
    const there = ids.get(key);
    if (there === undefined) ids.set(key, [id]);
    else there.push(id);
  }
  return [...ids].filter(([, { length }]) => length > 1).sort((a, b) => b[1].length - a[1].length);
}

/** The inspection as lines of text. */
export function formatInspection(i: Inspection): string[] {
  const numbers = ({ min, median, mean, max }: Spread): string =>
    `min ${round(min)}, median ${round(median)}, mean ${round(mean)}, max ${round(max)}`;
  const encodings = Object.entries(i.encodings).map(([name, count]) => `${count} ${name}`);
  return [
    `${i.root} (${i.format})`,
    `images        ${i.images} (${encodings.join(', ')})`,
    `split         ${i.train} train, ${i.validation} validation${i.test > 0 ? `, ${i.test} test` : ''}`,
    ...(i.published === null ? [] : [`              ${i.published}`]),
    ...i.notices.map(notice => `              ${notice}`),
    `width         ${numbers(i.width)} pixels`,
    `height        ${numbers(i.height)} pixels`,
    `file size     ${numbers(i.bytes)} bytes`,
    `captions      ${i.captions}, ${i.vocabulary} different words; an image: ${numbers(i.captionsPerImage)}`,
    `characters    ${numbers(i.characters)}`,
    `words         ${numbers(i.words)}`,
    `same image    ${i.duplicateImages.length === 0 ? 'none' : `${i.duplicateImages.length} pictures more than once, e.g. ${i.duplicateImages[0].slice(0, 3).join(' = ')}`}`,
    `same caption  ${i.duplicateCaptions.length === 0 ? 'none' : `${i.duplicateCaptions.length} captions on several images, e.g. "${i.duplicateCaptions[0].caption}" on ${i.duplicateCaptions[0].images}`}`,
    `skipped       ${i.problems.length === 0 ? 'none' : i.problems.length}`,
    ...problemLines(i.problems, 20),
    ...(i.unused.length === 0 ? [] : [`not used      ${i.unused.length} other files`, ...problemLines(i.unused, 20)]),
  ];
}

function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

/** Most lines of captions below a picture of the contact sheet. */
const CAPTION_LINES = 8;

/**
 * Thumbnails of items drawn from the dataset, with their captions below.
 * @returns a PNG; a bad image leaves a grey square with the reason
 */
export async function contactSheet(
  dataset: Dataset | readonly Item[],
  options: { columns?: number; rows?: number; cell?: number; seed?: number } = {},
): Promise<Uint8Array> {
  const { columns = 6, rows = 8, cell: size = 160, seed = 1 } = options;
  const items = 'items' in dataset ? dataset.items : dataset;
  const order = new Random(seed).fork('contact sheet').permutation(items.length);
  const shown = Array.from(order.subarray(0, columns * rows), i => items[i]);
  const cells = await mapBounded(shown, 8, async (item): Promise<Cell> => {
    try {
      return { picture: await decodeImage(await item.read(), { size }), label: item.captions };
    } catch (error) {
      return { picture: blank(size, size, GREY), label: whyFailed(error) };
    }
  });
  const sheet = await drawSheet(cells, { columns, labelLines: CAPTION_LINES });
  return await encodePng(sheet, { text: sheetText('items of a data set') });
}

const GREY: Rgb = [232, 232, 232];
