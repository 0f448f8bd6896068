/**
 * @file The pictures of an evaluation: real ones of both sides of the split, what the model paints, what its tokenizer
 * makes.
 */

import type { Item, Split } from '../../../data/dataset.ts';
import { decodeAll } from '../../../data/decoded.ts';
import { openDataset } from '../../../data/open.ts';
import { reconstructPictures } from '../../../tokenizer/codec.ts';
import type { RunConfig } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { counted } from '../../core/numbers.ts';
import { Random } from '../../core/random.ts';
import { hearSignal } from '../../core/stopping.ts';
import type { SamplingSetting } from '../../families/family.ts';
import type { Likelihood } from '../../families/painter.ts';
import type { Picture } from '../../image/images.ts';
import { NEAREST_SIDE, NearestImages } from '../../image/nearest.ts';
import type { Captioned, Evidence } from '../../metrics/define.ts';
import { divideAsTrained } from '../known-sides.ts';
import type { Painter } from '../open-painter.ts';
import { type Ranker, rank } from '../rerank.ts';
import { measuredItems, sideNames } from '../run-images.ts';
import type { Session } from '../session.ts';

/** Real pictures, with the first caption of each. */
export interface RealPictures {
  /** What all rows are compared with: training images. */
  readonly reference: Captioned;
  /** Every training image, small, to look for copies in. */
  readonly train: NearestImages | undefined;
  /** Sides of the data that are measured: their captions are painted. */
  readonly sides: readonly Split[];
  readonly measured: Captioned;
  /** The same images, if none was trained on: they stand in for samples in the floor. */
  readonly heldOut: Captioned | undefined;
  /** Why there are none, in words. */
  readonly whyNone: string | undefined;
}

/** Reads the real pictures. @throws UserError if there are none of the sides that are asked for */
export async function readReal(
  session: Session,
  request: {
    readonly run: string;
    readonly data: string;
    readonly format?: string;
    readonly config: RunConfig;
    /** Default: what is held out, or what was trained on where nothing is. */
    readonly split?: readonly Split[];
    readonly numImages: number;
    readonly reference: number;
    readonly seed: number;
    readonly nearest: boolean;
  },
): Promise<RealPictures> {
  const { data, format, config, seed } = request;
  const size = config.images.imageSize;
  const dataset = await openDataset(data, { format, check: false, signal: session.signal });
  const division = await divideAsTrained(session, dataset, { run: request.run, images: config.images });
  const { sides, items: chosen, whyNone, said } = measuredItems(division, { ...request, where: 'eval' });
  if (said !== undefined) session.reporter.message(said);
  const random = new Random(seed).fork('eval/items');
  const drawItems = (items: readonly Item[], count: number, label: string) =>
    count >= items.length
      ? items
      : Array.from(random.fork(label).permutation(items.length).subarray(0, count), i => items[i]);
  const read = async (title: string, items: readonly Item[], side: number) => {
    session.reporter.stage(title, { total: items.length, counts: 'image', unit: 'images' });
    const decoded = await decodeAll(items, {
      signal: session.signal,
      size: side,
      onProgress: step => session.reporter.update({ step, amount: step }),
    });
    if (decoded.items.length === 0)
      throw new UserError('eval', `${data}: none of ${items.length} images can be decoded`);
    session.reporter.done(counted(decoded.items.length, 'image'));
    return { images: decoded.images, captions: decoded.items.map(({ captions }) => captions[0]) };
  };
  const captioned = async (title: string, items: readonly Item[]): Promise<Captioned> => {
    const { images, captions } = await read(title, items, size);
    return { captions, pictures: images.pictures() };
  };
  const small = Math.min(NEAREST_SIDE, size);
  const { training } = division;
  const measured = await captioned(`${sideNames(sides)} images`, drawItems(chosen, request.numImages, 'held-out'));
  return {
    sides,
    measured,
    heldOut: whyNone === undefined ? measured : undefined,
    whyNone,
    reference: await captioned('training images', drawItems(training, request.reference, 'reference')),
    train: request.nearest ? new NearestImages((await read('all training images', training, small)).images) : undefined,
  };
}

export interface PaintedPictures {
  readonly count: number;
  readonly seed: number;
  /** In place of the run's. */
  readonly settings?: Readonly<Partial<Record<SamplingSetting, number>>>;
  /** Pictures that are painted for each one that is kept; default 1. */
  readonly bestOf?: number;
  /** Which one is kept; absent: the first. */
  readonly ranker?: Ranker;
}

