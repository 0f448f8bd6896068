/**
 * @file What a study is made of before anything is painted: captions that no run has seen, the data's own pictures of them, and
 * a few more for control trials.
 */
import type { Item, Split } from '../../data/dataset.ts';
import { decodeAll } from '../../data/decoded.ts';
import { openDataset } from '../../data/open.ts';
import { UserError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import type { Picture } from '../image/images.ts';
import type { ComparedRun } from '../runs/comparison/paint-runs.ts';
import { divideAsTrained } from '../runs/known-sides.ts';
import { measuredItems, sideNames } from '../runs/run-images.ts';
import type { Session } from '../runs/session.ts';

/** Captions where nothing is said, as far as there are so many. */
const CAPTIONS = 40;
/** Pictures of control trials and warm-ups: as many as a session of 60 trials has of both, and some. */
const CONTROLS = 12;

/** A picture of which it is known that it is real. */
export interface RealPicture {
  readonly caption: string;
  readonly picture: Picture;
}

export interface Material {
  readonly captions: readonly string[];
  /** The data's picture of each caption; undefined where the captions are not of a data set. */
  readonly real: readonly Picture[] | undefined;
  /** Others, for trials whose answer is known. */
  readonly controls: readonly RealPicture[];
  /** Whether no run was trained on them; null where that is not known. */
  readonly heldOut: boolean | null;
}

export interface MaterialRequest {
  readonly data?: string;
  readonly format?: string;
  readonly split?: readonly Split[];
  /** In place of the data's. */
  readonly texts?: readonly string[];
  /** How many captions; default 40, or as many as there are. */
  readonly captions?: number;
  readonly seed: number;
}

/** Takes the captions that were given, or draws some of the data. @throws UserError if there are too few */
export async function gatherMaterial(
  session: Session,
  request: MaterialRequest,
  run: Pick<ComparedRun, 'folder' | 'config'>,
): Promise<Material> {
  const { data, texts, captions, seed } = request;
  if (texts !== undefined) {
    const count = captions ?? texts.length;
    if (texts.length < count) throw tooFew(count, texts.length, 'in the file');
    return { captions: texts.slice(0, count), real: undefined, controls: [], heldOut: null };
  }
  if (data === undefined) {
    throw new UserError(
      'study make',
      'expected --data or --text-file, got neither',
      'captions are taken of one of them',
    );
  }
  const { items, heldOut, sides } = await itemsOf(session, { ...request, data }, run);
  const order = new Random(seed).fork('study/captions').permutation(items.length);
  const distinct = [...new Map(Array.from(order, i => [items[i].captions[0], items[i]] as const)).values()];
  const count = captions ?? Math.min(CAPTIONS, distinct.length);
  session.reporter.stage(`${sideNames(sides)} images`, { unit: 'images' });
  const {
    images,
    items: decoded,
    problems,
  } = await decodeAll(distinct.slice(0, count + CONTROLS), {
    size: run.config.images.imageSize,
    signal: session.signal,
    onProgress: (step, total) => session.reporter.update({ step, total, amount: step }),
  });
  session.reporter.done(`${decoded.length} images`);
  for (const { id, what } of problems) session.reporter.message(`${id}: ${what}`, { isWarning: true });
  if (captions !== undefined && decoded.length < captions)
    throw tooFew(captions, decoded.length, `among the ${sideNames(sides)} images`);
  const pictures = decoded.map(({ captions: [caption] }, i) => ({ caption, picture: images.at(i) }));
  const shown = pictures.slice(0, count);
  // Where all were asked for, control trials show pictures of the study's own captions.
  const others = pictures.slice(count);
  return {
    captions: shown.map(({ caption }) => caption),
    real: shown.map(({ picture }) => picture),
    controls: others.length >= 2 ? others : shown.slice(0, CONTROLS),
    heldOut,
  };
}

/** The items that captions are drawn of: held-out ones, if there are any. */
async function itemsOf(
  session: Session,
  { data, format, split }: MaterialRequest & { readonly data: string },
  { folder, config }: Pick<ComparedRun, 'folder' | 'config'>,
): Promise<{ readonly items: readonly Item[]; readonly heldOut: boolean; readonly sides: readonly Split[] }> {
  const dataset = await openDataset(data, { format, check: false, signal: session.signal });
  const division = await divideAsTrained(session, dataset, { run: folder, images: config.images });
  const { items, sides, whyNone } = measuredItems(division, { split, config, where: 'study make' });
  if (whyNone !== undefined) {
    session.reporter.message(
      `warning: ${whyNone}: people will judge captions that were learnt, and the report says so`,
      { isWarning: true },
    );
  }
  return { items, heldOut: whyNone === undefined, sides };
}

function tooFew(wanted: number, got: number, where: string): UserError {
  return new UserError(
    'study make: --captions',
    `expected ${wanted} different captions ${where}, got ${got}`,
    `--captions ${got} takes all`,
  );
}

/** For each caption the place of the one that has fewest words in common with it; its own where there is no other. */
export function leastAlike(captions: readonly string[]): number[] {
  const words = captions.map(caption => new Set(caption.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []));
  return captions.map((_, i) => {
    const shared = words.map((set, j) =>
      i === j ? Number.POSITIVE_INFINITY : [...set].filter(word => words[i].has(word)).length,
    );
    // From the next on, so that not all have the same.
    const places = captions.map((_, k) => (i + 1 + k) % captions.length);
    return places.reduce(
      (best, place) => (shared[place] < shared[best] ? place : best),
      captions.length > 1 ? places[0] : i,
    );
  });
}
