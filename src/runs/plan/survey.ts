/**
 * @file What captioned images are, from a bounded sample of them: how many, how large, drawings or photographs, how varied,
 * how long their captions are. Says nothing of what follows from it; that is choose.ts.
 */
import type { Dataset, Item } from '../../../data/dataset.ts';
import { decodeCrop } from '../../../data/decoded.ts';
import { divideItems } from '../../../data/division.ts';
import { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import type { ImagesConfig } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { median } from '../../core/numbers.ts';
import { hearSignal } from '../../core/stopping.ts';
import type { PictureKind } from '../../families/planning.ts';
import { readHeader } from '../../image/decode.ts';
import { type Picture, spreadPlaces } from '../../image/images.ts';

/** What a plan knows of the data. */
export interface Survey {
  /** Images on both sides of the split. */
  readonly pictures: number;
  /** Images of a published validation split; undefined where a share is chosen by a hash. */
  readonly published?: number;
  /** Median of the shorter sides, in pixels, and the longest side, of the sample. */
  readonly side: number;
  readonly longest: number;
  readonly kind: PictureKind;
  /** Whether most of the sample has a plain white ground, into which crops may reach. */
  readonly whiteGround: boolean;
  /** How far the sample's pictures are from their mean, in [0, 1]: 0 where all are the same. */
  readonly variety: number;
  readonly captions: {
    /** Different captions of the sample of captions, and how many that had. */
    readonly distinct: number;
    readonly sampled: number;
    /** The 99th percentile of their lengths, in bytes and in ids of a tokenizer trained on the sample. */
    readonly bytes: number;
    readonly ids: number;
  };
  /** Seconds that decoding one crop of one picture took, others beside it. */
  readonly decodeSeconds: number;
}

export interface SurveyOptions {
  readonly images: Pick<ImagesConfig, 'split'>;
  /** The tokenizer of captions that is there; left out: one is trained on the sample. */
  readonly tokenizer?: BpeTokenizer;
  /** Milliseconds. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/** A survey, and what of its sample a measurement can use. */
export interface Surveyed {
  readonly survey: Survey;
  /** The one that is there, or one that was trained on the sample's captions. */
  readonly tokenizer: BpeTokenizer;
  readonly captions: readonly string[];
}

/** Images that are decoded. */
const PICTURES = 64;
/** Their side, in pixels. */
const SIDE = 64;
/** Items whose captions are read, and the most bytes of these. */
const CAPTIONS = 4000;
const CAPTION_BYTES = 2 ** 18;
/** Entries of the tokenizer that lengths are estimated with. */
const VOCABULARY = 2048;

/**
 * Looks at a data set.
 * @param options.images which published splits are trained on
 * @throws UserError if no image of the sample can be decoded; the signal's reason once it is aborted
 */
export async function surveyData(dataset: Pick<Dataset, 'items'>, options: SurveyOptions): Promise<Surveyed> {
  const { images, now, signal } = options;
  const { training, heldOut, published } = divideItems(dataset.items, { split: images.split, validation: 0 });
  const items = [...training, ...heldOut];
  const looked = await look(sampleOf(items, PICTURES), now, signal);
  const captions = boundedCaptions(sampleOf(items, CAPTIONS));
  await hearSignal(signal);
  const pause = () => hearSignal(signal);
  const { tokenizer = await BpeTokenizer.trainPausing(captions, { vocabSize: VOCABULARY, pause }) } = options;
  const lengths = captions.map(caption => tokenizer.encodeCaption(caption, { length: LONGEST }).count);
  const survey = {
    pictures: items.length,
    ...(published ? { published: heldOut.length } : {}),
    ...describePictures(looked),
    captions: {
      distinct: new Set(captions).size,
      sampled: captions.length,
      bytes: percentile(captions.map(caption => Buffer.byteLength(caption))),
      ids: percentile(lengths),
    },
    decodeSeconds: looked.seconds / looked.pictures.length,
  };
  return { survey, tokenizer, captions };
}

/** Most ids of a caption that are counted: more than any model reads. */
const LONGEST = 4096;

function sampleOf(items: readonly Item[], count: number): Item[] {
  return spreadPlaces(items.length, count).map(i => items[i]);
}

/** All captions of some items, as many as fit the bytes, at least one. */
function boundedCaptions(items: readonly Item[]): string[] {
  let bytes = 0;
  const all = items.flatMap(({ captions }) => captions);
  const fits = (caption: string, i: number) => {
    bytes += Buffer.byteLength(caption);
    return i === 0 || bytes <= CAPTION_BYTES;
  };
  return spreadPlaces(all.length, CAPTIONS)
    .map(i => all[i])
    .filter(fits);
}

interface Looked {
  readonly pictures: readonly Picture[];
  readonly sides: readonly { readonly width: number; readonly height: number }[];
  /** That decoding them took. */
  readonly seconds: number;
}

async function look(items: readonly Item[], now: () => number, signal: AbortSignal | undefined): Promise<Looked> {
  const pictures: Picture[] = [];
  const sides: Looked['sides'][number][] = [];
  let milliseconds = 0;
  for (const item of items) {
    await hearSignal(signal);
    try {
      const bytes = await item.read();
      const { width, height } = await readHeader(bytes);
      const began = now();
      const picture = await decodeCrop(item.id, 0, bytes, { size: SIDE });
      milliseconds += now() - began;
      pictures.push(picture);
      sides.push({ width, height });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof UserError) throw error; // what cannot be decoded is named by the training
    }
  }
  if (pictures.length === 0) throw new UserError('data', `none of ${items.length} images can be decoded`);
  return { pictures, sides, seconds: milliseconds / 1000 };
}

/** Pixels of a drawing, like their neighbours; what gradients and noise leave of photographs is far below. */
const FLAT_SHARE = 0.4;

function describePictures({
  pictures,
  sides,
}: Looked): Pick<Survey, 'side' | 'longest' | 'kind' | 'whiteGround' | 'variety'> {
  return {
    side: Math.round(median(sides.map(({ width, height }) => Math.min(width, height)))),
    longest: Math.max(...sides.map(({ width, height }) => Math.max(width, height))),
    kind: median(pictures.map(flatShare)) >= FLAT_SHARE ? 'drawings' : 'photographs',
    whiteGround: median(pictures.map(whiteBorder)) >= 0.5,
    variety: varietyOf(pictures),
  };
}

/** Levels that a pixel may differ by from a neighbour that it is like: what lossy formats do to an even colour. */
const ALIKE = 2;

/** The share of pixels that are like their neighbours on the right and below. */
function flatShare({ width, height, data }: Picture): number {
  let flat = 0;
  const like = (a: number, b: number) =>
    Math.abs(data[a] - data[b]) <= ALIKE &&
    Math.abs(data[a + 1] - data[b + 1]) <= ALIKE &&
    Math.abs(data[a + 2] - data[b + 2]) <= ALIKE;
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const at = 3 * (y * width + x);
      if (like(at, at + 3) && like(at, at + 3 * width)) flat++;
    }
  }
  return flat / Math.max(1, (width - 1) * (height - 1));
}

/** The share of the outermost pixels that are white, or nearly. */
function whiteBorder({ width, height, data }: Picture): number {
  let white = 0;
  let border = 0;
  for (let y = 0; y < height; y++) {
    const step = y === 0 || y === height - 1 ? 1 : Math.max(1, width - 1);
    for (let x = 0; x < width; x += step) {
      const at = 3 * (y * width + x);
      border++;
      if (data[at] > 245 && data[at + 1] > 245 && data[at + 2] > 245) white++;
    }
  }
  return white / border;
}

/** The mean distance of pictures of one size from their mean picture, in [0, 1]. */
function varietyOf(pictures: readonly Picture[]): number {
  const { length } = pictures[0].data;
  const mean = new Float64Array(length);
  for (const { data } of pictures) for (let i = 0; i < length; i++) mean[i] += data[i] / pictures.length;
  let distance = 0;
  for (const { data } of pictures) for (let i = 0; i < length; i++) distance += Math.abs(data[i] - mean[i]);
  return distance / (length * pictures.length * 255);
}

/** The least value that 99 of a hundred are not above. */
function percentile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(0.99 * sorted.length) - 1];
}
