/**
 * @file The painter of families that make a whole image at once from the features of its caption. What differs between
 * them is their brush.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { RunConfig } from '../config/run.ts';
import { Random } from '../core/random.ts';
import { fromFloats, type Picture } from '../image/images.ts';
import { type CaptionedBatch, type CaptionedStream, CaptionFeatures, withFeatures } from '../training/captioned.ts';
import type { Making, TrainingData } from './family.ts';
import { imageNumbers, type Painter, type PainterOptions } from './painter.ts';

/** How one kind of model paints. */
export interface Brush {
  readonly parameters: number;
  readonly passes: number;
  readonly settings: string;
  /**
   * @param text [n, dim] features of the captions, rows of zeros where `captioned` is false; @param randoms one stream an image
   * @returns [n, S, S, 3] in [-1, 1], owned by the caller
   */
  paint(
    text: Float32Array,
    randoms: readonly Random[],
    options: PainterOptions & { readonly captioned: boolean },
  ): Promise<tf.Tensor>;
  dispose(): void;
}

/** Images painted at once: a brush is given at most so many. */
export const PIECE = 32;

export class WholeImagePainter implements Painter {
  readonly family: string;
  readonly run: string;
  readonly config: RunConfig;
  readonly imageSize: number;
  readonly step: number;
  private readonly text: Making<'text'>['parts']['text'];
  private readonly brush: Brush;

  constructor({ config, folder, parts, step }: Making<'text'>, brush: Brush) {
    this.family = config.family;
    this.run = folder;
    this.config = config;
    this.imageSize = config.images.imageSize;
    this.step = step;
    this.text = parts.text;
    this.brush = brush;
  }

  get parameters(): number {
    return this.brush.parameters + this.text.parameters;
  }

  get passes(): number {
    return this.brush.passes;
  }

  get settings(): string {
    return this.brush.settings;
  }

  cutAt(): undefined {
    return undefined;
  }

  async paint(captions: readonly string[], options: PainterOptions = {}): Promise<Picture[]> {
    const numbers = imageNumbers(captions, options);
    const pictures = new Array<Picture>(captions.length);
    let done = 0;
    // Guidance is the same for all images of a pass, and without a caption there is none.
    for (const captioned of [true, false]) {
      const places = [...captions.keys()].filter(i => (captions[i] !== '') === captioned);
      for (let first = 0; first < places.length; first += PIECE) {
        const some = places.slice(first, first + PIECE);
        const text = await this.text.encode(some.map(i => captions[i]));
        const randoms = some.map(i => new Random(options.seed ?? 0).fork(`image/${captions[i]}`, numbers[i]));
        const painted = await this.brush.paint(text, randoms, { ...options, captioned });
        const pixels = tf.tidy(() => tf.add(tf.mul(painted, 0.5), 0.5));
        const values = (await pixels.data()) as Float32Array;
        fromFloats(values, this.imageSize, this.imageSize).forEach((picture, i) => {
          pictures[some[i]] = picture;
        });
        painted.dispose();
        pixels.dispose();
        done += some.length;
        options.onProgress?.(done, captions.length);
      }
    }
    return pictures;
  }

  dispose(): void {
    this.brush.dispose();
    this.text.dispose();
  }
}

/** Training data with the features of captions in the captions' place. */
export async function featuredData(
  { config, parts }: Making<'text'>,
  data: TrainingData,
): Promise<{ readonly stream: CaptionedStream; readonly heldOut: CaptionedBatch }> {
  const { batchSize, accumulate, balance } = config.train;
  const features = new CaptionFeatures(parts.text.encode, parts.text.dim);
  const { images, captions } = await data.heldOut();
  return {
    stream: withFeatures(await data.stream({ batchSize: batchSize / accumulate, balance }), features),
    heldOut: { images, text: await features.of(captions) },
  };
}
