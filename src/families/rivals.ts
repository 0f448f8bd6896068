/**
 * @file The rivals as the rest of the house sees them: what paints, what trains, and which of the weights painting needs.
 * Captions reach them as features of the frozen text encoder.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Family, RunConfig } from '../config/run.ts';
import { Random } from '../core/random.ts';
import type { Picture } from '../image/images.ts';
import { signedToUnit, tensorToImages } from '../image/pixels.ts';
import type { NamedValues } from '../nn/module.ts';
import type { CaptionedBatch, CaptionedStream, EncodeCaptions } from '../training/captioned.ts';
import type { Task, Weights } from '../training/loop.ts';
import type { Contrastive } from './contrastive/contrastive.ts';
import { type CaptionEncoder, encodeCaptions } from './contrastive/frozen.ts';
import { Diffusion, samplingPasses } from './diffusion/diffusion.ts';
import { DiffusionTask } from './diffusion/task.ts';
import { Gan } from './gan/gan.ts';
import { GanTask } from './gan/task.ts';
import { ordersOf, type Painter, type PainterOptions } from './painter.ts';
import { type Batch, type BatchPainter, PaintQueue } from './queue.ts';

/** A GAN or a diffusion model. */
export interface Rival {
  readonly painter: Painter;
  task(stream: CaptionedStream, heldOut: CaptionedBatch): Task;
  /** Those of all trained weights that painting needs. */
  painting(weights: Weights): Weights;
  /** Takes over what `painting` gave. @param where the file, for errors */
  load(values: NamedValues, where: string): void;
}

interface Surroundings {
  readonly folder: string;
  /** The frozen text encoder. */
  readonly encode: EncodeCaptions;
  /** Numbers of the encoder that painting needs. */
  readonly encoderParameters?: number;
  /** The training step of the weights. */
  readonly step?: number;
  readonly onDispose?: () => void;
}

/** What a text encoder makes of captions; '' is a row of zeros. */
export function captionEncoder(model: Contrastive, encoder: CaptionEncoder): EncodeCaptions {
  const { dim } = model.config;
  return async captions => {
    const rows = await encodeCaptions(model, encoder, captions, { scaled: true });
    captions.forEach((caption, i) => {
      if (caption === '') rows.fill(0, i * dim, (i + 1) * dim);
    });
    return rows;
  };
}

/** A rival with fresh weights, all of them drawn from the config's seed. */
export function createRival(config: RunConfig, surroundings: Surroundings): Rival {
  const random = new Random(config.seed).fork('model');
  const shape = { imageSize: config.images.imageSize, textDim: config.text.dim };
  const { batchSize } = config.train;
  switch (config.family) {
    case 'diffusion': {
      const model = new Diffusion(config.diffusion, shape, random);
      return {
        painter: new RivalPainter(config, surroundings, new DiffusionTechnique(config, model)),
        task: (stream, heldOut) => new DiffusionTask(model, stream, heldOut, { batchSize }),
        painting: weights => weights,
        load: (values, where) => model.parameters.load(values, where),
      };
    }
    case 'dcgan':
    case 'r3gan': {
      const model = new Gan(config.gan, shape, random, config.family);
      return {
        painter: new RivalPainter(config, surroundings, new GanTechnique(config, model)),
        task: stream => new GanTask(model, stream, { batchSize, steps: config.train.steps, seed: config.seed }),
        painting: weights => new Map([...weights].filter(([name]) => name.startsWith(GENERATOR))),
        load: (values, where) => model.parameters.load(values, where, GENERATOR),
      };
    }
    case 'transformer':
      throw new Error('createRival: a transformer is no rival');
    default:
      return config.family satisfies never;
  }
}

/** Names of the weights that paint in a GAN. */
const GENERATOR = 'generator.';

/** How one kind of model paints. */
interface Technique {
  readonly parameters: number;
  readonly passes: number;
  readonly settings: string;
  /**
   * @param text of each image's caption, [n, dim]; @param randoms one stream an image
   * @param batch of n orders, all with a caption or all without; @returns [n, S, S, 3] in [-1, 1], owned by the caller
   */
  paint(text: Float32Array, randoms: readonly Random[], batch: Batch): Promise<tf.Tensor>;
  dispose(): void;
}

/** In one pass of the generator. */
class GanTechnique implements Technique {
  readonly passes = 1;
  readonly settings = '';
  readonly parameters: number;
  private readonly latent: number;
  private readonly model: Gan;

