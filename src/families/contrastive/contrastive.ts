/**
 * @file Captions and images in one space: a text tower and an image tower whose features of a pair point the same way
 * (Radford et al. 2021, CLIP, figure 3, arXiv:2103.00020), small enough to learn a data set's own captions in a minute.
 * One training of it, frozen, gives GANs and diffusion models the features of a caption; another, from another seed, judges all models. It
 * knows ids and pixels; not words, files or optimizers.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { swiglu } from '../../kernels/activation/activation.ts';
import { attention } from '../../kernels/attention/attention.ts';
import { embedding } from '../../kernels/embedding/embedding.ts';
import { patchify } from '../../kernels/grid/grid.ts';
import { rmsNorm } from '../../kernels/norm/norm.ts';
import { splitHeads } from '../../kernels/rope/rope.ts';
import { Conv2d, GroupNorm, Linear, Norm } from '../../nn/layers.ts';
import { Parameters, type Source } from '../../nn/module.ts';
import type { TextConfig } from './config.ts';

/** What the model must know of the data. */
export interface ContrastiveSizes {
  /** Caption ids; ids from here on are pads. */
  readonly vocabulary: number;
  /** Height and width of the images in pixels. */
  readonly imageSize: number;
}

/** Pairs of one training step. */
export interface PairBatch {
  /** [B, S, S, 3] in [0, 1]. */
  readonly images: Tensor;
  /** [B, L] int32, padded; L up to the config's length. */
  readonly ids: Tensor;
  /** [B, B] of `equalCaptions`. */
  readonly ignored: Tensor;
  /** The same images cut otherwise, [B, S, S, 3]: their features should not differ. */
  readonly views?: Tensor;
}

/** CLIP's first temperature, 0.07, and its bound: logits are never scaled by more than 100. */
const FIRST_SCALE = Math.log(1 / 0.07);
const MOST_SCALE = Math.log(100);

/** Scale of the logits between two views of an image, as in Chen et al. 2020 (SimCLR, arXiv:2002.05709). */
const VIEW_SCALE = 10;

/** Positions along each side of the image where the image tower begins, and where it ends. */
const FIRST_GRID = 16;
const LAST_GRID = 4;

/** One pre-norm layer of the text tower, causal: what a position says never depends on the pads behind it. */
class TextLayer {
  private readonly norm1: Norm;
  private readonly qkv: Linear;
  private readonly qGain: Variable;
  private readonly kGain: Variable;
  private readonly output: Linear;
  private readonly norm2: Norm;
  private readonly up: Linear;
  private readonly down: Linear;
  private readonly heads: number;

  constructor(parameters: Parameters, { width, heads, layers }: TextConfig) {
    const inner = innerWidth(width);
    // As in transformer/layer.ts: the residual stream adds up 2 * layers branches, each starts that much smaller.
    const branch = (inputs: number) => ({ bias: false, deviation: 1 / Math.sqrt(2 * layers * inputs) });
    this.heads = heads;
    this.norm1 = new Norm(parameters.scope('norm1'), width, 'rms');
    this.qkv = new Linear(parameters.scope('qkv'), width, 3 * width, { bias: false });
    this.qGain = parameters.ones('q_norm.weight', [width / heads]);
    this.kGain = parameters.ones('k_norm.weight', [width / heads]);
    this.output = new Linear(parameters.scope('output'), width, width, branch(width));
    this.norm2 = new Norm(parameters.scope('norm2'), width, 'rms');
    this.up = new Linear(parameters.scope('up'), width, 2 * inner, { bias: false });
    this.down = new Linear(parameters.scope('down'), inner, width, branch(inner));
  }

  /** @param x [B, T, C]; @returns [B, T, C] */
  apply(x: Tensor): Tensor {
    const { heads, qGain, kGain } = this;
    const [q, k, v] = splitHeads(this.qkv.apply(this.norm1.apply(x)), { heads, qGain, kGain }); // [B, H, T, D]
    const y = this.output.apply(attention(q, k, v), { residual: x });
    return this.down.apply(swiglu(this.up.apply(this.norm2.apply(y))), { residual: y });
  }
}

