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
import { framesOf, slerp } from './interpolation.ts';
import { ordersOf } from './orders.ts';
import type { InterpolateOptions, Keyframe, Painter, PainterOptions } from './painter.ts';
import { type Batch, type BatchPainter, type Order, PaintQueue } from './queue.ts';

/** How one kind of model paints. */
export interface Technique {
  readonly parameters: number;
  readonly passes: number;
  readonly settings: string;
  /** Standard normal numbers that an image is made of. */
  readonly noiseSize: number;
  /**
   * @param text of each image's caption, [n, dim]; @param noise of each image, [n, noiseSize]
   * @param batch of n orders, all with a caption or all without
   * @returns [n, S, S, 3] in [-1, 1], owned by the caller
   */
  paint(text: Float32Array, noise: Float32Array, batch: Batch): Promise<tf.Tensor>;
  dispose(): void;
}

/** Most images painted at once. */
export const MOST_AT_ONCE = 32;

/** Reads the captions, draws an image's noise from a stream of its own, and turns what comes into pictures. */
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
    const painted = await this.technique.paint(await this.textOf(orders), this.noiseOf(orders), batch);
    const pixels = tf.tidy(() => signedToUnit(painted));
    const images = await tensorToImages(pixels);
    painted.dispose();
    pixels.dispose();
    return images.pictures();
  }

  /** [n, dim] */
  private async textOf(orders: readonly Order[]): Promise<Float32Array> {
    const captions = orders.flatMap(({ caption, towards }) => [caption, ...(towards ? [towards.order.caption] : [])]);
    const rows = await this.text.encode(captions);
    const { dim } = this.text;
    let row = 0;
    const next = () => rows.subarray(row * dim, ++row * dim);
    return onTheWay(orders, dim, next);
  }

  /** [n, noiseSize] */
  private noiseOf(orders: readonly Order[]): Float32Array {
    const { noiseSize } = this.technique;
    return onTheWay(orders, noiseSize, ({ caption, seed, number }) =>
      new Random(seed).fork(`image/${caption}`, number).normals(noiseSize),
    );
  }
}

/** A row an order: its own, or that of a place between it and another. @param rowOf called for each order, and then for the other */
function onTheWay(orders: readonly Order[], size: number, rowOf: (order: Order) => Float32Array): Float32Array {
  const rows = new Float32Array(orders.length * size);
  orders.forEach((order, i) => {
    const own = rowOf(order);
    const { towards } = order;
    rows.set(towards === undefined ? own : slerp([own, rowOf(towards.order)], towards.share), i * size);
  });
  return rows;
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

  async interpolate(keyframes: readonly Keyframe[], options: InterpolateOptions): Promise<Picture[]> {
    return this.queue.paint(framesOf(this, keyframes, options), options);
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
