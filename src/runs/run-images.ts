/** @file The images of a run as its config has them: the split, the crops, and whether they fit the memory. */

import { type Dataset, type Item, splitOf } from '../../data/dataset.ts';
import type { CropsOptions } from '../../data/decoded.ts';
import type { ImagesConfig } from '../config/run.ts';
import { UserError } from '../core/errors.ts';

/** Most bytes of decoded images that are kept in memory. */
const MEMORY_BYTES = 2 ** 30;

export interface SplitItems {
  readonly training: readonly Item[];
  readonly heldOut: readonly Item[];
}

/**
 * Divides a data set by the hash of its items' names.
 * @throws UserError if a side would be empty
 */
export function splitDataset(dataset: Dataset, config: ImagesConfig): SplitItems {
  const itemsOf = (side: string) => dataset.items.filter(item => splitOf(item, config.validation) === side);
  return sidesOf(itemsOf('train'), itemsOf('validation'));
}

/** Both sides of a split. @throws UserError if there is nothing to train on */
export function sidesOf(training: readonly Item[], heldOut: readonly Item[]): SplitItems {
  if (training.length === 0) {
    throw new UserError('data', `no training image among ${heldOut.length}`, 'lower --validation or add images');
  }
  // A handful of images may hash to one side only; they are then measured on what they were trained on.
  return { training, heldOut: heldOut.length > 0 ? heldOut : training };
}

/** What is decoded of every item, as a run's config has it. */
export function cropsOf(config: ImagesConfig, seed: number): CropsOptions {
  const { imageSize: size, crops, cropAmount: amount, padCrops: pad, flip } = config;
  return { size, crops, crop: { amount, pad, flip }, seed };
}

/** How many pictures of a run's size can be held in memory. */
export function mostInMemory({ imageSize }: ImagesConfig): number {
  return Math.max(1, Math.floor(MEMORY_BYTES / (imageSize ** 2 * 3)));
}

/** Whether all crops of so many items can be held in memory. */
export function fitsMemory(count: number, config: ImagesConfig): boolean {
  return count * config.crops * config.imageSize ** 2 * 3 <= MEMORY_BYTES;
}