/** Channels inside the feed-forward layers: 8/3 of the width, in 32s. */
function innerWidth(width: number): number {
  return Math.max(1, Math.round((width * 8) / 3 / 32)) * 32;
}

class TextTower {
  private readonly vocabulary: number;
  private readonly length: number;
  private readonly start: Variable; // [C]
  private readonly table: Variable; // [vocabulary + 1, C], the last row for all pads
  private readonly positions: Variable; // [L + 1, C]
  private readonly layers: readonly TextLayer[];
  private readonly norm: Norm;
  private readonly output: Linear;

  constructor(parameters: Parameters, config: TextConfig, vocabulary: number) {
    const { width, length } = config;
    const embed = { decay: false };
    this.vocabulary = vocabulary;
    this.length = length;
    this.start = parameters.normal('start', [width], 0.5, embed);
    this.table = parameters.normal('embedding.weight', [vocabulary + 1, width], 0.5, embed);
    this.positions = parameters.normal('position_embedding.weight', [length + 1, width], 0.1, embed);
    this.layers = Array.from(
      { length: config.layers },
      (_, i) => new TextLayer(parameters.scope(`layers.${i}`, { inner: true }), config),
    );
    this.norm = new Norm(parameters.scope('norm'), width, 'rms');
    this.output = new Linear(parameters.scope('head'), width, config.dim, { bias: false });
  }

  /** @param ids [B, L] int32; @returns [B, dim] */
  apply(ids: Tensor): Tensor {
    const { vocabulary, length, table } = this;
    const { B, L } = expectShape('contrastive: ids', ids.shape, ['B', 'L']);
    const [, width] = table.shape;
    if (L > length) expectShape('contrastive: ids', ids.shape, [B, length]);
    // The start token is always there, so that an empty caption has features too.
    const start = tf.tile(tf.reshape(this.start, [1, 1, width]), [B, 1, 1]);
    const words = embedding(table, tf.minimum(ids, tf.scalar(vocabulary, 'int32'))); // [B, L, C]
    let x: Tensor = tf.concat([start, words], 1); // [B, 1 + L, C]
    x = tf.add(x, tf.slice(this.positions, [0, 0], [L + 1, width]));
    for (const layer of this.layers) x = layer.apply(x);
    const real = tf.cast(tf.less(ids, tf.scalar(vocabulary, 'int32')), 'float32'); // [B, L]
    const counted = tf.concat([tf.ones([B, 1]), real], 1); // [B, 1 + L]
    const weights = tf.div(counted, tf.sum(counted, 1, true));
    const mean = tf.reshape(tf.matMul(tf.expandDims(weights, 1), this.norm.apply(x)), [B, width]);
    return this.output.apply(mean); // [B, dim]
  }

  /** Multiply-adds times two of training on a caption of full length; attention counted causal. */
  flops(config: TextConfig): number {
    const { width, layers, length, dim } = config;
    const T = length + 1;
    const weights = width * (4 * width + 3 * innerWidth(width));
    return 6 * (T * layers * (weights + T * width) + width * dim);
  }
}

/** x + W gelu(conv(norm(x))). */
class ImageBlock {
  private readonly norm: GroupNorm;
  private readonly conv: Conv2d;
  private readonly out: Linear;

  constructor(parameters: Parameters, channels: number) {
    this.norm = new GroupNorm(parameters.scope('norm'), channels, groupsOf(channels));
    this.conv = new Conv2d(parameters.scope('conv'), channels, channels);
    this.out = new Linear(parameters.scope('out'), channels, channels, { deviation: 0 });
  }

  apply(x: Tensor): Tensor {
    return this.out.apply(this.conv.apply(this.norm.apply(x), { activation: 'gelu' }), { residual: x });
  }
}

/** The most groups up to 8 that divide the channels. */
function groupsOf(channels: number): number {
  let groups = Math.min(8, channels);
  while (channels % groups !== 0) groups--;
  return groups;
}

