/** @file The images of a run as its config has them: the sides of the data, the crops, and whether they fit the memory. */

import type { Dataset, Item, Split } from '../../data/dataset.ts';
import type { CropsOptions } from '../../data/decoded.ts';
import { type Division, describeDivision, divideItems, itemsOn } from '../../data/division.ts';
import type { ImagesConfig, RunConfig } from '../config/run.ts';
import { UserError } from '../core/errors.ts';

/** Most bytes of decoded images that are kept in memory. */
const MEMORY_BYTES = 2 ** 30;

/**
 * The sides of a data set for a run: what it is trained on, what is held out (which may be nothing), and what is not used.
 * @throws UserError if there is nothing to train on
 */
export function divideData(dataset: Pick<Dataset, 'items'>, config: ImagesConfig): Division {
  const { validation, split } = config;
  return expectTraining(divideItems(dataset.items, { validation, split }), config);
}

/** A division, if it has anything to train on. @throws UserError if it has not */
export function expectTraining(division: Division, { split }: ImagesConfig): Division {
  const { training, heldOut, unused } = division;
  if (training.length > 0) return division;
  const said = describeDivision(division);
  const hint =
    heldOut.length === 0
      ? `--split says which published splits are trained on; now ${split.join(', ')}`
      : 'lower --validation (0 trains on all of them) or add images';
  throw new UserError(
    'data',
    `no training image among ${heldOut.length + unused.length}${said === undefined ? '' : ` (${said})`}`,
    hint,
  );
}

/** Said where there is nothing to measure on that was not trained on. */
const NOTHING = 'nothing is held out';

/** That nothing is held out, and why, as a sentence without its end; undefined where something is. */
export function whyNothingHeldOut({ training, heldOut }: Division, config: ImagesConfig): string | undefined {
  if (heldOut.length > 0) return undefined;
  const why =
    config.validation === 0
      ? 'validation is 0'
      : `the hash chose none of ${training.length} images; a higher --validation may`;
  return `${NOTHING} (${why})`;
}

/** What a run is measured on. */
export interface MeasuredItems {
  readonly sides: readonly Split[];
  readonly items: readonly Item[];
  /** Why nothing of it can be called held out, where some was trained on: in a few words, and as a line for people. */
  readonly whyNone: string | undefined;
  readonly said: string | undefined;
}

/**
 * The items that a run is measured on: of the sides that are asked for, by default what is held out, or what was trained on
 * where nothing is.
 * @throws UserError if there are none of the sides
 */
export function measuredItems(
  division: Division,
  { split, config, where }: { readonly split?: readonly Split[]; readonly config: RunConfig; readonly where: string },
): MeasuredItems {
  const none = whyNothingHeldOut(division, config.images);
  const sides = split ?? (none === undefined ? ['validation'] : ['train']);
  const items = itemsOfSides(division, sides, where);
  if (!sides.includes('train')) return { sides, items, whyNone: undefined, said: undefined };
  const whyNone = split === undefined ? NOTHING : 'the run was trained on these images';
  return { sides, items, whyNone, said: `${none ?? whyNone}: what needs images that it has never seen is n/a` };
}

/** The items on some sides of a run's data. @param where the command, for the message. @throws UserError if there are none */
export function itemsOfSides(division: Division, sides: readonly Split[], where: string): Item[] {
  const items = itemsOn(division, sides);
  if (items.length > 0) return items;
  const { training, heldOut, unused } = division;
  throw new UserError(
    `${where}: --split`,
    `no image of ${sides.join(', ')}: ${training.length} were trained on, ${heldOut.length} are held out, ${unused.length} not used`,
  );
}

/** What sides are called before a noun: `held-out`, `training and test`. */
export function sideNames(sides: readonly Split[]): string {
  const names = { train: 'training', validation: 'held-out', test: 'test' } as const;
  return sides.map(side => names[side]).join(' and ');
}

/** What is decoded of every item, as a run's config has it. */
export function cropsOf(config: ImagesConfig, seed: number): CropsOptions {
  const { imageSize: size, crops, cropAmount: amount, padCrops: pad, flip } = config;
  return { size, crops, crop: { amount, pad, flip }, seed };
}

/** Crops of each training image as codes, plain and changed. */
export function codedCrops({ images, model }: RunConfig): number {
  return images.crops * (1 + model.variants.length);
}

/** How many pictures of a run's size can be held in memory. */
function mostInMemory({ imageSize }: ImagesConfig): number {
  return Math.max(1, Math.floor(MEMORY_BYTES / (imageSize ** 2 * 3)));
}

/** Most held-out images that anything is measured on while training; fewer where they would not fit the memory. */
const MEASURED = 1024;

/** How many held-out images are measured on, at most. */
export function measuredAtMost(config: ImagesConfig): number {
  return Math.min(MEASURED, mostInMemory(config));
}

/** Whether all crops of so many items can be held in memory. */
export function fitsMemory(count: number, config: ImagesConfig): boolean {
  return count * config.crops * config.imageSize ** 2 * 3 <= MEMORY_BYTES;
}
