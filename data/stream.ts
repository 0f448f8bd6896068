/**
 * @file Training batches: shuffled epochs of images, with a crop and a caption of each drawn anew whenever it comes up. The
 * batches depend on the seed alone: whether the images lie in memory or are decoded from disk ahead of the consumer, and
 * how fast, changes nothing. One integer, the place in the stream of epochs, resumes it exactly.
 */

import { UserError } from '../src/core/errors.ts';
import { Random } from '../src/core/random.ts';
import { Images, type Picture, type Size } from '../src/image/images.ts';
import type { Item, Problem } from './dataset.ts';
import { type CropsOptions, changedError, type Decoded, decodeCrop, readStill } from './decoded.ts';
import { balancedWeights, Epochs } from './epochs.ts';
import { isUnreadable, whyFailed } from './files.ts';
import { drawCaption } from './wordings.ts';

/** Where a stream finds its images. */
export interface ImageSource {
  readonly items: readonly Item[];
  /** Crops of every item. */
  readonly crops: number;
  readonly size: Size;
  /** Batches that are begun before they are asked for. */
  readonly ahead: number;
  /** A crop of an item, or in one line why there is none, or why the training cannot go on. Never rejects. */
  picture(item: number, crop: number): Picture | Promise<Picture | string | Error>;
}

export interface StreamOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** See `balancedWeights`; default 0. */
  readonly balance?: number;
  /** See `drawCaption`; default 0. */
  readonly firstShare?: number;
  /** Called once for every item that is left out because it cannot be decoded, with how many are left. */
  readonly onProblem?: (problem: Problem, good: number) => void;
}

/** An image that stands in a batch. */
interface Sample {
  readonly item: number;
  readonly caption: string;
  readonly picture: Picture | Promise<Picture | string | Error>;
}

/** A batch on its way: the places of the stream from `start` on, up to `end`, without those of bad items. */
interface Batch {
  readonly samples: Sample[];
  readonly crops: Random;
  readonly captions: Random;
  end: number;
}

/** Images that are decoded already. */
export function fromMemory({ images, items, crops }: Decoded): ImageSource {
  return { items, crops, size: images, ahead: 0, picture: (item, crop) => images.at(item * crops + crop) };
}

/** The same images, decoded when they come up. @param options as for `decodeAll` */
export function fromDisk(items: readonly Item[], options: CropsOptions & { readonly ahead?: number }): ImageSource {
  const { crops = 1, size, ahead = 3 } = options;
  /** Items that could be decoded before. */
  const sound = new Set<number>();
  return {
    items,
    crops,
    size: { width: size, height: size },
    ahead,
    picture: async (item, crop) => {
      const { id } = items[item];
      try {
        const bytes = await readStill(items[item]);
        const picture = await decodeCrop(id, crop, bytes, options).catch(error => whyFailed(error));
        if (typeof picture === 'string' && sound.has(item)) return changedError(id, picture);
        if (typeof picture !== 'string') sound.add(item);
        return picture;
      } catch (error) {
        if (error instanceof UserError || isUnreadable(error)) return error as Error;
        return whyFailed(error);
      }
    },
  };
}

/** An endless stream of batches; one may reach into the next epoch. Items that cannot be decoded are left out and named. */
export class ImageBatches {
  private readonly source: ImageSource;
  private readonly options: StreamOptions;
  private readonly random: Random;
  private readonly epochs: Epochs;
  /** Items that cannot be decoded, and why. */
  private readonly bad = new Map<number, Problem>();
  private place = 0;
  /** The next batches, begun ahead. */
  private begun: Batch[] = [];

  /** @throws UserError if there are no items */
  constructor(source: ImageSource, options: StreamOptions) {
    const { items } = source;
    if (items.length === 0) throw new UserError('data', 'expected images to train on, got none');
    const { seed, balance = 0 } = options;
    this.source = source;
    this.options = options;
    this.random = new Random(seed).fork('images');
    const captions = items.map(item => item.captions);
    this.epochs = new Epochs(balance > 0 ? balancedWeights(captions, balance) : items.length, this.random);
  }

  /**
   * The next batch, with one caption an image.
   * @throws UserError if no image can be decoded, or one that could be read before has gone or changed
   */
  async next(): Promise<{ readonly images: Images; readonly captions: readonly string[] }> {
    const { batchSize } = this.options;
    const batch = this.begun.shift() ?? this.begin(this.place);
    this.beginAhead(batch);
    const images = Images.allocate(batchSize, this.source.size);
    const captions: string[] = [];
    for (let i = 0; captions.length < batchSize; i++) {
      const { item, caption, picture: pending } = batch.samples[i];
      const picture = await pending;
      if (picture instanceof Error) throw picture;
      if (typeof picture === 'string') {
        this.leaveOut(item, picture);
        // Another image takes its place, so all batches after this one begin later than was thought.
        this.fill(batch, batch.samples.length + 1);
        this.begun = [];
      } else {
        images.set(captions.length, picture);
        captions.push(caption);
      }
    }
    this.place = batch.end;
    return { images, captions };
  }

  /** Where the next batch begins: what `restore` takes. */
  state(): { readonly place: number } {
    return { place: this.place };
  }

  /**
   * Goes on from a state: the batches that follow are those that followed it.
   * @throws UserError if it is no state of such a stream
   */
  restore(state: unknown): void {
    const place = (state as { place?: unknown } | null)?.place;
    if (!(typeof place === 'number' && Number.isSafeInteger(place) && place >= 0)) {
      throw new UserError(
        'data',
        `expected the place of a stream of images, got ${JSON.stringify(state)}`,
        'the training was saved by an earlier version; train in another --out',
      );
    }
    this.place = place;
    this.begun = [];
  }

  private begin(start: number): Batch {
    const batch: Batch = {
      samples: [],
      crops: this.random.fork('crops', start),
      captions: this.random.fork('captions', start),
      end: start,
    };
    this.fill(batch, this.options.batchSize);
    return batch;
  }

  private beginAhead(current: Batch): void {
    while (this.begun.length < this.source.ahead) this.begun.push(this.begin((this.begun.at(-1) ?? current).end));
  }

  /** Takes the next places of the stream into a batch until it has `count` samples. Every place draws, also a bad one. */
  private fill(batch: Batch, count: number): void {
    const { items, crops } = this.source;
    if (this.bad.size === items.length) {
      const [{ id, what }] = this.bad.values();
      throw new UserError('data', `none of ${items.length} images can be decoded (the first: ${id}: ${what})`);
    }
    while (batch.samples.length < count) {
      const item = this.epochs.at(batch.end++);
      const crop = batch.crops.integer(crops);
      const caption = drawCaption(items[item].captions, batch.captions, this.options.firstShare);
      if (!this.bad.has(item)) batch.samples.push({ item, caption, picture: this.source.picture(item, crop) });
    }
  }

  private leaveOut(item: number, what: string): void {
    if (this.bad.has(item)) return; // begun before that was known
    const { items } = this.source;
    const problem = { id: items[item].id, what };
    this.bad.set(item, problem);
    this.options.onProblem?.(problem, items.length - this.bad.size);
  }
}
