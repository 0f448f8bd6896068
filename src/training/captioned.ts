/**
 * @file Captioned images as GANs and diffusion models are trained on them: pixels, and instead of the caption the features
 * that a frozen text encoder has for it. Knows the stream of images by its interface only.
 */

import type { Images } from '../image/images.ts';

/** Some images and a caption of each. */
export interface CaptionedImages {
  readonly images: Images;
  readonly captions: readonly string[];
}

/** Where training images come from. */
export interface ImageStream {
  next(): Promise<CaptionedImages>;
  /** A small value that `restore` takes, so that a resumed run sees the images that an unbroken one would. */
  state(): unknown;
  restore(state: unknown): void;
}

/** The features of captions, [n, dim], each of length sqrt(dim) so that its entries are about 1. */
export type EncodeCaptions = (captions: readonly string[]) => Promise<Float32Array>;

/** Images with the features of their captions. */
export interface CaptionedBatch {
  readonly images: Images;
  /** [B, dim]. */
  readonly text: Float32Array;
}

/** As `ImageStream`, with features for captions. */
export interface CaptionedStream {
  next(): Promise<CaptionedBatch>;
  state(): unknown;
  restore(state: unknown): void;
}

/** Most captions whose features are kept: 64 MiB at 128 features. */
const KEPT = 131072;

/** Encodes captions once: the encoder is frozen, and epochs bring the same captions again. */
export class CaptionFeatures {
  private readonly encode: EncodeCaptions;
  private readonly dim: number;
  private readonly known = new Map<string, Float32Array>();

  constructor(encode: EncodeCaptions, dim: number) {
    this.encode = encode;
    this.dim = dim;
  }

  /** @returns [n, dim] */
  async of(captions: readonly string[]): Promise<Float32Array> {
    const unknown = [...new Set(captions)].filter(caption => !this.known.has(caption));
    if (this.known.size + unknown.length > KEPT) this.known.clear();
    const missing = unknown.length > 0 && this.known.size === 0 ? [...new Set(captions)] : unknown;
    if (missing.length > 0) {
      const rows = await this.encode(missing);
      missing.forEach((caption, i) => {
        this.known.set(caption, rows.slice(i * this.dim, (i + 1) * this.dim));
      });
    }
    const result = new Float32Array(captions.length * this.dim);
    captions.forEach((caption, i) => {
      result.set(this.known.get(caption) as Float32Array, i * this.dim);
    });
    return result;
  }
}

/** Puts the features in the captions' place. */
export function withFeatures(stream: ImageStream, features: CaptionFeatures): CaptionedStream {
  return {
    next: async () => {
      const { images, captions } = await stream.next();
      return { images, text: await features.of(captions) };
    },
    state: () => stream.state(),
    restore: state => stream.restore(state),
  };
}

/**
 * The batches of a stream in the parts that a step is computed in: what a step sees does not depend on how many there are.
 * The parts of a step are taken in their order.
 */
export class BatchParts {
  private readonly stream: CaptionedStream;
  private readonly parts: number;
  private whole: CaptionedBatch | undefined;

  /** @param stream its batches are those of whole steps; @param parts how many a batch is cut into */
  constructor(stream: CaptionedStream, parts: number) {
    this.stream = stream;
    this.parts = parts;
  }

  /** @param part from 0 to parts - 1 */
  async take(part: number): Promise<CaptionedBatch> {
    if (part === 0) this.whole = await this.stream.next();
    if (this.whole === undefined) throw new Error('BatchParts.take: part 0 comes first');
    const { images, text } = this.whole;
    const [size, dim] = [images.count / this.parts, text.length / images.count];
    const [from, to] = [part * size, (part + 1) * size];
    return { images: images.slice(from, to), text: text.subarray(from * dim, to * dim) };
  }
}