/** The grids that the image tower goes through and the channels of each. */
export function imageStages(
  imageSize: number,
  width: number,
): { readonly patch: number; readonly stages: readonly { readonly grid: number; readonly channels: number }[] } {
  let patch = 1;
  while (imageSize / patch > FIRST_GRID && (imageSize / patch) % 2 === 0) patch *= 2;
  const stages = [{ grid: imageSize / patch, channels: width }];
  for (;;) {
    const { grid, channels } = stages[stages.length - 1];
    if (grid <= LAST_GRID || grid % 2 !== 0) return { patch, stages };
    stages.push({ grid: grid / 2, channels: 2 * channels });
  }
}

/** Blocks at each grid. */
const BLOCKS = 2;

class ImageTower {
  private readonly size: number;
  private readonly patch: number;
  private readonly input: Conv2d;
  private readonly stages: readonly { readonly blocks: readonly ImageBlock[]; readonly down: Linear | undefined }[];
  private readonly norm: Norm;
  private readonly output: Linear;

  constructor(parameters: Parameters, config: TextConfig, imageSize: number) {
    const { patch, stages } = imageStages(imageSize, config.imageWidth);
    this.size = imageSize;
    this.patch = patch;
    this.input = new Conv2d(parameters.scope('input'), 3 * patch * patch, config.imageWidth);
    this.stages = stages.map(({ channels }, i) => {
      const scope = parameters.scope(`stages.${i}`, { inner: true });
      const blocks = Array.from({ length: BLOCKS }, (_, b) => new ImageBlock(scope.scope(`blocks.${b}`), channels));
      const next = stages[i + 1];
      return {
        blocks,
        down: next === undefined ? undefined : new Linear(scope.scope('down'), 4 * channels, next.channels),
      };
    });
    const { channels } = stages[stages.length - 1];
    this.norm = new Norm(parameters.scope('norm'), channels, 'rms');
    this.output = new Linear(parameters.scope('head'), channels, config.dim, { bias: false });
  }

  /** @param images [B, S, S, 3] in [0, 1]; @returns [B, dim] */
  apply(images: Tensor): Tensor {
    expectShape('contrastive: images', images.shape, ['B', this.size, this.size, 3]);
    const pixels = tf.sub(tf.mul(images, 2), 1);
    let x = this.input.apply(this.patch === 1 ? pixels : patchify(pixels, this.patch)); // [B, grid, grid, width]
    for (const { blocks, down } of this.stages) {
      for (const block of blocks) x = block.apply(x);
      if (down !== undefined) x = down.apply(patchify(x, 2)); // half the side
    }
    return this.output.apply(tf.mean(this.norm.apply(x), [1, 2])); // [B, dim]
  }

  /** Multiply-adds times two of training on one image; pixels need no gradient, which saves the first layer a product. */
  flops(config: TextConfig): number {
    const { patch, stages } = imageStages(this.size, config.imageWidth);
    const first = stages[0].grid ** 2 * 27 * patch ** 2 * config.imageWidth;
    let sum = first;
    stages.forEach(({ grid, channels }, i) => {
      const next = stages[i + 1];
      sum += BLOCKS * grid ** 2 * 10 * channels ** 2;
      sum += next === undefined ? channels * config.dim : next.grid ** 2 * 4 * channels * next.channels;
    });
    return 6 * sum - 2 * first;
  }
}

/** Both towers and the temperature between them. */
export class Contrastive {
  readonly config: TextConfig;
  readonly sizes: ContrastiveSizes;
  readonly parameters: Parameters;
  private readonly textTower: TextTower;
  private readonly imageTower: ImageTower;
  private readonly logScale: Variable; // scalar

  constructor(config: TextConfig, sizes: ContrastiveSizes, source: Source) {
    const parameters = new Parameters(source);
    this.config = config;
    this.sizes = sizes;
    this.parameters = parameters;
    this.textTower = new TextTower(parameters.scope('text'), config, sizes.vocabulary);
    this.imageTower = new ImageTower(parameters.scope('image'), config, sizes.imageSize);
    this.logScale = parameters.zeros('logit_scale', []);
    assignScalar(this.logScale, FIRST_SCALE);
  }

  /**
   * Features of captions: a mean over the real positions, never over pads.
   * @param ids [B, L] int32, L up to the config's length; ids from the vocabulary's size on are pads and stand last
   * @returns [B, dim] of length 1, owned by the caller
   */
  text(ids: Tensor): Tensor {
    return tf.tidy(() => unit(this.textTower.apply(ids)));
  }