  constructor(config: RunConfig, model: Gan) {
    this.model = model;
    this.latent = config.gan.latent;
    this.parameters = model.countOf('generator');
  }

  async paint(text: Float32Array, randoms: readonly Random[]): Promise<tf.Tensor> {
    const { latent } = this;
    const n = randoms.length;
    // A linear layer sums in another order where it has few rows: without the same number always, an image would differ
    // in its last bit by how many are painted beside it.
    const z = new Float32Array(BATCH * latent);
    const captions = new Float32Array((BATCH * text.length) / n);
    captions.set(text);
    randoms.forEach((random, i) => {
      z.set(random.normals(latent), i * latent);
    });
    return tf.tidy(() => {
      const all = this.model.generate(tf.tensor2d(z, [BATCH, latent]), tf.tensor2d(captions, [BATCH, text.length / n]));
      return tf.slice(all, [0, 0, 0, 0], [n, -1, -1, -1]);
    });
  }

  dispose(): void {
    this.model.dispose();
  }
}

/** Step by step out of noise. */
class DiffusionTechnique implements Technique {
  readonly passes: number;
  readonly settings: string;
  readonly parameters: number;
  private readonly cfgScale: number;
  private readonly model: Diffusion;

  constructor({ sampling, diffusion }: RunConfig, model: Diffusion) {
    this.model = model;
    this.cfgScale = sampling.cfgScale;
    this.parameters = model.parameters.count();
    this.passes = samplingPasses(diffusion.sampleSteps, sampling.cfgScale);
    this.settings = `${diffusion.sampleSteps} steps, guidance ${sampling.cfgScale}`;
  }

  paint(text: Float32Array, randoms: readonly Random[], { orders, settings, onStep }: Batch): Promise<tf.Tensor> {
    const { cfgScale = this.cfgScale, steps } = settings;
    const captioned = orders[0].caption !== '';
    const onProgress = (done: number, total: number) => onStep(done / total);
    return this.model.sample({ text, randoms, steps, cfgScale: captioned ? cfgScale : 0, onProgress });
  }

  dispose(): void {
    this.model.dispose();
  }
}

/** Most images painted at once. */
const BATCH = 32;

/** Reads the captions, draws an image's numbers from a stream of its own, and turns what comes into pictures. */
class RivalBrush implements BatchPainter {
  readonly batchSize = BATCH;
  private readonly encode: EncodeCaptions;
  private readonly technique: Technique;

  constructor({ encode }: Surroundings, technique: Technique) {
    this.encode = encode;
    this.technique = technique;
  }

  /** Guidance is the same for all images of a pass, and without a caption there is none. */
  kindOf(caption: string): string {
    return caption === '' ? 'uncaptioned' : 'captioned';
  }

  async paint(batch: Batch): Promise<readonly Picture[]> {
    const { orders } = batch;
    const text = await this.encode(orders.map(({ caption }) => caption));
    const randoms = orders.map(({ caption, seed, number }) => new Random(seed).fork(`image/${caption}`, number));
    const painted = await this.technique.paint(text, randoms, batch);
    const pixels = tf.tidy(() => signedToUnit(painted));
    const images = await tensorToImages(pixels);
    painted.dispose();
    pixels.dispose();
    return images.pictures();
  }
}

class RivalPainter implements Painter {
  readonly family: Family;
  readonly run: string;
  readonly config: RunConfig;
  readonly imageSize: number;
  readonly step: number;
  private readonly surroundings: Surroundings;
  private readonly technique: Technique;
  private readonly queue: PaintQueue;

  constructor(config: RunConfig, surroundings: Surroundings, technique: Technique) {
    this.family = config.family;
    this.run = surroundings.folder;
    this.config = config;
    this.imageSize = config.images.imageSize;
    this.step = surroundings.step ?? 0;
    this.surroundings = surroundings;
    this.technique = technique;
    this.queue = new PaintQueue(new RivalBrush(surroundings, technique), surroundings.folder);
  }

  get parameters(): number {
    return this.technique.parameters + (this.surroundings.encoderParameters ?? 0);
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
    return this.queue.paint(ordersOf(captions, options), options);
  }

  dispose(): void {
    this.queue.close(() => {
      this.technique.dispose();
      this.surroundings.onDispose?.();
    });
  }
}