/** Paints captions, again from the first one with new image numbers where there are fewer than pictures wanted. */
export async function paintCaptions(
  session: Session,
  painter: Painter,
  captions: readonly string[],
  { count, seed, settings, bestOf = 1, ranker }: PaintedPictures,
): Promise<Captioned> {
  const wanted = Array.from({ length: count }, (_, i) => captions[i % captions.length]);
  const all = wanted.flatMap(caption => new Array<string>(bestOf).fill(caption));
  session.reporter.stage('painting', { total: all.length, counts: 'image', unit: 'images' });
  const onProgress = (done: number) => session.reporter.update({ step: Math.floor(done), amount: done });
  const pictures = await painter.paint(all, { ...settings, seed, signal: session.signal, onProgress });
  session.reporter.done(counted(pictures.length, 'image'));
  const best: Picture[] = [];
  for (const [i, caption] of wanted.entries()) {
    const candidates = pictures.slice(i * bestOf, (i + 1) * bestOf);
    best.push(candidates[ranker === undefined ? 0 : rank(await ranker.score(caption, candidates))[0]]);
  }
  return { pictures: best, captions: wanted };
}

/** Pictures through the tokenizer of a model and back; undefined for a model that has none. */
export async function reconstructCaptioned(
  { tokenizer }: Painter,
  { pictures, captions }: Captioned,
): Promise<Captioned | undefined> {
  if (tokenizer === undefined) return undefined;
  return { pictures: await reconstructPictures(tokenizer, pictures), captions };
}

/** Groups of images that are resampled, at least where there are so many images; and most images of one. */
const GROUPS = 64;
const GROUP = 8;

/** Mean nats a code of groups of images; undefined for a model without a likelihood. */
export async function readLikelihood(
  session: Session,
  painter: Painter,
  { pictures, captions }: Captioned,
): Promise<Evidence['likelihood'] | undefined> {
  const { likelihood, imageSize } = painter;
  if (likelihood === undefined) return undefined;
  session.reporter.stage('likelihood', { total: pictures.length, counts: 'image', unit: 'images' });
  const nats = await natsOfGroups(session, likelihood, { pictures, captions });
  session.reporter.done();
  return { nats, codes: likelihood.codes, imageSize, images: pictures.length };
}

/**
 * The same images under the captions of others; undefined where all images have one caption.
 * @param own what `readLikelihood` gave of them
 */
export async function readCaptionLikelihood(
  session: Session,
  { likelihood }: Painter,
  { pictures, captions, own }: Captioned & { readonly own: Evidence['likelihood'] | undefined },
): Promise<Evidence['captionLikelihood'] | undefined> {
  const others = othersCaptions(captions);
  if (likelihood === undefined || own === undefined || others === undefined) return undefined;
  session.reporter.stage("others' captions", { total: pictures.length, counts: 'image', unit: 'images' });
  const ofOthers = await natsOfGroups(session, likelihood, { pictures, captions: others });
  session.reporter.done();
  return { own: own.nats, others: ofOthers, codes: likelihood.codes, images: pictures.length };
}

/** For each image the caption of another, half of all images further on, and further until it is another text. */
export function othersCaptions(captions: readonly string[]): string[] | undefined {
  if (new Set(captions).size < 2) return undefined;
  const half = Math.floor(captions.length / 2);
  return captions.map((own, i) => {
    let at = i + half;
    while (captions[at % captions.length] === own) at++;
    return captions[at % captions.length];
  });
}

async function natsOfGroups(
  session: Session,
  likelihood: Likelihood,
  { pictures, captions }: Captioned,
): Promise<number[]> {
  const nats: number[] = [];
  const groups = Math.max(Math.min(GROUPS, pictures.length), Math.ceil(pictures.length / GROUP));
  for (let group = 0; group < groups; group++) {
    const [first, end] = [group, group + 1].map(g => Math.floor((g * pictures.length) / groups)); // of nearly one size
    nats.push(await likelihood.measureNats(pictures.slice(first, end), captions.slice(first, end)));
    session.reporter.update({ step: end, amount: end });
    await hearSignal(session.signal);
  }
  return nats;
}
