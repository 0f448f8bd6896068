/**
 * @file What all families have in common once they are trained: captions in, pictures out. Commands that do not care how
 * a picture comes about (evaluation, comparison, the grids of training) hold a `Painter`.
 */
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import type { RunConfig } from '../config/run.ts';
import {
  booleanCheck,
  type Check,
  checkOptions,
  checkValue,
  functionCheck,
  listCheck,
  objectCheck,
  pictureCheck,
  signalCheck,
  textCheck,
  wholeCheck,
} from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import type { Picture } from '../image/images.ts';
import { samplingChecks } from './checks.ts';
import type { CallOptions, Completion, Order } from './queue.ts';
import type { CodePainter } from './transformer/codepainter.ts';

/** How captions are painted. Settings that are left out, or that the family does not have, are the run's own. */
export interface PainterOptions extends CallOptions {
  /** From 0 to 2^32 - 1; default 0. */
  readonly seed?: number;
  /** Number of the first image of every caption: the seed's images of a caption are numbered. Default 0. */
  readonly firstImage?: number;
  /** Every image's number, [captions]. Default: from `firstImage` on, one more each time a caption comes again. */
  readonly numbers?: readonly number[];
}

/** A trained model of any family. */
export interface Painter {
  readonly run: string;
  readonly config: RunConfig;
  /** The registered name. */
  readonly family: string;
  readonly imageSize: number;
  /** The training step of its weights. */
  readonly step: number;
  /** Numbers that painting needs. */
  readonly parameters: number;
  /** Passes through the network that one image takes. */
  readonly passes: number;
  /** How it paints by default, in words. */
  readonly settings: string;
  /** How many ids of a caption are read, if it has more; undefined if all are. */
  cutAt(caption: string): number | undefined;
  /**
   * Paints one picture of each caption, in their order; '' is no caption. Image i of a seed is the same beside any others.
   * Calls may overlap: those that wait at the same time, with the same settings, are painted in one batch.
   * @throws UserError once the painter was disposed of; the signal's reason once that is aborted
   */
  paint(captions: readonly string[], options?: PainterOptions): Promise<Picture[]>;
  /** The tokenizer of a model that paints codes. */
  readonly tokenizer?: PatchTokenizer;
  /** The likelihood of pictures given their captions, of a model that has one. */
  readonly likelihood?: Likelihood;
  /** The run as what paints code by code, with previews and completion; of families that paint codes. */
  readonly codes?: CodePainter;
  /** Frees the model, after the batch that is under way. What waits is refused. */
  dispose(): void;
}

/** Measures how likely pictures are to a model. */
export interface Likelihood {
  /** Codes of a picture. */
  readonly codes: number;
  /** Mean nats a code over all of the pictures, given the caption of each; few enough for one pass. */
  measureNats(pictures: readonly Picture[], captions: readonly string[]): Promise<number>;
}

/** See `PainterOptions.numbers`. */
function imageNumbers(
  captions: readonly string[],
  { numbers, firstImage = 0 }: Pick<PainterOptions, 'numbers' | 'firstImage'> = {},
): readonly number[] {
  if (numbers !== undefined) return numbers;
  const next = new Map<string, number>();
  return captions.map(caption => {
    const number = next.get(caption) ?? firstImage;
    next.set(caption, number + 1);
    return number;
  });
}

const captionsCheck = listCheck('captions', textCheck);

const keepCheck = listCheck('true or false', booleanCheck);
const imageCheck = pictureCheck();
const completionCheck: Check = {
  expected: 'a picture to complete, { image, keep }',
  fits: value => {
    if (objectCheck.fits(value) !== true) return false;
    const { image, keep } = value as Partial<Completion>; // looked at next
    return imageCheck.fits(image) === true && keepCheck.fits(keep) === true;
  },
};

const optionChecks = {
  ...samplingChecks,
  firstImage: wholeCheck({ least: 0 }),
  numbers: listCheck('numbers', wholeCheck({ least: 0 })),
  batchSize: wholeCheck({ least: 1 }),
  steps: wholeCheck({ least: 1, most: 1000 }),
  completion: completionCheck,
  onUnfinished: functionCheck,
  onProgress: functionCheck,
  signal: signalCheck,
};

/**
 * The pictures that a call of `paint` asks for.
 * @throws UserError naming the first argument that does not fit
 */
export function ordersOf(captions: readonly string[], options: PainterOptions = {}): Order[] {
  checkValue('paint: captions', captions, captionsCheck);
  checkOptions('paint', options, optionChecks);
  if (options.numbers !== undefined && options.numbers.length !== captions.length) {
    throw new UserError('paint: numbers', `expected one a caption, ${captions.length}, got ${options.numbers.length}`);
  }
  const { seed = 0 } = options;
  const numbers = imageNumbers(captions, options);
  return captions.map((caption, i) => ({ caption, seed, number: numbers[i] }));
}
