/**
 * @file Training batches from a dataset: shuffled epochs, crops and captions drawn by one seed, decoded ahead of the consumer.
 * The n-th sample depends only on the seed and n, so a cursor of two integers resumes a run exactly, and how fast anything
 * decodes changes nothing. An image that fails to decode is skipped, counted and named.
 */

import { availableParallelism } from 'node:os';
import { UserError } from '../src/core/errors.ts';
import { Random } from '../src/core/random.ts';
import { type CropOptions, cropFor, decodeImage } from '../src/image/decode.ts';
import { Images, type Picture } from '../src/image/images.ts';
import type { Dataset, Item, Problem } from './dataset.ts';
import { firstLine, mapBounded } from './files.ts';

/** Where a loader stands: the next sample is place `position` of epoch `epoch`. */
export interface Cursor {
  readonly epoch: number;
  readonly position: number;
}

export interface LoaderOptions {
  /** Side of the pictures, in pixels. */
  readonly size: number;
  readonly batchSize: number;
  readonly seed: number;
  /** How crops are drawn; `center` takes the middle. */
  readonly crop?: 'center' | CropOptions;
  readonly background?: string;
  /** Batches decoded ahead. */
  readonly prefetch?: number;
  /** Start here instead of at the beginning: what `state()` gave. */
  readonly cursor?: Cursor;
}

export interface Batch {
  readonly images: Images;
  /** One caption an image, drawn from those it has. */
  readonly captions: readonly string[];
  /** Which items, as indices into the array given to the loader. */
  readonly indices: Int32Array;
  /** Epoch of the batch's last sample. */
  readonly epoch: number;
}

interface Sample {
  readonly cursor: Cursor;
  readonly index: number;
  readonly caption: string;
  /** The image, or why there are none. Never rejects. */
  readonly picture: Promise<Picture | string>;
}

/** An endless stream of batches over shuffled epochs; a batch may reach into the next epoch. */
export class Loader {
  private readonly items: readonly Item[];
  private readonly options: LoaderOptions;
  private readonly random: Random;
  private readonly bad = new Map<number, Problem>();
  private readonly queue: Sample[] = [];
  private consumed: Cursor;
  private planned: Cursor;
  private order: { readonly epoch: number; readonly of: Uint32Array } | undefined;

  /** @throws UserError if there are no items */
  constructor(items: readonly Item[], options: LoaderOptions) {
    if (items.length === 0) throw new UserError('loader', 'no items to load');
    this.items = items;
    this.options = options;
    this.random = new Random(options.seed).fork('loader');
    this.consumed = options.cursor ?? { epoch: 0, position: 0 };
    this.planned = this.consumed;
  }

  /** What failed to decode so far, one entry an item. */
  get problems(): readonly Problem[] {
    return [...this.bad.values()];
  }

  /** Where the next batch begins. A loader with the same items, options and this cursor goes on with equal batches. */
  state(): Cursor {
    return this.consumed;
  }

  /** @throws UserError if no image of a whole epoch could be decoded */
  async next(): Promise<Batch> {
    const { size, batchSize, prefetch = 3 } = this.options;
    const images = Images.allocate(batchSize, { width: size, height: size });
    const captions: string[] = [];
    const indices = new Int32Array(batchSize);
    let failures = 0;
    let epoch = this.consumed.epoch;
    while (captions.length < batchSize) {
      while (this.queue.length < batchSize * (1 + prefetch)) this.queue.push(this.plan());
      const sample = this.queue[0];
      const picture = await sample.picture;
      this.queue.shift();
      this.consumed = this.after(sample.cursor);
      if (typeof picture === 'string') {
        const { id } = this.items[sample.index];
        this.bad.set(sample.index, { id, what: picture });
        if (++failures >= this.items.length) {
          throw new UserError(
            'loader',
            `none of ${this.items.length} images can be decoded (the last: ${id}: ${picture})`,
          );
        }
        continue;
      }
      epoch = sample.cursor.epoch;
      images.set(captions.length, picture);
      indices[captions.length] = sample.index;
      captions.push(sample.caption);
    }
    return { images, captions, indices, epoch };
  }

  private after({ epoch, position }: Cursor): Cursor {
    return position + 1 < this.items.length ? { epoch, position: position + 1 } : { epoch: epoch + 1, position: 0 };
  }

  /** Draws the next sample of the stream and begins to decode it. */
  private plan(): Sample {
    const cursor = this.planned;
    this.planned = this.after(cursor);
    if (this.order?.epoch !== cursor.epoch) {
      this.order = { epoch: cursor.epoch, of: this.random.fork('order', cursor.epoch).permutation(this.items.length) };
    }
    const index = this.order.of[cursor.position];
    const item = this.items[index];
    const random = this.random.fork(`sample/${cursor.epoch}`, cursor.position);
    const caption = item.captions[random.integer(item.captions.length)];
    const { size, background, crop = 'center' } = this.options;
    const window = crop === 'center' ? crop : cropFor(random, crop);
    const known = this.bad.get(index);
    const picture =
      known === undefined
        ? item
            .read()
            .then(bytes => decodeImage(bytes, { size, background, crop: window }))
            .catch(firstLine)
        : Promise.resolve(known.what);
    return { cursor, index, caption, picture };
  }
}

export interface DecodeAllOptions {
  readonly size: number;
  /** Pictures made of each item: the first is the middle, the others are random crops. */
  readonly crops?: number;
  readonly crop?: CropOptions;
  readonly seed?: number;
  readonly background?: string;
  readonly concurrency?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Decoded {
  /** n * crops of them; the crops of an item lie together. */
  readonly images: Images;
  /** The n items that could be decoded, as indices into the items given. */
  readonly indices: Int32Array;
  readonly problems: readonly Problem[];
}

/** Most bytes decoded at once; more does not fit a typed array everywhere. */
const LIMIT_BYTES = 2 ** 32 - 1;

/**
 * Decodes all items into one array. The crops of an item depend on the seed and its id alone, not on the other items.
 * Images that fail are left out and named in `problems`, even if that is all of them: the items may be one piece of a
 * dataset, and only the caller knows how many images it cannot do without.
 * @throws UserError if the array would pass 4 GiB
 */
export async function decodeAll(dataset: Dataset | readonly Item[], options: DecodeAllOptions): Promise<Decoded> {
  const items = 'items' in dataset ? dataset.items : dataset;
  const { size, crops = 1, seed = 0, background, concurrency = 2 * availableParallelism(), onProgress } = options;
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
  const random = new Random(seed);
  const problems: Problem[] = [];
  let done = 0;
  const good = await mapBounded(items, concurrency, async (item, i) => {
    try {
      const encoded = await item.read();
      for (let c = 0; c < crops; c++) {
        const crop = c === 0 ? 'center' : cropFor(random.fork(`crop/${item.id}`, c), options.crop);
        images.set(i * crops + c, await decodeImage(encoded, { size, background, crop }));
      }
      return true;
    } catch (error) {
      problems.push({ id: item.id, what: firstLine(error) });
      return false;
    } finally {
      onProgress?.(++done, items.length);
    }
  });
  const indices = Int32Array.from(items.keys()).filter(i => good[i]);
  // Close the gaps that bad images left.
  if (indices.length < items.length) {
    for (const [to, from] of indices.entries()) {
      for (let c = 0; c < crops; c++) images.set(to * crops + c, images.at(from * crops + c));
    }
  }
  problems.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { images: images.slice(0, indices.length * crops), indices, problems };
}
