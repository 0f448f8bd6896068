/** @file A GAN as a model of its family: what paints (the generator, in one pass), what trains, which weights painting needs. */
import * as tf from '@tensorflow/tfjs-core';
import { activeDevice } from '../../device/device.ts';
import { Checkpoint } from '../../nn/module.ts';
import type { Making, Model } from '../family.ts';
import { featuredData, MOST_AT_ONCE, type Technique, WholeImagePainter } from '../wholeimage.ts';
import { Gan, type GanKind } from './gan.ts';
import { GanTask } from './task.ts';

/** Names of the weights that paint. */
const GENERATOR = 'generator.';

/** A GAN with fresh weights, or with weights to be loaded. */
export function createGan(making: Making<'text'>, kind: GanKind): Model {
  const { config, parts, random } = making;
  const shape = { imageSize: config.images.imageSize, textDim: parts.text.dim };
  const gan = new Gan(config.gan, shape, random instanceof Checkpoint ? random.only(GENERATOR) : random, kind);
  return {
    painter: new WholeImagePainter(making, new GanTechnique(gan)),
    task: async data => {
      const { batchSize, accumulate, steps } = config.train;
      const { stream } = await featuredData(making, data);
      return new GanTask(gan, stream, { batchSize, accumulate, steps, seed: config.seed });
    },
    weightsForPainting: weights => new Map([...weights].filter(([name]) => name.startsWith(GENERATOR))),
    load: (values, where) => gan.parameters.load(values, where, GENERATOR),
    dispose: () => gan.dispose(),
  };
}

class GanTechnique implements Technique {
  readonly passes = 1;
  readonly settings = '';
  readonly parameters: number;
  readonly noiseSize: number;
  private readonly gan: Gan;

  constructor(gan: Gan) {
    this.gan = gan;
    this.parameters = gan.countOf('generator');
    this.noiseSize = gan.config.latent;
  }

  async paint(text: Float32Array, noise: Float32Array): Promise<tf.Tensor> {
    const { latent } = this.gan.config;
    const n = noise.length / latent;
    // Where the bits of a row depend on how many there are, it is always the same number: an image must not differ in its
    // last bit by how many are painted beside it.
    const rows = activeDevice().rowsApart ? n : MOST_AT_ONCE;
    const textDim = text.length / n;
    const z = new Float32Array(rows * latent);
    const captions = new Float32Array(rows * textDim);
    captions.set(text);
    z.set(noise);
    return tf.tidy(() => {
      const all = this.gan.generate(tf.tensor2d(z, [rows, latent]), tf.tensor2d(captions, [rows, textDim]));
      return tf.slice(all, [0, 0, 0, 0], [n, -1, -1, -1]);
    });
  }

  dispose(): void {
    this.gan.dispose();
  }
}
