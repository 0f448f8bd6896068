/**
 * @file The denoiser's network: a small U-Net that sees a noised picture, how much noise there is, and the features of a
 * caption. Knows nothing of what is added to its input or of losses.
 *
 * Made for a CPU: pixels are folded into channels at once (`stem`), so no convolution runs at the resolution of pixels,
 * and each stage halves the side by folding 2x2 positions. A residual block is norm, SiLU, convolution, twice, with gains
 * and biases of both norms from noise and caption (Dhariwal and Nichol 2021, arXiv:2105.05233); what is before the
 * convolution is one pass over memory. Every block and the output start at zero.
 * @see Ronneberger et al. 2015 (arXiv:1505.04597); Ho et al. 2020 (arXiv:2006.11239)
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { dropout } from '../../kernels/activation/activation.ts';
import { attention } from '../../kernels/attention/attention.ts';
import { patchify, unpatchify } from '../../kernels/grid/grid.ts';
import { groupNorm } from '../../kernels/norm/norm.ts';
import { splitHeads } from '../../kernels/rope/rope.ts';
import { Conv2d, Linear } from '../../nn/layers.ts';
import type { Parameters } from '../../nn/module.ts';
import { type DiffusionConfig, GROUP_CHANNELS } from './config.ts';

/** What a network is built for. */
export interface PictureShape {
  readonly imageSize: number;
  /** Features of a caption. */
  readonly textDim: number;
}

/** Channels of a group in group norm, and of an attention head. */
const GROUP = GROUP_CHANNELS;
const HEAD = 32;
/** Cosines and sines of the noise level each. */
const FREQUENCIES = 32;
/** Radians for each unit of the noise level: from much less than its range to a fiftieth of it. */
const [SLOWEST, FASTEST] = [0.5, 60];

/** What every block is told: the embedding of noise and caption [B, E] and, in training, where dropout draws from. */
interface Context {
  readonly embedding: Tensor;
  readonly dropout?: { readonly rate: number; readonly random: Random };
}

/** silu(gain normalised(x) + bias), gain and bias for each image from the embedding. */
class AdaptiveNorm {
  private readonly modulation: Linear;
  private readonly channels: number;

  constructor(parameters: Parameters, channels: number, config: DiffusionConfig) {
    this.modulation = new Linear(parameters.scope('modulation'), config.embedding, 2 * channels);
    this.channels = channels;
  }

  apply(x: Tensor, { embedding }: Context): Tensor {
    const { channels } = this;
    const rows = this.modulation.apply(embedding); // [B, 2C]
    const gain = tf.add(tf.slice(rows, [0, 0], [-1, channels]), 1);
    const bias = tf.slice(rows, [0, channels], [-1, channels]);
    return groupNorm(x, gain, bias, channels / GROUP, { activation: 'silu' });
  }
}

/** x + conv(act(norm(conv(act(norm(x)))))). */
class ResidualBlock {
  /** Forward, of one image. */
  readonly flops: number;
  private readonly norms: readonly AdaptiveNorm[];
  private readonly first: Conv2d;
  private readonly second: Conv2d;

  constructor(parameters: Parameters, channels: number, side: number, config: DiffusionConfig) {
    this.norms = [0, 1].map(i => new AdaptiveNorm(parameters.scope(`norms.${i}`), channels, config));
    this.first = new Conv2d(parameters.scope('first'), channels, channels);
    this.second = new Conv2d(parameters.scope('second'), channels, channels, { deviation: 0 });
    this.flops = 2 * (2 * side ** 2 * this.first.weight.size + 4 * config.embedding * channels);
  }

  apply(x: Tensor, context: Context): Tensor {
    const h = this.first.apply(this.norms[0].apply(x, context));
    const normed = this.norms[1].apply(h, context);
    const { rate = 0, random } = context.dropout ?? {};
    const kept =
      rate === 0 || random === undefined
        ? normed
        : dropout(normed, { rate, seed: random.uint32(), stream: random.uint32() });
    return this.second.apply(kept, { residual: x });
  }
}

/** x + attention among all positions; they are told apart by what convolutions have put there. */
class AttentionBlock {
  readonly flops: number;
  private readonly norm: AdaptiveNorm;
  private readonly qkv: Conv2d;
  private readonly out: Conv2d;
  private readonly heads: number;

