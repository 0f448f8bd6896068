/**
 * @file Items decoded into memory: some crops of each, the first of them the middle, all in one array. Which crops they are
 * depends on the seed and the item's id alone, so that a crop decoded later is the same one.
 */

import { availableParallelism } from 'node:os';
import { UserError } from '../src/core/errors.ts';
import { Random } from '../src/core/random.ts';
import { type CropOptions, cropFor, decodeImage } from '../src/image/decode.ts';
import { Images, type Picture } from '../src/image/images.ts';
import type { Dataset, Item, Problem } from './dataset.ts';
import { isUnreadable, mapBounded, whyFailed } from './files.ts';

/** What is decoded of every item. */
export interface CropsOptions {
  /** Side of the pictures, in pixels. */
  readonly size: number;
  /** Pictures made of each item, by default 1: the first is the middle, the others are random crops. */
  readonly crops?: number;
  readonly crop?: CropOptions;
  /** Default 0. */
  readonly seed?: number;
  /** See `DecodeOptions`. */
  readonly background?: string;
}

export interface DecodeAllOptions extends CropsOptions {
  /** Items decoded at once. */
  readonly concurrency?: number;
  readonly onProgress?: (done: number, total: number) => void;
  /**
   * Whether the items were there when the data was opened, as a check of their headers tells: then one that cannot be read any
   * more is an error, and not left out.
   */
  readonly checked?: boolean;
  /** Stops it before the next item; it rejects with the signal's reason then. */
  readonly signal?: AbortSignal;
}

/** Items with their images. */
export interface Decoded {
  /** `crops` of every item; those of an item lie together. */
  readonly images: Images;
  /** The items that could be decoded, in the order given. */
  readonly items: readonly Item[];
  readonly crops: number;
  /** Why the others could not. */
  readonly problems: readonly Problem[];
}

/**
 * An item's bytes, which could be read when the data was opened.
 * @throws UserError if they cannot be had any more
 */
export async function readStill(item: Item): Promise<Uint8Array> {
  try {
    return await item.read();
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    throw changedError(item.id, whyFailed(error));
  }
}

/** Data that changes while it is used. @param what in words that follow the item's name */
export function changedError(id: string, what: string): UserError {
  return new UserError(
    id,
    `${what}, and could be read when the data was opened`,
    'put it back as it was and give the same command again: what was saved before is whole',
  );
}

/** Most bytes decoded at once; more does not fit a typed array everywhere. */
const LIMIT_BYTES = 2 ** 32 - 1;

/**
 * One crop of an item, from its encoded bytes.
 * @param crop its number, from 0
 * @throws Error if the image is corrupt or cut off
 */
export function decodeCrop(id: string, crop: number, bytes: Uint8Array, options: CropsOptions): Promise<Picture> {
  const { size, seed = 0, background } = options;
  const random = () => new Random(seed).fork(`crop/${id}`, crop);
  return decodeImage(bytes, { size, background, crop: crop === 0 ? 'center' : cropFor(random(), options.crop) });
}

/**
 * Decodes all items into one array. The crops of an item depend on the seed and its id alone, not on the other items.
 * Images that fail are left out and named in `problems`, even if that is all of them: the items may be one piece of a
 * dataset, and only the caller knows how many images it cannot do without.
 * @throws UserError if the array would pass 4 GiB, or, with `checked`, at an item that cannot be read any more
 */
export async function decodeAll(dataset: Dataset | readonly Item[], options: DecodeAllOptions): Promise<Decoded> {
  const items = 'items' in dataset ? dataset.items : dataset;
  const { size, crops = 1, concurrency = 2 * availableParallelism(), onProgress, signal, checked = false } = options;
  const bytes = items.length * crops * size * size * 3;
  if (bytes > LIMIT_BYTES) {
    const gib = (bytes / 2 ** 30).toFixed(1);
    throw new UserError(
      'data',
      `${items.length} images x ${crops} crops of ${size} pixels take ${gib} GiB, more than 4`,
      'use fewer crops, a smaller size or a part of the data',
    );
  }
  const images = Images.allocate(items.length * crops, { width: size, height: size });
  const problems: Problem[] = [];
  let done = 0;
  const good = await mapBounded(items, concurrency, async (item, i) => {
    signal?.throwIfAborted();
    try {
      const encoded = checked ? await readStill(item) : await item.read();
      for (let c = 0; c < crops; c++) {
        images.set(i * crops + c, await decodeCrop(item.id, c, encoded, options));
      }
      return true;
    } catch (error) {
      if (error instanceof UserError) throw error;
      problems.push({ id: item.id, what: whyFailed(error) });
      return false;
    } finally {
      onProgress?.(++done, items.length);
    }
  });
  const places = [...items.keys()].filter(i => good[i]);
  // Close the gaps that bad images left.
  if (places.length < items.length) {
    for (const [to, from] of places.entries()) {
      for (let c = 0; c < crops; c++) images.set(to * crops + c, images.at(from * crops + c));
    }
  }
  problems.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { images: images.slice(0, places.length * crops), items: places.map(i => items[i]), crops, problems };
}
