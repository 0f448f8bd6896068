/**
 * @file The historical GAN, DCGAN (Radford et al. 2016, arXiv:1511.06434). The generator: noise to 4 x 4 by a dense layer,
 * then transposed 4 x 4 convolutions of stride 2, each with batch norm and ReLU, and tanh at the end. The discriminator
 * mirrors it with strided 4 x 4 convolutions and leaky ReLU.
 *
 * It differs from the paper in the discriminator, which has no batch norm: real and generated images come in batches of
 * their own, whose statistics give away which is which, and gradient penalties need a gradient for each image. Its weights
 * start at the scale that a norm would have given them. The generator paints with running statistics, so that an image
 * does not depend on what is painted beside it; the averaged generator has averaged ones.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { convTranspose2d } from '../../kernels/conv/conv.ts';
import { batchNorm } from '../../kernels/norm/norm.ts';
import { Conv2d, Linear } from '../../nn/layers.ts';
import type { Parameters } from '../../nn/module.ts';
import { type Dual, dualConv, dualLinear, linearMap } from './penalty.ts';
import { type Discriminator, FEATURES, type Generator, leakyDeviation, type Stage, stagesOf } from './players.ts';

const DEVIATION = 0.02; // of the generator's weights, as in the paper
const EPS = 1e-5;
/** Share of the running statistics that a step keeps. The averaged generator averages them once more. */
const KEEP = 0.9;

class BatchNorm {
  readonly weight: Variable;
  readonly bias: Variable;
  readonly mean: Variable;
  readonly variance: Variable;

  constructor(parameters: Parameters, channels: number) {
    this.weight = parameters.ones('weight', [channels]);
    this.bias = parameters.zeros('bias', [channels]);
    this.mean = parameters.zeros('mean', [channels]);
    this.variance = parameters.ones('variance', [channels]);
  }

  /** relu(norm(x)) by the running statistics. */
  apply(x: Tensor): Tensor {
    const scale = tf.mul(this.weight, tf.rsqrt(tf.add(this.variance, EPS)));
    return tf.relu(tf.add(tf.mul(x, scale), tf.sub(this.bias, tf.mul(this.mean, scale))));
  }

  train(x: Tensor): { readonly y: Tensor; readonly moments: Tensor } {
    return batchNorm(x, this.weight, this.bias, { eps: EPS, activation: 'relu' });
  }

  follow(moments: Tensor): void {
    tf.tidy(() => {
      const [mean, inverse] = tf.unstack(moments);
      const variance = tf.sub(tf.reciprocal(tf.square(inverse)), EPS);
      this.mean.assign(towards(this.mean, mean));
      this.variance.assign(towards(this.variance, variance));
    });
  }
}

/** What is not finite is left out: on a GPU the statistics of a step that was skipped come here too. */
function towards(running: Tensor, batch: Tensor): Tensor {
  const usable = tf.where(tf.isFinite(batch), batch, running);
  return tf.add(tf.mul(running, KEEP), tf.mul(usable, 1 - KEEP));
}

/** The stages whose outputs have a norm: all but the image itself. */
function innerStages(imageSize: number, width: number): readonly Stage[] {
  return stagesOf(imageSize / 2, width);
}

export class DcganGenerator implements Generator {
  readonly multiplyAdds: number;
  private readonly stages: readonly Stage[];
  private readonly first: Linear;
  private readonly norms: readonly BatchNorm[];
  /** From each stage to the next, the last to pixels; [from, 4, 4, to]. */
  private readonly weights: readonly Variable[];
  private readonly bias: Variable; // [3]

  constructor(parameters: Parameters, inputs: number, options: { readonly imageSize: number; readonly width: number }) {
    const stages = innerStages(options.imageSize, options.width);
    const [{ channels }] = stages;
    const outputs = [...stages.slice(1).map(stage => stage.channels), 3];
    const scopes = stages.map((_, i) => parameters.scope(`stages.${i}`, { inner: true }));
    this.stages = stages;
    this.first = new Linear(parameters.scope('first'), inputs, 16 * channels, { bias: false, deviation: DEVIATION });
    this.norms = stages.map((stage, i) => new BatchNorm(scopes[i].scope('norm'), stage.channels));
    this.weights = stages.map((stage, i) => scopes[i].normal('weight', [stage.channels, 4, 4, outputs[i]], DEVIATION));
    this.bias = parameters.zeros('bias', [3]);
    const products = stages.map((stage, i) => 16 * stage.grid ** 2 * stage.channels * outputs[i]);
    this.multiplyAdds = products.reduce((sum, x) => sum + x, inputs * 16 * channels);
  }

  apply(input: Tensor): Tensor {
    return this.through(input, (norm, x) => norm.apply(x));
  }

  train(input: Tensor): { readonly images: Tensor; readonly moments: readonly Tensor[] } {
    const all: Tensor[] = [];
    const images = this.through(input, (norm, x) => {
      const { y, moments } = norm.train(x);
      all.push(moments);
      return y;
    });
    return { images, moments: all };
  }

  follow(moments: readonly Tensor[]): void {
    this.norms.forEach((norm, i) => {
      norm.follow(moments[i]);
    });
  }

  get statistics(): readonly Tensor[] {
    return this.norms.flatMap(({ mean, variance }) => [mean, variance]);
  }

  private through(input: Tensor, normalize: (norm: BatchNorm, x: Tensor) => Tensor): Tensor {
    let x: Tensor = tf.reshape(this.first.apply(input), [-1, 4, 4, this.stages[0].channels]);
    this.norms.forEach((norm, i) => {
      x = convTranspose2d(normalize(norm, x), this.weights[i]); // [B, 2 grid, 2 grid, outputs]
    });
    return tf.tanh(tf.add(x, this.bias));
  }
}

export class DcganDiscriminator implements Discriminator {
  readonly multiplyAdds: number;
  private readonly convs: readonly Conv2d[];
  private readonly out: Linear;

  constructor(parameters: Parameters, options: { readonly imageSize: number; readonly width: number }) {
    const stages = [...innerStages(options.imageSize, options.width)].reverse();
    const inputs = [3, ...stages.map(({ channels }) => channels)];
    this.convs = stages.map(({ channels }, i) => {
      const deviation = leakyDeviation(16 * inputs[i]);
      return new Conv2d(parameters.scope(`stages.${i}`, { inner: true }), inputs[i], channels, {
        kernel: 4,
        stride: 2,
        deviation,
      });
    });
    const last = 16 * inputs[stages.length];
    this.out = new Linear(parameters.scope('out'), last, FEATURES);
    const products = stages.map(({ grid, channels }, i) => 16 * grid ** 2 * inputs[i] * channels);
    this.multiplyAdds = products.reduce((sum, x) => sum + x, last * FEATURES);
  }

  features(x: Dual): Dual {
    let h = x;
    for (const conv of this.convs) h = dualConv(h, conv, { activation: 'lrelu' }); // [B, grid, grid, channels]
    const flat = linearMap(h, y => tf.reshape(y, [y.shape[0], y.size / Math.max(1, y.shape[0])]));
    return dualLinear(flat, this.out); // [B, FEATURES]
  }
}
