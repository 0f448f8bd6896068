/** @file What a call of a painter's `paint` asks for: its arguments checked, as one order a picture. */
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
import { samplingChecks } from './checks.ts';
import { samplingSettings } from './family.ts';
import type { Painter, PainterOptions } from './painter.ts';
import type { Completion, Order } from './queue.ts';
import { registeredFamilies } from './registry.ts';

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
  batchSize: wholeCheck({ least: 1, most: 1024 }),
  steps: wholeCheck({ least: 1, most: 1000 }),
  completion: completionCheck,
  onUnfinished: functionCheck,
  onLogProbabilities: functionCheck,
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
