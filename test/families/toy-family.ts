/**
 * @file A model family in one file outside the program: the words of a caption, hashed, times a matrix are a picture of a few
 * coloured tiles. It paints the same picture of a caption every time but for a little grain.
 */
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import {
  type Batch,
  type BatchPainter,
  defineFamily,
  type Making,
  type Metrics,
  type Model,
  type NamedValues,
  ordersOf,
  type Painter,
  type PainterOptions,
  PaintQueue,
  Parameters,
  type Picture,
  Random,
  type Task,
  type TrainingData,
} from '../../src/index.ts';

const tilesSchema = z.object({
  buckets: z.number().int().positive().default(64).describe('words are told apart by so many hashes'),
  side: z.number().int().positive().default(4).describe('tiles along a side of the picture'),
  grain: z.number().min(0).max(1).default(0.02).describe('deviation of the noise that is painted over them'),
});

declare module '../../src/config/run.ts' {
  interface Sections {
    tiles: typeof tilesSchema;
  }
}

defineFamily({
  name: 'tiles',
  sections: { tiles: tilesSchema },
  defaults: { train: { optimizer: 'adamw', lr: 0.1, warmup: 0, ema: 0, evalEvery: 10, saveEvery: 10 } },
  stages: [],
  sampling: () => ({}),
  validation: { curves: ['val_loss'], untaught: () => 1, suffices: true },
  words: {
    title: 'tiles',
    paints: 'a matrix paints all tiles at once',
    colour: { light: '#7a6a00', dark: '#d8c95a' },
    loss: 'squared error',
    noLikelihood: 'tiles have no likelihood',
    progress: ({ val_loss: loss }) => (loss === undefined ? undefined : `held out ${loss.toFixed(4)}`),
  },
  planning: {
    rungs: [
      { imageSize: 32, fields: { tiles: { side: 4 } }, steps: 100 },
      { imageSize: 64, fields: { tiles: { side: 16 } }, steps: 1000 },
    ],
    fieldsFor: ({ captionIds }) => ({ tiles: { buckets: 16 * captionIds } }),
    regularisation: [{ kind: 'drawings', below: 100, fields: { tiles: { grain: 0.1 } } }],
    // A product of the words with the matrix: two operations a number, three times with its gradients.
    operations: ({ tiles: { buckets, side } }) => 3 * 2 * buckets * side ** 2 * 3,
    passes: () => ({ painting: 5, checking: 2, validation: 1, validatedAtMost: 40 }),
    network: ({ tiles: { buckets } }) => `${buckets} buckets`,
  },
  create: async making => new Tiles(making),
});

class Tiles implements Model {
  readonly painter: Painter;
  readonly parameters: Parameters;
  private readonly making: Making<never>;
  private readonly matrix: tf.Variable; // [buckets, side * side * 3]

  constructor(making: Making<never>) {
    const { buckets, side } = making.config.tiles;
    this.making = making;
    this.parameters = new Parameters(making.random);
    this.matrix = this.parameters.normal('matrix', [buckets, side * side * 3], 0.01);
    this.painter = new TilesPainter(making, this);
  }

  /** @returns [n, side * side * 3] in [0, 1], owned by the caller */
  predict(captions: readonly string[]): tf.Tensor {
    const { buckets } = this.making.config.tiles;
    return tf.tidy(() => {
      const words = tf.tensor2d(countWords(captions, buckets), [captions.length, buckets]);
      return tf.sigmoid(tf.matMul(words, this.matrix as tf.Tensor2D));
    });
  }

