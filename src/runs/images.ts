/**
 * @file Images for training: decoded once into memory where all crops of all items fit, streamed from disk and decoded
 * ahead where they do not.
 */
import { type Dataset, type Item, type Problem, splitOf } from '../../data/index.ts';
import { decodeAll, Loader } from '../../data/loader.ts';
import type { ImagesConfig } from '../config/run.ts';
import { UserError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { balancedWeights, drawEpoch } from '../families/transformer/task.ts';
import { Images } from '../image/images.ts';
import type { CaptionedImages, ImageStream } from '../training/captioned.ts';

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
  const of = (side: string) => dataset.items.filter(item => splitOf(item, config.validation) === side);
  const [training, heldOut] = [of('train'), of('validation')];
  if (training.length === 0) {
    throw new UserError('data', `no training image among ${dataset.items.length}`, 'lower --validation or add images');
  }
  // A handful of images may hash to one side only; they are then measured on what they were trained on.
  return { training, heldOut: heldOut.length > 0 ? heldOut : training };
}

export function cropOptions(config: ImagesConfig) {
  return { amount: config.cropAmount, pad: config.padCrops, flip: config.flip };
}

/** Items decoded in memory: crop by crop, with the ids of the items that could be decoded. */
export interface DecodedItems {
  readonly images: Images;
  readonly items: readonly Item[];
  readonly crops: number;
  readonly problems: readonly Problem[];
}

/** Decodes `crops` crops of every item. */
export async function decodeItems(
  items: readonly Item[],
  config: ImagesConfig,
  options: {
    readonly crops: number;
    readonly seed: number;
    readonly onProgress?: (done: number, total: number) => void;
  },
): Promise<DecodedItems> {
  const { images, indices, problems } = await decodeAll(items, {
    size: config.imageSize,
    crops: options.crops,
    crop: cropOptions(config),
    seed: options.seed,
    onProgress: options.onProgress,
  });
  return { images, items: Array.from(indices, i => items[i]), crops: options.crops, problems };
}

/** Whether all crops of so many items can be held in memory. */
export function fitsMemory(count: number, config: ImagesConfig): boolean {
  return count * config.crops * config.imageSize ** 2 * 3 <= MEMORY_BYTES;
}

interface StreamOptions {
  readonly batchSize: number;
  readonly seed: number;
}

/** Shuffled epochs over decoded images; which crop and which caption of an item an epoch shows is drawn anew. */
export class MemoryStream implements ImageStream {
  private readonly decoded: DecodedItems;
  private readonly batchSize: number;
  private readonly random: Random;
  private readonly weights: Float64Array | undefined;
  private place = 0;
  private order: { readonly epoch: number; readonly items: Uint32Array } | undefined;

  /** @param options.balance see `balancedWeights`; default 0 */
  constructor(decoded: DecodedItems, options: StreamOptions & { readonly balance?: number }) {
    const { batchSize, seed, balance = 0 } = options;
    this.decoded = decoded;
    this.batchSize = batchSize;
    this.random = new Random(seed).fork('images');
    if (balance > 0) {
      const captions = decoded.items.map(item => item.captions);
      this.weights = balancedWeights(captions, balance);
    }
  }

  async next(): Promise<CaptionedImages> {
    const { decoded, batchSize } = this;
    const n = decoded.items.length;
    const images = Images.allocate(batchSize, decoded.images);
    const captions: string[] = [];
    const draw = this.random.fork('crops', this.place);
    const words = this.random.fork('captions', this.place);
    for (let i = 0; i < batchSize; i++, this.place++) {
      const item = this.itemsOf(Math.floor(this.place / n))[this.place % n];
      images.set(i, decoded.images.at(item * decoded.crops + draw.integer(decoded.crops)));
      const known = decoded.items[item].captions;
      captions.push(known[words.integer(known.length)]);
    }
    return { images, captions };
  }

  /** The items of an epoch in their order. */
  private itemsOf(epoch: number): Uint32Array {
    if (this.order?.epoch !== epoch) {
      const random = this.random.fork('epoch', epoch);
      const n = this.decoded.items.length;
      const items = this.weights === undefined ? random.permutation(n) : drawEpoch(this.weights, random);
      this.order = { epoch, items };
    }
    return this.order.items;
  }

  state(): unknown {
    return { place: this.place };
  }

  restore(state: unknown): void {
    this.place = (state as { place: number }).place;
  }
}

/** The same from disk, decoded ahead by sharp while the model trains. */
export class DiskStream implements ImageStream {
  private loader: Loader;
  private readonly items: readonly Item[];
  private readonly options: ConstructorParameters<typeof Loader>[1];

  constructor(items: readonly Item[], config: ImagesConfig, options: StreamOptions) {
    this.items = items;
    this.options = { size: config.imageSize, crop: cropOptions(config), ...options };
    this.loader = new Loader(items, this.options);
  }

  next(): Promise<CaptionedImages> {
    return this.loader.next();
  }

  state(): unknown {
    return this.loader.state();
  }

  restore(state: unknown): void {
    this.loader = new Loader(this.items, { ...this.options, cursor: state as ReturnType<Loader['state']> });
  }
}
