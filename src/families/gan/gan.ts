/**
 * @file A generative adversarial network for captioned images: a generator and a discriminator of one kind (dcgan.ts,
 * r3gan.ts), and how both read a caption, given as features that a frozen encoder has for it. The generator gets a linear
 * map of them beside the noise; the discriminator compares another one with its own features of the image,
 * D(x, c) = <phi(x), W c + b> / sqrt(dim) (projection, Miyato and Koyama 2018, arXiv:1802.05637; b is their unconditional
 * part). A caption that was left out is all zeros. Losses and training are src/families/gan/task.ts's.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { linear } from '../../kernels/linear/linear.ts';
import { Linear } from '../../nn/layers.ts';
import { type Parameter, Parameters, type Source } from '../../nn/module.ts';
import type { GanConfig } from './config.ts';
import { DcganDiscriminator, DcganGenerator } from './dcgan.ts';
import { type Dual, dual, linearMap } from './penalty.ts';
import { checkImageSize, type Discriminator, FEATURES, type Generator } from './players.ts';
import { R3ganDiscriminator, R3ganGenerator } from './r3gan.ts';

export type GanKind = 'dcgan' | 'r3gan';

export interface GanShape {
  readonly imageSize: number;
  /** Features of a caption. */
  readonly textDim: number;
}

export class Gan {
  readonly config: GanConfig;
  readonly shape: GanShape;
  readonly kind: GanKind;
  /** All parameters: `generator.` and `discriminator.` */
  readonly parameters: Parameters;
  private readonly generator: Generator;
  private readonly discriminator: Discriminator;
  private readonly caption: Linear;
  private readonly captionWeight: Variable; // [FEATURES, textDim]
  private readonly captionBias: Variable; // [FEATURES]

  /** @throws UserError if the image size is not 4 times a power of two */
  constructor(config: GanConfig, shape: GanShape, source: Source, kind: GanKind) {
    checkImageSize(shape.imageSize);
    const { latent, width, blocks } = config;
    const { imageSize, textDim } = shape;
    this.config = config;
    this.shape = shape;
    this.kind = kind;
    this.parameters = new Parameters(source);
    const [own, others] = [this.parameters.scope('generator'), this.parameters.scope('discriminator')];
    const sizes = { imageSize, width, blocks };
    const inputs = 2 * latent;
    this.caption = new Linear(own.scope('caption'), textDim, latent);
    this.generator = kind === 'dcgan' ? new DcganGenerator(own, inputs, sizes) : new R3ganGenerator(own, inputs, sizes);
    this.discriminator =
      kind === 'dcgan' ? new DcganDiscriminator(others, sizes) : new R3ganDiscriminator(others, sizes);
    this.captionWeight = others.normal('caption.weight', [FEATURES, textDim], 1 / Math.sqrt(textDim));
    this.captionBias = others.normal('caption.bias', [FEATURES], 1);
  }

  /**
   * Paints; each image depends on its own noise and caption alone.
   * @param z [B, latent], standard normal
   * @param text [B, textDim], rows of zeros for no caption
   * @returns [B, S, S, 3], in [-1, 1] or a little outside, owned by the caller
   */
  generate(z: Tensor, text: Tensor): Tensor {
    return tf.tidy(() => this.generator.apply(this.inputs(z, text)));
  }

  /** As `generate` in training: norms over the batch use its statistics, which are returned for `follow`. */
  generateInTraining(z: Tensor, text: Tensor): { readonly images: Tensor; readonly moments: readonly Tensor[] } {
    return this.generator.train(this.inputs(z, text));
  }

  private inputs(z: Tensor, text: Tensor): Tensor {
    const { latent } = this.config;
    const { B } = expectShape('gan: z', z.shape, ['B', latent]);
    expectShape('gan: text', text.shape, [B, this.shape.textDim]);
    return tf.concat([z, this.caption.apply(text)], 1); // [B, 2 latent]
  }

  /** Moves the running statistics that `generate` uses towards a batch's. */
  follow(moments: readonly Tensor[]): void {
    this.generator.follow(moments);
  }

  /**
   * A zero with a gradient of zeros by the running statistics. Added to the generator's loss it hands them to the optimizer,
   * which leaves them as they are and keeps their average beside the weights'.
   */
  statisticsTerm(): Tensor {
    const { statistics } = this.generator;
    if (statistics.length === 0) return tf.scalar(0);
    return tf.addN(statistics.map(x => tf.mul(tf.sum(x), 0)));
  }

  /** The discriminator's features of images, to be compared with any number of captions. @param x [B, S, S, 3] */
  features(x: Dual): Dual {
    const { imageSize } = this.shape;
    expectShape('gan: images', x.value.shape, ['B', imageSize, imageSize, 3]);
    return this.discriminator.features(x); // [B, FEATURES]
  }

  /** How real images are with these captions. @param features [B, FEATURES]; @param text [B, textDim]; @returns [B] */
  logitsOf(features: Dual, text: Tensor): Dual {
    const wanted = linear(text, this.captionWeight, { bias: this.captionBias }); // [B, FEATURES]
    return linearMap(features, x => tf.mul(tf.sum(tf.mul(x, wanted), 1), 1 / Math.sqrt(FEATURES)));
  }

  /** Logits. @param images [B, S, S, 3]; @param text [B, textDim]; @returns [B], owned by the caller */
  discriminate(images: Tensor, text: Tensor): Tensor {
    return tf.tidy(() => this.logitsOf(this.features(dual(images)), text).value);
  }

  /** One player's parameters. */
  parametersOf(player: 'generator' | 'discriminator'): readonly Parameter[] {
    return this.parameters.list().filter(({ name }) => name.startsWith(`${player}.`));
  }

  /** Scalars of a player; the generator's are what sampling needs. */
  countOf(player: 'generator' | 'discriminator'): number {
    return this.parametersOf(player).reduce((sum, { variable }) => sum + variable.size, 0);
  }

  /** Multiply-adds times two of one image, forward. */
  flopsOf(player: 'generator' | 'discriminator'): number {
    const { textDim } = this.shape;
    return player === 'generator'
      ? 2 * (this.generator.multiplyAdds + textDim * this.config.latent)
      : 2 * (this.discriminator.multiplyAdds + FEATURES * (textDim + 1));
  }

  /**
   * Of one image through one step of both players, forward and backward: a backward pass is two forward ones, by inputs or
   * weights alone it is one. Both backward passes of a network's first layer are counted, though pixels need none.
   */
  trainingFlops(): number {
    const { loss, r1, r2 } = this.config;
    const penalties = (r1 > 0 ? 1 : 0) + (r2 > 0 ? 1 : 0);
    // D: values of real and fake with gradients; for a penalty the gradient by the image, and the tangent with gradients.
    const judged = 2 * 3 + penalties * (2 + 3);
    // G: logits of fakes and their gradient by the image; the relativistic loss reads those of real images too.
    const answered = 2 + (loss === 'relativistic' ? 1 : 0);
    return (judged + answered) * this.flopsOf('discriminator') + (1 + 3) * this.flopsOf('generator');
  }

  dispose(): void {
    this.parameters.dispose();
  }
}