  async task(data: TrainingData): Promise<Task> {
    const { batchSize } = this.making.config.train;
    const stream = await data.stream({ batchSize });
    const heldOut = await data.heldOut();
    const lossOf = ({ images, captions }: typeof heldOut) =>
      tf.mean(tf.squaredDifference(this.predict(captions), this.pooled(images.bytes)));
    return {
      parameters: this.parameters,
      unit: 'images',
      unitsPerStep: batchSize,
      imagesPerStep: batchSize,
      batch: async () => {
        const batch = await stream.next();
        return () => ({ loss: lossOf(batch), metrics: {} });
      },
      evaluate: async (): Promise<Metrics & { readonly loss: number }> => {
        const loss = tf.tidy(() => lossOf(heldOut));
        const [value] = await loss.data();
        loss.dispose();
        return { loss: value };
      },
      save: () => ({ arrays: new Map(), values: stream.state() }),
      restore: (_, values) => stream.restore(values),
    };
  }

  load(values: NamedValues, where: string): void {
    this.parameters.load(values, where);
  }

  dispose(): void {
    this.parameters.dispose();
  }

  /** Mean colours of the tiles of some images. @returns [n, side * side * 3] in [0, 1] */
  private pooled(bytes: Uint8Array): tf.Tensor {
    const { images, tiles: settings } = this.making.config;
    const { imageSize: S } = images;
    const pixels = tf.tensor4d(
      Float32Array.from(bytes, byte => byte / 255),
      [bytes.length / (S * S * 3), S, S, 3],
    );
    const means = tf.avgPool(pixels, S / settings.side, S / settings.side, 'valid');
    return tf.reshape(means, [means.shape[0], settings.side ** 2 * 3]);
  }
}

class TilesPainter implements Painter {
  readonly family = 'tiles';
  readonly run: string;
  readonly config: Painter['config'];
  readonly imageSize: number;
  readonly step: number;
  readonly passes = 1;
  readonly settings = '';
  private readonly model: Tiles;
  private readonly queue: PaintQueue;

  constructor({ config, folder, step }: Making<never>, model: Tiles) {
    this.queue = new PaintQueue(new TilesBrush(config, model), folder);
    this.run = folder;
    this.config = config;
    this.imageSize = config.images.imageSize;
    this.step = step;
    this.model = model;
  }

  get parameters(): number {
    return this.model.parameters.count();
  }

  cutAt(): undefined {
    return undefined;
  }

  async paint(captions: readonly string[], options: PainterOptions = {}): Promise<Picture[]> {
    return this.queue.paint(ordersOf(this, captions, options), options);
  }

  dispose(): void {
    this.queue.close(() => this.model.dispose());
  }
}

class TilesBrush implements BatchPainter {
  readonly batchSize = 32;
  private readonly config: Painter['config'];
  private readonly model: Tiles;

  constructor(config: Painter['config'], model: Tiles) {
    this.config = config;
    this.model = model;
  }

  async paint({ orders }: Batch): Promise<Picture[]> {
    const { tiles, images } = this.config;
    const { side, grain } = tiles;
    const S = images.imageSize;
    const colours = this.model.predict(orders.map(({ caption }) => caption));
    const values = await colours.data();
    colours.dispose();
    return orders.map(({ caption, seed, number }, i) => {
      const noise = new Random(seed).fork(caption, number).normals(S * S * 3, grain);
      const data = Uint8Array.from(noise, (value, at) => {
        const [y, x, channel] = [Math.floor(at / (S * 3)), Math.floor(at / 3) % S, at % 3];
        const tile = Math.floor((y * side) / S) * side + Math.floor((x * side) / S);
        return Math.max(0, Math.min(255, Math.round(255 * (value + values[(i * side ** 2 + tile) * 3 + channel]))));
      });
      return { width: S, height: S, data };
    });
  }
}

/** @returns [n, buckets] how often each hash comes up among a caption's words */
function countWords(captions: readonly string[], buckets: number): Float32Array {
  const counts = new Float32Array(captions.length * buckets);
  captions.forEach((caption, i) => {
    for (const word of caption.split(/\s+/)) {
      let hash = 0;
      for (const letter of word) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
      counts[i * buckets + (hash % buckets)]++;
    }
  });
  return counts;
}
