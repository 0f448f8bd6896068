/**
 * @file Training the diffusion model on captioned images: which noise a step adds and which captions it leaves out, and
 * the denoising loss on held-out images, always at the same levels and with the same noise, so that evaluations can be
 * compared.
 */
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../core/random.ts';
import { hearSignal } from '../../core/stopping.ts';
import { imagesToSignedTensor } from '../../image/pixels.ts';
import type { TensorData } from '../../io/safetensors.ts';
import type { Parameters } from '../../nn/module.ts';
import { BatchParts, type CaptionedBatch, type CaptionedStream } from '../../training/captioned.ts';
import { FEW_ITEMS } from '../../training/few.ts';
import type { Metrics } from '../../training/measured.ts';
import type { Losses } from '../../training/moves.ts';
import type { Task } from '../../training/task.ts';
import type { Diffusion } from './diffusion.ts';

export interface DiffusionTaskOptions {
  /** Images a step, over all parts. */
  readonly batchSize: number;
  /** Parts of a step; default 1. */
  readonly accumulate?: number;
  /** Most held-out images that an evaluation looks at; default 256. */
  readonly evaluateAtMost?: number;
}

/** Normal quantiles at (i + 1/2) / 8: evaluations look at equal shares of the training levels, from little noise to much. */
const QUANTILES = [-1.5341205, -0.8871466, -0.4887764, -0.1573107, 0.1573107, 0.4887764, 0.8871466, 1.5341205];
/** Names of the bands that two neighbouring quantiles share. */
const BANDS = ['least', 'less', 'more', 'most'];
/** Of an image in an evaluation, this far apart among the quantiles. */
const LEVELS_APART = 4;

export class DiffusionTask implements Task {
  readonly parameters: Parameters;
  readonly unit = 'images';
  readonly unitsPerStep: number;
  readonly imagesPerStep: number;
  readonly flopsPerStep: number;
  private readonly model: Diffusion;
  private readonly stream: CaptionedStream;
  private readonly parts: BatchParts;
  private readonly heldOut: CaptionedBatch;
  private readonly options: DiffusionTaskOptions;

  /** @param stream its batches are those of whole steps */
  constructor(model: Diffusion, stream: CaptionedStream, heldOut: CaptionedBatch, options: DiffusionTaskOptions) {
    this.model = model;
    this.parameters = model.parameters;
    this.stream = stream;
    this.parts = new BatchParts(stream, options.accumulate ?? 1);
    this.heldOut = heldOut;
    this.options = options;
    this.unitsPerStep = options.batchSize;
    this.imagesPerStep = options.batchSize;
    // Backward: the gradients of inputs and of weights, each as much as the pass forward.
    this.flopsPerStep = 3 * options.batchSize * model.flops;
  }

  async batch(_: number, part: number): Promise<(random: Random, wholeStep: Random) => Losses> {
    const { images, text } = await this.parts.take(part);
    const { batchSize } = this.options;
    const { captionDrop } = this.model.config;
    const { textDim } = this.model.shape;
    return (random, wholeStep) => {
      const pictures = imagesToSignedTensor(images);
      const [B] = pictures.shape;
      const ofThisPart = <T extends Float32Array>(values: T, each = 1) =>
        values.subarray(part * B * each, (part + 1) * B * each); // of those of the whole batch
      const draws = ofThisPart(wholeStep.fork('levels').normals(batchSize));
      const dropping = wholeStep.fork('captions');
      const keep = ofThisPart(
        Float32Array.from({ length: batchSize }, () => (dropping.uniform() < captionDrop ? 0 : 1)),
      );
      const pixels = pictures.size / B;
      const noise = tf.tensor(ofThisPart(wholeStep.fork('noise').normals(batchSize * pixels), pixels), pictures.shape);
      const losses = this.model.losses(
        pictures,
        noise,
        Array.from(draws, draw => this.model.level(draw)),
        { text: tf.tensor2d(text, [B, textDim]), keep: tf.tensor2d(keep, [B, 1]), random: random.fork('dropout') },
      );
      return { loss: tf.mean(losses), metrics: {} };
    };
  }

  /**
   * The training loss over held-out images with their captions, each at two of eight fixed levels: 1 for a network that has
   * learned nothing (edm, at a data deviation of sigmaData). Also by the amount of noise, least to most.
   */
  async evaluate(signal?: AbortSignal): Promise<Metrics & { readonly loss: number }> {
    const { imageSize: S, textDim } = this.model.shape;
    const { images, text } = this.heldOut;
    const n = Math.min(text.length / textDim, this.options.evaluateAtMost ?? 256);
    const sums = BANDS.map(() => ({ sum: 0, count: 0 }));
    const size = Math.max(1, Math.floor(2 ** 18 / (3 * S * S)));
    for (let from = 0; from < n; from += size) {
      await hearSignal(signal);
      const to = Math.min(n, from + size);
      const part = images.slice(from, to);
      for (const shift of [0, LEVELS_APART]) {
        const which = Array.from({ length: to - from }, (_, i) => (from + i + shift) % QUANTILES.length);
        const losses = tf.tidy(() => {
          const pictures = imagesToSignedTensor(part);
          return this.model.losses(
            pictures,
            tf.tensor(new Random(0).fork(`evaluation/${shift}`, from).normals(pictures.size), pictures.shape),
            which.map(q => this.model.level(QUANTILES[q])),
            { text: tf.tensor2d(text.slice(from * textDim, to * textDim), [to - from, textDim]) },
          );
        });
        const values = await losses.data();
        which.forEach((q, i) => {
          const band = sums[Math.floor((q * BANDS.length) / QUANTILES.length)];
          band.sum += values[i];
          band.count++;
        });
        losses.dispose();
      }
    }
    const few: Metrics = n > 0 && n < FEW_ITEMS ? { items: n } : {};
    const bands = sums.flatMap(({ sum, count }, i) =>
      count === 0 ? [] : [[`loss_${BANDS[i]}`, sum / count] as const],
    );
    // Bands count alike, however many images there are of each.
    const loss = bands.reduce((sum, [, value]) => sum + value, 0) / bands.length;
    return { loss, ...Object.fromEntries(bands), ...few };
  }

  save(): { arrays: ReadonlyMap<string, TensorData>; values: unknown } {
    return { arrays: new Map(), values: this.stream.state() };
  }

  restore(_: ReadonlyMap<string, TensorData>, values: unknown): void {
    this.stream.restore(values);
  }
}
