/**
 * @file Painting captions code by code, with previews and completion. Joins the two tokenizers and the model; knows nothing
 * of files, data sets, flags or terminals.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { RunConfig } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { fill, Images, type Picture } from '../../image/images.ts';
import { imagesToTensor, tensorToImages } from '../../image/pixels.ts';
import type { Completion, Order, PaintSettings } from '../queue.ts';
import type { Dalle } from './dalle.ts';
import { generate, type SamplingOptions } from './generate.ts';

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
  /** One picture an image; patches that are not painted yet are light grey. Empty where previews are off. */
  readonly pictures: readonly Picture[];
  /** [images, grid * grid], -1 where nothing has been painted. */
  readonly codes: Int32Array;
  /** Patches of each image that are there, of `total`. */
  readonly painted: number;
  readonly total: number;
}

export interface CodePainterParts {
  readonly folder: string;
  readonly config: RunConfig;
  readonly captions: BpeTokenizer;
  readonly patch: PatchTokenizer;
  readonly model: Dalle;
  /** The training step of the weights; 0 while they are being trained. */
  readonly step?: number;
}

/** A transformer and its two tokenizers. */
export class CodePainter {
  readonly folder: string;
  readonly config: RunConfig;
  readonly captions: BpeTokenizer;
  readonly patch: PatchTokenizer;
  readonly model: Dalle;
  readonly step: number;

  constructor(parts: CodePainterParts) {
    this.folder = parts.folder;
    this.config = parts.config;
    this.captions = parts.captions;
    this.patch = parts.patch;
    this.model = parts.model;
    this.step = parts.step ?? 0;
  }

  /** Side of the images in pixels. */
  get imageSize(): number {
    return this.config.images.imageSize;
  }

  /** A caption's padded ids, and whether it was too long and has been cut. */
  encodeCaption(caption: string): { readonly ids: Int32Array; readonly cut: boolean } {
    return this.captions.encodeCaption(caption, { length: this.config.model.captionLength });
  }

  /**
   * Paints a caption, yielding the images as they appear; the last yield is finished.
   * @param caption any text; '' paints without a caption
   */
  async *paint(caption: string, options: PaintOptions = {}): AsyncGenerator<Painting, void> {
    const { images = 1, firstImage = 0, seed = 0, image, keep, previews = true, ...settings } = options;
    const orders = Array.from({ length: images }, (_, i) => ({ caption, seed, number: firstImage + i }));
    const completion = image === undefined ? undefined : { image, keep: keep ?? [] };
    yield* this.paintOrders(orders, { ...settings, previews, completion });
  }

  /**
   * Paints any pictures at once, yielding them as they appear; the last yield is finished. Captions that come again are
   * read once.
   * @param request.previews whether unfinished pictures are decoded too; default false
   */
  async *paintOrders(
    orders: readonly Order[],
    request: PaintSettings & { readonly every?: number; readonly previews?: boolean } = {},
  ): AsyncGenerator<Painting, void> {
    const { every, previews = false, completion } = request;
    const { temperature, topK, topP, cfgScale } = { ...this.config.sampling, ...withoutUndefined(request) };
    const texts = [...new Set(orders.map(({ caption }) => caption))];
    const places = new Map(texts.map((caption, i) => [caption, i]));
    const generated = generate(this.model, {
      ...{ temperature, topK, topP, cfgScale, every },
      captions: texts.map(caption => (caption === '' ? this.model.emptyCaption() : this.encodeCaption(caption).ids)),
      images: orders.map(({ caption, seed, number }) => ({ caption: places.get(caption) as number, seed, number })),
      given: completion === undefined ? undefined : await this.givenCodes(completion),
    });
    const total = this.model.codes;
    for await (const { codes, painted } of generated) {
      yield { codes, painted, total, pictures: previews || painted === total ? await this.decode(codes) : [] };
    }
  }

  /** The codes of pictures of the run's size, [pictures, grid * grid]. */
  async encode(pictures: readonly Picture[]): Promise<Int32Array> {
    const S = this.imageSize;
    for (const { width, height } of pictures) {
      if (width !== S || height !== S) {
        throw new UserError('encode', `expected ${S} x ${S} pixels, got ${width} x ${height}`);
      }
    }
    const images = imagesToTensor(Images.of(pictures));
    const codes = this.patch.encode(images);
    const result = (await codes.data()) as Int32Array;
    images.dispose();
    codes.dispose();
    return result;
  }

  /**
   * How unlikely the model finds pictures given their captions.
   * @param pictures of the run's size; @param captions one a picture; '' is no caption
   * @returns mean nats a code
   */
  async nats(pictures: readonly Picture[], captions: readonly string[]): Promise<number> {
    const { captionLength } = this.config.model;
    const ids = new Int32Array(captions.length * captionLength);
    captions.forEach((caption, i) => {
      ids.set(caption === '' ? this.model.emptyCaption() : this.encodeCaption(caption).ids, i * captionLength);
    });
    const codes = await this.encode(pictures);
    const image = tf.tidy(() => this.model.loss({ captions: ids, codes }).image);
    const [nats] = await image.data();
    image.dispose();
    return nats;
  }

  /** Pictures of codes [n, grid * grid]; patches whose code is -1 are light grey. */
  async decode(codes: Int32Array): Promise<Picture[]> {
    const { grid } = this.config.patch;
    const N = grid * grid;
    const n = codes.length / N;
    // A patch that is not there yet shows through its neighbours' convolutions as little as the code of its left one.
    const filled = Int32Array.from(codes, (code, i) => (code >= 0 ? code : lastBefore(codes, i - (i % N), i)));
    const ids = tf.tensor2d(filled, [n, N], 'int32');
    const images = this.patch.decode(ids);
    const pictures = (await tensorToImages(images)).pictures();
    ids.dispose();
    images.dispose();
    const side = this.imageSize / grid;
    codes.forEach((code, i) => {
      if (code >= 0) return;
      const place = i % N;
      const box = { left: (place % grid) * side, top: Math.floor(place / grid) * side, width: side, height: side };
      fill(pictures[Math.floor(i / N)], box, UNPAINTED);
    });
    return pictures;
  }

  private async givenCodes({ image, keep }: Completion): Promise<Int32Array> {
    const codes = await this.encode([image]);
    if (keep.length !== codes.length) {
      throw new UserError('paint', `keep: expected ${codes.length} patches, got ${keep.length || 'none'}`);
    }
    return codes.map((code, i) => (keep[i] ? code : -1));
  }

  /** Frees the parameters. */
  dispose(): void {
    this.model.dispose();
    this.patch.dispose();
  }
}

function withoutUndefined<T extends object>(values: T): T {
  // Only what is undefined is left out, so the type stays.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

const UNPAINTED = [235, 235, 235] as const;

function lastBefore(codes: Int32Array, first: number, index: number): number {
  for (let i = index - 1; i >= first; i--) if (codes[i] >= 0) return codes[i];
  return 0;
}
