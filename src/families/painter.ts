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
import { registeredFamilies, samplingSettings } from './family.ts';
import type { CallOptions, Completion, Order } from './queue.ts';

/** How captions are painted. Settings that are left out are the run's own; one that its family does not follow is refused. */
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
  /** Patches along each side of a picture, where given pictures can be completed patch by patch (`completion`). */
  readonly grid?: number;
  /** How many ids of a caption are read, if it has more; undefined if all are. */
  cutAt(caption: string): number | undefined;
  /**
   * Paints one picture of each caption, in their order; '' is no caption. Image i of a seed is the same beside any others.
   * Calls may overlap: those that wait at the same time, with the same settings, are painted in one batch.
   * @throws UserError naming the first argument that does not fit, or a setting that the family does not follow; once the
   *   painter was disposed of; the signal's reason once that is aborted
   */
  paint(captions: readonly string[], options?: PainterOptions): Promise<Picture[]>;
  /** The tokenizer of a model that paints codes. */
  readonly tokenizer?: PatchTokenizer;
  /** The likelihood of pictures given their captions, of a model that has one. */
  readonly likelihood?: Likelihood;
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
 * The pictures that a call of a painter's `paint` asks for: what a `paint` begins with.
 * @throws UserError naming the first argument that does not fit, or that the painter's family does not follow
 */
export function ordersOf(painter: Painted, captions: readonly string[], options: PainterOptions = {}): Order[] {
  checkValue('paint: captions', captions, captionsCheck);
  checkOptions('paint', options, optionChecks);
  checkFollowed(painter, options);
  if (options.numbers !== undefined && options.numbers.length !== captions.length) {
    throw new UserError('paint: numbers', `expected one a caption, ${captions.length}, got ${options.numbers.length}`);
  }
  const { seed = 0 } = options;
  const numbers = imageNumbers(captions, options);
  return captions.map((caption, i) => ({ caption, seed, number: numbers[i] }));
}

/** What is to be known of a painter to check a call. */
export type Painted = Pick<Painter, 'config' | 'imageSize' | 'grid'>;

/** @throws UserError naming a setting that would be without effect, or a completion that does not fit the painter */
function checkFollowed({ config, imageSize, grid }: Painted, options: PainterOptions): void {
  const family = registeredFamilies().get(config.family);
  if (family === undefined) throw new UserError('paint', `there is no family ${config.family} any more`);
  const followed = family.sampling(config);
  const names = samplingSettings.filter(setting => followed[setting] !== undefined);
  const stray =
    samplingSettings.find(name => options[name] !== undefined && followed[name] === undefined) ??
    (options.completion !== undefined && grid === undefined ? 'completion' : undefined);
  if (stray !== undefined) {
    throw new UserError(
      `paint: ${stray}`,
      `expected none with a ${family.name} run, since ${family.words.paints}; got one`,
      names.length > 0 ? `its settings are ${names.join(', ')}` : 'it has no settings',
    );
  }
  const { completion } = options;
  if (completion === undefined || grid === undefined) return;
  checkValue('paint: completion: image', completion.image, pictureCheck(imageSize));
  if (completion.keep.length !== grid ** 2) {
    throw new UserError('paint', `keep: expected ${grid ** 2} patches, got ${completion.keep.length || 'none'}`);
  }
}
