/**
 * @file The modern GAN, R3GAN in its configuration D (Huang et al. 2024, arXiv:2501.05441): both networks are residual
 * blocks of dense convolutions 1 x 1 to a quarter of the channels, 3 x 3, and 1 x 1 back, with leaky ReLU and no norm
 * anywhere, between smooth resamplings. A learned 4 x 4 map, scaled channel by channel, begins the generator; one weight
 * for each of the last 4 x 4 positions and channels ends the discriminator. Pixels are a linear map away from the features:
 * no tanh. Residual branches start at zero, and the layers in them at L^(-1/4) of their scale, L the number of blocks.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { doubleSmoothly, halveSmoothly } from '../../kernels/resample/resample.ts';
import { Conv2d, Linear } from '../../nn/layers.ts';
import type { Parameters } from '../../nn/module.ts';
import { type Dual, dual, dualConv, dualLinear, linearMap } from './penalty.ts';
import { type Discriminator, FEATURES, type Generator, leakyDeviation, type Stage, stagesOf } from './players.ts';

export interface R3ganOptions {
  readonly imageSize: number;
  readonly width: number;
  /** At each resolution. */
  readonly blocks: number;
}

/** x + expand(lrelu(conv(lrelu(reduce(x))))). */
class Block {
  private readonly reduce: Linear;
  private readonly conv: Conv2d;
  private readonly expand: Linear;

  constructor(parameters: Parameters, channels: number, total: number) {
    const inner = innerOf(channels);
    const share = total ** -0.25;
    this.reduce = new Linear(parameters.scope('reduce'), channels, inner, {
      deviation: share * leakyDeviation(channels),
    });
    this.conv = new Conv2d(parameters.scope('conv'), inner, inner, { deviation: share * leakyDeviation(9 * inner) });
    this.expand = new Linear(parameters.scope('expand'), inner, channels, { bias: false, deviation: 0 });
  }

  apply(x: Dual): Dual {
    const inner = dualLinear(x, this.reduce, { activation: 'lrelu' });
    return dualLinear(dualConv(inner, this.conv, { activation: 'lrelu' }), this.expand, { residual: x });
  }
}

function innerOf(channels: number): number {
  return Math.max(1, Math.floor(channels / 4));
}

/** Blocks at every grid, and a bias-free 1 x 1 product to the next one in `order`. */
class Stages {
  readonly multiplyAdds: number;
  readonly blocks: readonly (readonly Block[])[];
  readonly transitions: readonly Linear[];

  /** @param finer whether the way leads from coarse to fine, where a product comes before its resampling, else after it */
  constructor(
    parameters: Parameters,
    order: readonly Stage[],
    options: { readonly blocks: number; readonly finer: boolean },
  ) {
    const total = options.blocks * order.length;
    this.blocks = order.map(({ channels }, i) =>
      Array.from({ length: options.blocks }, (_, j) => {
        return new Block(parameters.scope(`stages.${i}.blocks.${j}`, { inner: true }), channels, total);
      }),
    );
    this.transitions = order.slice(1).map(({ channels }, i) => {
      return new Linear(parameters.scope(`stages.${i}.transition`, { inner: true }), order[i].channels, channels, {
        bias: false,
      });
    });
    const block = ({ grid, channels }: Stage) => {
      const inner = innerOf(channels);
      return options.blocks * grid ** 2 * (2 * channels * inner + 9 * inner ** 2);
    };
    const transition = (to: Stage, from: Stage) =>
      (options.finer ? from.grid : to.grid) ** 2 * from.channels * to.channels;
    this.multiplyAdds = order.reduce(
      (sum, stage, i) => sum + block(stage) + (i === 0 ? 0 : transition(stage, order[i - 1])),
      0,
    );
  }
}

export class R3ganGenerator implements Generator {
  readonly multiplyAdds: number;
  readonly statistics: readonly Tensor[] = [];
  private readonly first: Linear;
  private readonly basis: Variable; // [4, 4, C]
  private readonly stages: Stages;
  private readonly out: Linear;

  constructor(parameters: Parameters, inputs: number, options: R3ganOptions) {
    const order = stagesOf(options.imageSize, options.width);
    const [{ channels }] = order;
    this.first = new Linear(parameters.scope('first'), inputs, channels);
    this.basis = parameters.normal('basis', [4, 4, channels], 1);
    this.stages = new Stages(parameters, order, { blocks: options.blocks, finer: true });
    this.out = new Linear(parameters.scope('out'), options.width, 3);
    this.multiplyAdds =
      inputs * channels + 16 * channels + this.stages.multiplyAdds + options.imageSize ** 2 * options.width * 3;
  }

  apply(input: Tensor): Tensor {
    const scales = this.first.apply(input); // [B, C]
    const { blocks, transitions } = this.stages;
    let x: Tensor = tf.mul(tf.reshape(scales, [-1, 1, 1, scales.shape[1] as number]), this.basis); // [B, 4, 4, C]
    blocks.forEach((stage, i) => {
      if (i > 0) x = doubleSmoothly(transitions[i - 1].apply(x));
      for (const block of stage) x = block.apply(dual(x)).value;
    });
    return this.out.apply(x); // [B, S, S, 3]
  }

  /** There are no norms. */
  train(input: Tensor): { readonly images: Tensor; readonly moments: readonly Tensor[] } {
    return { images: this.apply(input), moments: [] };
  }

  follow(): void {}
}

export class R3ganDiscriminator implements Discriminator {
  readonly multiplyAdds: number;
  private readonly first: Linear;
  private readonly stages: Stages;
  private readonly basis: Variable; // [4, 4, C]
  private readonly out: Linear;

  constructor(parameters: Parameters, options: R3ganOptions) {
    const order = [...stagesOf(options.imageSize, options.width)].reverse();
    const { channels } = order[order.length - 1];
    this.first = new Linear(parameters.scope('first'), 3, options.width);
    this.stages = new Stages(parameters, order, { blocks: options.blocks, finer: false });
    this.basis = parameters.normal('basis', [4, 4, channels], 1 / 4);
    this.out = new Linear(parameters.scope('out'), channels, FEATURES);
    this.multiplyAdds =
      options.imageSize ** 2 * options.width * 3 + this.stages.multiplyAdds + 16 * channels + channels * FEATURES;
  }

  features(x: Dual): Dual {
    const { blocks, transitions } = this.stages;
    let h = dualLinear(x, this.first); // [B, S, S, width]
    blocks.forEach((stage, i) => {
      if (i > 0) h = dualLinear(linearMap(h, halveSmoothly), transitions[i - 1]);
      for (const block of stage) h = block.apply(h);
    });
    const pooled = linearMap(h, y => tf.sum(tf.mul(y, this.basis), [1, 2])); // [B, C]
    return dualLinear(pooled, this.out); // [B, FEATURES]
  }
}
