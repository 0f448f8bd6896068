/**
 * @file A convolutional network that was never trained, its weights from a fixed seed: it sees edges, textures and
 * where they are, needs nothing but this code, and is the same everywhere. For comparing models with each other only;
 * its distances mean nothing beside those of a trained network. Ulyanov et al. 2018 (arXiv:1711.10925) say why it works
 * at all.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../core/random.ts';
import { Images, type Picture } from '../image/images.ts';
import { imagesToSignedTensor } from '../image/pixels.ts';
import { resizeArea } from '../image/resize.ts';
import { Conv2d } from '../nn/layers.ts';
import { Parameters } from '../nn/module.ts';
import type { FeatureExtractor } from './extractor.ts';

/** Any change of these, or of how features are read off, makes other features: count the version up. */
const VERSION = 2;
const SEED = 2020;
const SIDE = 32;
const CHANNELS = [16, 32, 64, 64] as const;
/** The last grid, 4 x 4, is averaged over its quarters. */
const QUARTERS = 2;

/** Pictures in one pass. */
const BATCH = 64;

/** Their name in results. */
export const randomFeatures = `random-conv-${VERSION}`;

export class RandomFeatures implements FeatureExtractor {
  readonly name = randomFeatures;
  readonly dimension = CHANNELS[CHANNELS.length - 1] * QUARTERS * QUARTERS;
  private readonly parameters: Parameters;
  private readonly layers: readonly Conv2d[];

  constructor() {
    this.parameters = new Parameters(new Random(SEED));
    this.layers = CHANNELS.map((channels, i) => {
      const inputs = i === 0 ? 3 : CHANNELS[i - 1];
      // He's deviation keeps the size of what goes through a relu.
      const options = { stride: i === 0 ? 1 : 2, deviation: Math.sqrt(2 / (9 * inputs)) } as const;
      return new Conv2d(this.parameters.scope(`layers.${i}`), inputs, channels, options);
    });
  }

  /** @returns [n, 256], at least 0 */
  async images(pictures: readonly Picture[]): Promise<Float64Array> {
    const rows = new Float64Array(pictures.length * this.dimension);
    for (let first = 0; first < pictures.length; first += BATCH) {
      const features = tf.tidy(() => this.apply(pixels(pictures.slice(first, first + BATCH))));
      rows.set((await features.data()) as Float32Array, first * this.dimension);
      features.dispose();
    }
    return rows;
  }

  private apply(images: Tensor): Tensor {
    let x = images;
    for (const layer of this.layers) x = layer.apply(x, { activation: 'relu' });
    const [B, H, W, C] = x.shape;
    const cells = tf.reshape(x, [B, QUARTERS, H / QUARTERS, QUARTERS, W / QUARTERS, C]);
    return tf.reshape(tf.mean(tf.mean(cells, 4), 2), [B, this.dimension]); // [B, 2 * 2 * C]
  }

  dispose(): void {
    this.parameters.dispose();
  }
}

/** @returns [n, SIDE, SIDE, 3] in [-1, 1] */
function pixels(pictures: readonly Picture[]): Tensor {
  return imagesToSignedTensor(Images.of(pictures.map(picture => resizeArea(picture, SIDE, SIDE))));
}