  /** @param images [B, S, S, 3] in [0, 1]; @returns [B, dim] of length 1, owned by the caller */
  image(images: Tensor): Tensor {
    return tf.tidy(() => unit(this.imageTower.apply(images)));
  }

  /** What cosines are multiplied by to be logits, a scalar. */
  scale(): Tensor {
    return tf.exp(this.logScale as Tensor);
  }

  /**
   * The loss of a batch in nats: captions against images, and with `views` that of two cuts of the images, weighted.
   * @param viewsWeight of the second term
   */
  loss(
    { images, ids, ignored, views }: PairBatch,
    viewsWeight = 0,
  ): { loss: Tensor; metrics: Readonly<Record<string, Tensor>> } {
    const image = this.image(images);
    const pairs = infoNce(image, this.text(ids), { scale: this.scale(), ignored });
    const scale = this.scale();
    if (views === undefined) return { loss: pairs, metrics: { scale } };
    const other = infoNce(image, this.image(views), { scale: tf.scalar(VIEW_SCALE), ignored });
    return {
      loss: tf.add(pairs, tf.mul(other, viewsWeight)),
      metrics: { pairs: tf.clone(pairs), views: other, scale },
    };
  }

  /** Scalars of the text tower, which is all that conditioning needs. */
  textCount(): number {
    const tower = this.parameters.list().filter(({ name }) => name.startsWith('text.'));
    return tower.reduce((sum, { variable }) => sum + variable.size, 0);
  }

  /** Keeps the temperature within CLIP's bound; after every update. */
  bound(): void {
    const bounded = tf.minimum(this.logScale as Tensor, MOST_SCALE);
    this.logScale.assign(bounded);
    bounded.dispose();
  }

  /** Multiply-adds times two of one pair's forward and backward pass; a view of the image more with `views`. */
  flopsPerPair(views = false): number {
    const { config } = this;
    return this.textTower.flops(config) + (views ? 2 : 1) * this.imageTower.flops(config);
  }

  dispose(): void {
    this.parameters.dispose();
  }
}

function assignScalar(variable: Variable, value: number): void {
  const scalar = tf.scalar(value);
  variable.assign(scalar);
  scalar.dispose();
}

/** Rows of length 1: an RMSNorm whose gain is 1 / sqrt(dim). */
function unit(rows: Tensor): Tensor {
  const [, dim] = rows.shape;
  return rmsNorm(rows, tf.fill([dim as number], 1 / Math.sqrt(dim as number)), 1e-12);
}

/**
 * Which pairs of a batch must not count as wrong answers: an image is never pushed away from its own caption because
 * another image has the same one.
 * @returns [B, B], -1e9 where two different pairs have equal captions, else 0; owned by the caller
 */
export function equalCaptions(captions: readonly string[]): Tensor {
  const values = captions.flatMap((a, i) => captions.map((b, j) => (i !== j && a === b ? -1e9 : 0)));
  return tf.tensor2d(values, [captions.length, captions.length]);
}

/**
 * Symmetric InfoNCE: the cross-entropy of softmax(scale a bT + ignored) with the diagonal, along rows and along columns,
 * halved. B x B logits are nothing beside the towers, so this is not one fused kernel.
 * @param a [B, dim]; @param b [B, dim], rows of length 1
 * @param options.scale a scalar; @param options.ignored of `equalCaptions`, [B, B], symmetric, 0 on the diagonal
 * @returns a scalar, in nats
 * @see van den Oord et al. 2018 (arXiv:1807.03748)
 */
export function infoNce(a: Tensor, b: Tensor, options: { readonly scale: Tensor; readonly ignored: Tensor }): Tensor {
  return tf.tidy(() => {
    const logits = tf.add(tf.mul(tf.matMul(a, b, false, true), options.scale), options.ignored); // [B, B]
    const partitions = tf.add(tf.logSumExp(logits, 1), tf.logSumExp(tf.transpose(logits), 1)); // [B]
    const right = tf.sum(tf.mul(logits, tf.eye(a.shape[0])), 1);
    return tf.mean(tf.sub(tf.mul(partitions, 0.5), right));
  });
}
