/**
 * @file The painter of families that make a whole image at once from the features of its caption. What differs between
 * them is their technique.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { RunConfig } from '../config/run.ts';
import { Random } from '../core/random.ts';
import type { Picture } from '../image/images.ts';
import { signedToUnit, tensorToImages } from '../image/pixels.ts';
import { type CaptionedBatch, type CaptionedStream, CaptionFeatures, withFeatures } from '../training/captioned.ts';
import type { Making, TextEncoder, TrainingData } from './family.ts';
import { ordersOf } from './orders.ts';
import type { Painter, PainterOptions } from './painter.ts';
import { type Batch, type BatchPainter, PaintQueue } from './queue.ts';

/** How one kind of model paints. */
export interface Technique {
  readonly parameters: number;
  readonly passes: number;
  readonly settings: string;
  /**
   * @param text of each image's caption, [n, dim]; @param randoms one stream an image
   * @param batch of n orders, all with a caption or all without
   * @returns [n, S, S, 3] in [-1, 1], owned by the caller
   */
  paint(text: Float32Array, randoms: readonly Random[], batch: Batch): Promise<tf.Tensor>;
  dispose(): void;
}

/** Most images painted at once. */
export const MOST_AT_ONCE = 32;

/** Reads the captions, draws an image's numbers from a stream of its own, and turns what comes into pictures. */
class WholeImageBrush implements BatchPainter {
  readonly batchSize = MOST_AT_ONCE;
  private readonly text: TextEncoder;
  private readonly technique: Technique;

  constructor(text: TextEncoder, technique: Technique) {
    this.text = text;
    this.technique = technique;
  }

  /** Guidance is the same for all images of a pass, and without a caption there is none. */
  kindOf(caption: string): string {
    return caption === '' ? 'uncaptioned' : 'captioned';
  }

  async paint(batch: Batch): Promise<readonly Picture[]> {
    const { orders } = batch;
    const text = await this.text.encode(orders.map(({ caption }) => caption));
    const randoms = orders.map(({ caption, seed, number }) => new Random(seed).fork(`image/${caption}`, number));
    const painted = await this.technique.paint(text, randoms, batch);
    const pixels = tf.tidy(() => signedToUnit(painted));
    const images = await tensorToImages(pixels);
    painted.dispose();
    pixels.dispose();
    return images.pictures();
  }
}

export class WholeImagePainter implements Painter {
  readonly family: string;
  readonly run: string;
  readonly config: RunConfig;
  readonly imageSize: number;
  readonly step: number;
  private readonly text: TextEncoder;
  private readonly technique: Technique;
  private readonly queue: PaintQueue;

  constructor({ config, folder, parts, step }: Making<'text'>, technique: Technique) {
    this.family = config.family;
    this.run = folder;
    this.config = config;
    this.imageSize = config.images.imageSize;
    this.step = step;
    this.text = parts.text;
    this.technique = technique;
    this.queue = new PaintQueue(new WholeImageBrush(parts.text, technique), folder);
  }

  get parameters(): number {
    return this.technique.parameters + this.text.parameters;
  }

  get passes(): number {
    return this.technique.passes;
  }

  get settings(): string {
    return this.technique.settings;
  }

  cutAt(): undefined {
    return undefined;
  }

  async paint(captions: readonly string[], options: PainterOptions = {}): Promise<Picture[]> {
    return this.queue.paint(ordersOf(this, captions, options), options);
  }

  dispose(): void {
    this.queue.close(() => {
      this.technique.dispose();
      this.text.dispose();
    });
  }
}

/** Training data with the features of captions in the captions' place. */
export async function featuredData(
  { config, parts }: Making<'text'>,
  data: TrainingData,
): Promise<{ readonly stream: CaptionedStream; readonly heldOut: CaptionedBatch }> {
  const { batchSize, balance } = config.train;
  const features = new CaptionFeatures(parts.text.encode, parts.text.dim);
  const { images, captions } = await data.heldOut();
  return {
    stream: withFeatures(await data.stream({ batchSize, balance }), features),
    heldOut: { images, text: await features.of(captions) },
  };
}