  constructor(parameters: Parameters, channels: number, side: number, config: DiffusionConfig) {
    this.norm = new AdaptiveNorm(parameters.scope('norm'), channels, config);
    this.qkv = pointwise(parameters.scope('qkv'), channels, 3 * channels);
    this.out = pointwise(parameters.scope('out'), channels, channels, 0);
    this.heads = channels % HEAD === 0 ? channels / HEAD : 1;
    const T = side ** 2;
    this.flops = 2 * (4 * T * channels ** 2 + 2 * T ** 2 * channels + 2 * config.embedding * channels);
  }

  apply(x: Tensor, context: Context): Tensor {
    const [B, H, W, C] = x.shape;
    const qkv = this.qkv.apply(this.norm.apply(x, context)); // [B, H, W, 3C]
    const [q, k, v] = splitHeads(tf.reshape(qkv, [B, H * W, 3 * C]), { heads: this.heads });
    const mixed = attention(q, k, v, { mask: 'none' }); // [B, HW, C]
    return this.out.apply(tf.reshape(mixed, [B, H, W, C]), { residual: x });
  }
}

/**
 * A linear layer over channels as a convolution: a linear layer sums in another order where it has 16 rows or fewer, and a
 * picture would depend on how many are painted at once.
 */
function pointwise(parameters: Parameters, inputs: number, outputs: number, deviation?: number): Conv2d {
  return new Conv2d(parameters, inputs, outputs, { kernel: 1, ...(deviation === undefined ? {} : { deviation }) });
}

type Block = ResidualBlock | AttentionBlock;

/** A resolution: blocks on the way down and on the way up, and the passages to the next coarser one. */
interface Stage {
  readonly down: readonly Block[];
  readonly up: readonly Block[];
  readonly passage?: { readonly down: Conv2d; readonly up: Conv2d; readonly skip: Conv2d };
}

/** [B, S, S, 3] noised pixels, noise levels and captions to [B, S, S, 3]. */
export class UNet {
  /** Floating-point operations for one image, forward: products only, 2 for each multiplication. */
  readonly flops: number;
  readonly shape: PictureShape;
  private readonly config: DiffusionConfig;
  private readonly nullText: Variable; // [1, textDim]
  private readonly embedding: readonly [Linear, Linear];
  private readonly input: Conv2d;
  private readonly stages: readonly Stage[];
  private readonly outputNorm: AdaptiveNorm;
  private readonly output: Conv2d;

  /** @throws ShapeError if the stages do not divide the picture, or their widths into groups */
  constructor(parameters: Parameters, config: DiffusionConfig, shape: PictureShape) {
    this.config = config;
    this.shape = shape;
    const widths = config.multipliers.map(multiplier => multiplier * config.width);
    const pixels = 3 * config.stem ** 2;
    checkSizes(config, shape, widths);
    const { embedding } = config;
    this.nullText = parameters.normal('nullText', [1, shape.textDim], 1, { decay: false });
    const known = 2 * FREQUENCIES + shape.textDim;
    this.embedding = [
      new Linear(parameters.scope('embedding.0'), known, embedding),
      new Linear(parameters.scope('embedding.1'), embedding, embedding),
    ];
    this.input = new Conv2d(parameters.scope('input'), pixels, widths[0]);
    const sideOf = (stage: number) => shape.imageSize / config.stem / 2 ** stage;
    this.stages = widths.map((width, i) =>
      makeStage(parameters.scope(`stages.${i}`, { inner: true }), width, widths[i + 1], sideOf(i), config),
    );
    this.outputNorm = new AdaptiveNorm(parameters.scope('outputNorm'), widths[0], config);
    this.output = new Conv2d(parameters.scope('output'), widths[0], pixels, { deviation: 0 });
    const blocks = this.stages.flatMap(({ down, up }) => [...down, ...up]).reduce((sum, { flops }) => sum + flops, 0);
    const passages = widths
      .slice(1)
      .reduce((sum, width, i) => sum + sideOf(i + 1) ** 2 * (8 * widths[i] * width + 4 * widths[i] ** 2), 0);
    const edges = sideOf(0) ** 2 * (this.input.weight.size + this.output.weight.size);
    const conditioning = embedding * (known + embedding + 2 * widths[0]);
    this.flops = blocks + 2 * (passages + edges + conditioning);
  }

