/**
 * @file Painting captions code by code, with previews and completion. Joins the two tokenizers and the model; knows nothing
 * of files, data sets, flags or terminals.
 */
import type { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import { PictureCodec } from '../../../tokenizer/codec.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { RunConfig } from '../../config/run.ts';
import {
  booleanCheck,
  checkOptions,
  checkValue,
  listCheck,
  pictureCheck,
  textCheck,
  wholeCheck,
} from '../../core/checks.ts';
import { UserError } from '../../core/errors.ts';
import type { Picture } from '../../image/images.ts';
import { fillFromCoarser } from '../../nn/orders.ts';
import { samplingChecks } from '../checks.ts';
import type { Completion, Order, PaintSettings } from '../queue.ts';
import type { Dalle } from './dalle.ts';
import { generate, type SamplingOptions } from './generate.ts';
import { logProbabilities } from './likelihood.ts';

/** Positions of all images together that are painted in one batch: bounds the memory of keys and values. */
const CACHED_POSITIONS = 10240;

/** Sampling settings that are left out are the run's own (`sampling` in its config.json). */
export interface PaintOptions extends SamplingOptions {
  /** Images of the caption, which share one reading of it. Default 1. */
  readonly images?: number;
  /** Number of the first image, so that more of a seed's images can be painted later. Default 0. */
  readonly firstImage?: number;
  /** Codes painted between two yields; default one row of the grid. */
  readonly every?: number;
  /** Whether unfinished images are decoded too; without, only the last yield has pictures. Default true. */
  readonly previews?: boolean;
  /** An image to complete, of the run's size: see `keep`. */
  readonly image?: Picture;
  /** Which patches of `image` are kept, [grid * grid] in raster order. Required with `image`. */
  readonly keep?: readonly boolean[];
}

/** Images as far as they have been painted. */
export interface Painting {
  /**
   * One picture an image; patches that are not painted yet are light grey, or where coarse ones come first as their coarser one. Empty where
   * previews are off.
   */
  readonly pictures: readonly Picture[];
  /** [images, grid * grid], -1 where nothing has been painted. */
  readonly codes: Int32Array;
  /** [images, grid * grid] in nats: that of each code under the distribution it was drawn from; 0 where none was drawn. */
  readonly logProbabilities: Float64Array;
  /** Patches of each image that are there, of `total`; the mean, rounded down, of more images than one batch holds. */
  readonly painted: number;
  readonly total: number;
}

/** What of a run's config a painter reads. */
export type PaintedConfig = Pick<RunConfig, 'model' | 'patch' | 'sampling'> & {
  readonly images: Pick<RunConfig['images'], 'imageSize'>;
};

/** What a painter is put together of. */
export interface CodePainterParts<Config extends PaintedConfig = RunConfig> {
  readonly folder: string;
  readonly config: Config;
  readonly captions: BpeTokenizer;
  readonly patch: PatchTokenizer;
  readonly model: Dalle;
  /** The training step of the weights; 0 while they are being trained. */
  readonly step?: number;
}

/** How orders are painted. */
interface OrdersRequest extends PaintSettings {
  readonly every?: number;
  readonly previews?: boolean;
  /** Codes that are kept, [grid * grid] in raster order, -1 where the model is to paint; without a completion. */
  readonly given?: Int32Array;
}

/** A transformer and its two tokenizers. */
export class CodePainter<Config extends PaintedConfig = RunConfig> {
  /** Of the run. */
  readonly folder: string;
  readonly config: Config;
  /** Captions to ids and back. */
  readonly captions: BpeTokenizer;
  /** @internal */
  readonly patch: PatchTokenizer;
  /** The patch tokenizer as it takes pictures. */
  readonly codec: PictureCodec;
  /** @internal */
  readonly model: Dalle;
  /** The training step of the weights; 0 while they are being trained. */
  readonly step: number;
  /** Works that use the weights at this moment. */
  private uses = 0;
  private disposed = false;

  /** @internal */
  constructor(parts: CodePainterParts<Config>) {
    this.folder = parts.folder;
    this.config = parts.config;
    this.captions = parts.captions;
    this.patch = parts.patch;
    this.codec = new PictureCodec(parts.patch);
    this.model = parts.model;
    this.step = parts.step ?? 0;
  }

  /** Side of the images in pixels. */
  get imageSize(): number {
    return this.config.images.imageSize;
  }

  /** Most images that are painted at once. @internal */
  get batchSize(): number {
    return Math.max(1, Math.floor(CACHED_POSITIONS / this.model.length));
  }

  /**
   * A caption's padded ids, [captionLength] int32, and whether it was too long and has been cut.
   * @throws UserError if the caption is not text
   */
  encodeCaption(caption: string): { readonly ids: Int32Array; readonly cut: boolean } {
    checkValue('encodeCaption: caption', caption, textCheck);
    return this.captions.encodeCaption(caption, { length: this.config.model.captionLength });
  }

  /**
   * Paints a caption, yielding the images as they appear; the last yield is finished.
   * @param caption any text; '' paints without a caption. What is longer than the model reads is cut.
   * @throws UserError naming the first argument that does not fit, or that the run was disposed of
   */
  paint(caption: string, options: PaintOptions = {}): AsyncGenerator<Painting, void> {
    this.expectOpen();
    checkValue('paint: caption', caption, textCheck);
    checkOptions('paint', options, paintChecks);
    const { images = 1, firstImage = 0, seed = 0, image, keep, previews = true, ...settings } = options;
    if (image === undefined && keep !== undefined) {
      throw new UserError('paint: keep', 'expected an image whose patches are kept, got none', 'give image too');
    }
    const orders = Array.from({ length: images }, (_, i) => ({ caption, seed, number: firstImage + i }));
    const completion = image === undefined ? undefined : { image, keep: keep ?? [] };
    return this.paintBatches(orders, { ...settings, previews, completion });
  }

  /** `paintOrders` of any number, one batch after another; every yield has all of them. */
  private async *paintBatches(orders: readonly Order[], request: OrdersRequest): AsyncGenerator<Painting, void> {
    const most = this.batchSize;
    if (orders.length <= most) return yield* this.paintOrders(orders, request);
    const { codes: total } = this.model;
    const codes = new Int32Array(orders.length * total).fill(-1);
    const logProbabilities = new Float64Array(codes.length);
    const pictures: Picture[] = [];
    const [empty] = request.previews === true ? await this.decode(codes.slice(0, total)) : []; // of one not begun
    for (let from = 0; from < orders.length; from += most) {
      const batch = orders.slice(from, from + most);
      for await (const painting of this.paintOrders(batch, request)) {
        codes.set(painting.codes, from * total);
        logProbabilities.set(painting.logProbabilities, from * total);
        const finished = painting.painted === total && from + batch.length === orders.length;
        painting.pictures.forEach((picture, i) => {
          pictures[from + i] = picture;
        });
        const painted = finished ? total : Math.floor((from * total + batch.length * painting.painted) / orders.length);
        const shown = empty === undefined ? [] : orders.map((_, i) => pictures[i] ?? empty);
        const copies = { codes: codes.slice(), logProbabilities: logProbabilities.slice() };
        yield { ...copies, painted, total, pictures: finished ? [...pictures] : shown };
        this.expectOpen();
      }
    }
  }

  /**
   * Paints any pictures at once, yielding them as they appear; the last yield is finished. Captions that come again are
   * read once. Trusts its arguments.
   * @internal
   * @param request.previews whether unfinished pictures are decoded too; default false
   */
  async *paintOrders(orders: readonly Order[], request: OrdersRequest = {}): AsyncGenerator<Painting, void> {
    const { every, previews = false, completion, given } = request;
    const settings = { ...this.config.sampling, ...withoutUndefined(request) };
    const { temperature, fineTemperature, topK, topP, cfgScale } = settings;
    const texts = [...new Set(orders.map(({ caption }) => caption))];
    const places = new Map(texts.map((caption, i) => [caption, i]));
    const generated = generate(this.model, {
      ...{ temperature, fineTemperature, topK, topP, cfgScale, every },
      captions: texts.map(caption => this.idsOf(caption)),
      images: orders.map(({ caption, seed, number }) => ({ caption: places.get(caption) as number, seed, number })),
      given: completion === undefined ? given : await this.givenCodes(completion),
    });
    const total = this.model.codes;
    this.begin();
    try {
      for await (const unfinished of generated) {
        const { codes, painted } = unfinished;
        const pictures = previews || painted === total ? await this.decode(this.shown(codes)) : [];
        yield { ...unfinished, total, pictures };
        this.expectOpen();
      }
    } finally {
      this.end();
    }
  }

  /**
   * The codes of pictures of the run's size.
   * @returns [pictures, grid * grid] int32, picture by picture, each in raster order
   * @throws UserError if something is no picture, or one of another size
   */
  async encode(pictures: readonly Picture[]): Promise<Int32Array> {
    this.expectOpen();
    return this.codec.encode(pictures);
  }

  /**
   * Pictures of codes.
   * @param codes [n, grid * grid], as of `encode`; patches whose code is -1 become light grey
   * @throws UserError if they are not whole pictures, or not codes of this run's codebook
   */
  async decode(codes: Int32Array): Promise<Picture[]> {
    this.expectOpen();
    return this.codec.decode(codes);
  }

  /**
   * How likely the model finds the codes of pictures under their captions, without guidance: log p(code i | caption, the
   * codes before it). Their sum over a picture is its log-likelihood as codes.
   * @param captions one a picture; '' is no caption
   * @param codes [n, grid * grid], as of `encode`
   * @returns [n, grid * grid] in nats, at most 0
   * @throws UserError if there is not one picture's codes a caption, or something is no code of this run's codebook
   */
  async logProbabilities(captions: readonly string[], codes: Int32Array): Promise<Float64Array> {
    this.expectOpen();
    checkValue('logProbabilities: captions', captions, captionsCheck);
    this.codec.checkCodes('logProbabilities', codes, 0);
    const count = captions.length * this.model.codes;
    if (codes.length !== count) {
      throw new UserError('logProbabilities: codes', `expected ${count}, those of a picture each, got ${codes.length}`);
    }
    return this.use(() =>
      logProbabilities(
        this.model,
        captions.map(caption => this.idsOf(caption)),
        codes,
      ),
    );
  }

  /** The codes as they are looked at before all are there: of coarse ones first, a mosaic that becomes finer. */
  private shown(codes: Int32Array): Int32Array {
    return this.config.model.order === 'interlaced' ? fillFromCoarser(codes, this.patch.grid) : codes;
  }

  /** The ids that the model reads for a caption. */
  private idsOf(caption: string): Int32Array {
    return caption === '' ? this.model.emptyCaption() : this.encodeCaption(caption).ids;
  }

  private async givenCodes({ image, keep }: Completion): Promise<Int32Array> {
    const codes = await this.encode([image]);
    if (keep.length !== codes.length) {
      throw new UserError('paint', `keep: expected ${codes.length} patches, got ${keep.length || 'none'}`);
    }
    return codes.map((code, i) => (keep[i] ? code : -1));
  }

  /** Frees the weights, once what uses them has come to its next step. Whatever is asked of it then is refused. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    if (this.uses === 0) this.free();
  }

  private free(): void {
    this.model.dispose();
    this.codec.dispose();
  }

  private begin(): void {
    this.expectOpen();
    this.uses++;
  }

  private end(): void {
    this.uses--;
    if (this.disposed && this.uses === 0) this.free();
  }

  private async use<T>(work: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  private expectOpen(): void {
    if (this.disposed) throw new UserError('Tessera', `${this.folder} was disposed of`, 'load it again');
  }
}

const captionsCheck = listCheck('captions', textCheck);

const paintChecks = {
  images: wholeCheck({ least: 1, most: 10000 }),
  firstImage: wholeCheck({ least: 0 }),
  every: wholeCheck({ least: 1 }),
  previews: booleanCheck,
  image: pictureCheck(),
  keep: listCheck('true or false', booleanCheck),
  ...samplingChecks,
};

function withoutUndefined<T extends object>(values: T): T {
  // Only what is undefined is left out, so the type stays.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