  /**
   * @param x [B, S, S, 3], about unit variance
   * @param noise levels, between about -2 and 2: one for each image, or one for all
   * @param text [B, textDim], or null for no caption
   * @param options.keep [B, 1], 1 where the caption is seen and 0 where it is left out
   * @param options.random where dropout draws from; absent outside training
   * @returns [B, S, S, 3]
   */
  apply(
    x: Tensor,
    noise: readonly number[],
    text: Tensor | null,
    options: { readonly keep?: Tensor; readonly random?: Random } = {},
  ): Tensor {
    const { imageSize: S, textDim } = this.shape;
    const { B } = expectShape('unet: x', x.shape, ['B', S, S, 3]);
    if (text !== null) expectShape('unet: text', text.shape, [B, textDim]);
    if (noise.length !== 1) expectShape('unet: noise', [noise.length], [B]);
    return tf.tidy(() => {
      const { keep, random } = options;
      const context: Context = {
        embedding: this.embed(noise.length === B ? noise : new Array<number>(B).fill(noise[0]), text, keep),
        ...(random === undefined ? {} : { dropout: { rate: this.config.dropout, random } }),
      };
      let h = this.input.apply(patchify(x, this.config.stem)); // [B, side, side, width]
      const skips: Tensor[] = [];
      for (const { down, passage } of this.stages) {
        for (const block of down) h = block.apply(h, context);
        if (passage === undefined) continue;
        skips.push(h);
        h = passage.down.apply(patchify(h, 2)); // half the side
      }
      for (const { up, passage } of [...this.stages].reverse()) {
        if (passage !== undefined) {
          const doubled = unpatchify(passage.up.apply(h), 2);
          h = passage.skip.apply(skips.pop() as Tensor, { residual: doubled });
        }
        for (const block of up) h = block.apply(h, context);
      }
      return unpatchify(this.output.apply(this.outputNorm.apply(h, context)), this.config.stem); // [B, S, S, 3]
    });
  }

  /** [B, E] */
  private embed(noise: readonly number[], text: Tensor | null, keep: Tensor | undefined): Tensor {
    const features = noiseFeatures(noise);
    const kept = keep ?? tf.fill([noise.length, 1], text === null ? 0 : 1);
    const none = tf.mul(this.nullText, tf.sub(1, kept)); // [B, textDim]
    const captions = text === null ? none : tf.add(tf.mul(text, kept), none);
    const hidden = this.embedding[0].apply(tf.concat([features, captions], 1), { activation: 'silu' });
    return this.embedding[1].apply(hidden, { activation: 'silu' });
  }
}

function checkSizes(config: DiffusionConfig, { imageSize }: PictureShape, widths: readonly number[]): void {
  const folded = config.stem * 2 ** (widths.length - 1);
  if (imageSize % folded !== 0) {
    throw new ShapeError(`unet: expected pictures of a multiple of ${folded} pixels, got ${imageSize}`);
  }
  const odd = widths.find(width => width % GROUP !== 0);
  if (odd !== undefined) throw new ShapeError(`unet: expected widths that are multiples of ${GROUP}, got ${odd}`);
}

function makeStage(
  parameters: Parameters,
  width: number,
  coarser: number | undefined,
  side: number,
  config: DiffusionConfig,
): Stage {
  const attends = config.attention.includes(side);
  const blocksOf = (name: string) =>
    Array.from({ length: config.blocks }, (_, i): Block[] => {
      const scope = parameters.scope(`${name}.${i}`);
      const block = new ResidualBlock(scope.scope('block'), width, side, config);
      return attends ? [block, new AttentionBlock(scope.scope('attention'), width, side, config)] : [block];
    }).flat();
  const blocks = { down: blocksOf('down'), up: blocksOf('up') };
  if (coarser === undefined) return blocks;
  return {
    ...blocks,
    passage: {
      down: pointwise(parameters.scope('passage.down'), 4 * width, coarser),
      up: pointwise(parameters.scope('passage.up'), coarser, 4 * width),
      skip: pointwise(parameters.scope('passage.skip'), width, width),
    },
  };
}

/** Cosines and sines of noise levels at frequencies that rise geometrically, [n, 2 FREQUENCIES]. */
function noiseFeatures(noise: readonly number[]): Tensor {
  const features = new Float32Array(noise.length * 2 * FREQUENCIES);
  noise.forEach((level, i) => {
    for (let f = 0; f < FREQUENCIES; f++) {
      const angle = level * SLOWEST * (FASTEST / SLOWEST) ** (f / (FREQUENCIES - 1));
      features[2 * (i * FREQUENCIES + f)] = Math.SQRT2 * Math.cos(angle);
      features[2 * (i * FREQUENCIES + f) + 1] = Math.SQRT2 * Math.sin(angle);
    }
  });
  return tf.tensor2d(features, [noise.length, 2 * FREQUENCIES]);
}
