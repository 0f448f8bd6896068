/**
 * @file Images to a grid of codes and back: encoder, quantizer, decoder, and the loss they learn by. Knows pixels and
 * codes; not captions, optimizers, files or datasets.
 * @see van den Oord et al. 2017 (arXiv:1711.00937) for the frame; the quantizers name their own sources
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { PatchConfig } from '../src/config/patch.ts';
import { codebookSizeOf } from '../src/config/patch-sizes.ts';
import { expectShape, UserError } from '../src/core/errors.ts';
import type { Random } from '../src/core/random.ts';
import { unitToSigned } from '../src/image/pixels.ts';
import { Checkpoint, Parameters, type Source } from '../src/nn/module.ts';
import { autoencoderFlops, Decoder, Encoder, stageWidths } from './autoencoder.ts';
import type { Tokenizer } from './index.ts';
import { createQuantizer } from './quantizers/index.ts';
import type { Quantizer, QuantizerState, TrainingMoment } from './quantizers/quantizer.ts';

/** Pixels that pass through the network at once where no gradients are taken: bounds the memory. */
const CHUNK_PIXELS = 1 << 19;

/** A training step's loss, before the optimizer. Every tensor is the caller's. */
export interface PatchLoss {
  readonly loss: Tensor;
  /** Unweighted parts and terms of the quantizer by name; scalars. */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** For `afterStep`. */
  readonly observed: readonly Tensor[];
}

/** An image tokenizer: [B, S, S, 3] in [0, 1] to int32 [B, grid * grid], row by row. */
export class PatchTokenizer implements Tokenizer<Tensor, Tensor> {
  /** K, the size of the codebook. */
  readonly vocabSize: number;
  readonly imageSize: number;
  /** Codes along each side. */
  readonly grid: number;
  /** Pixels along each side of a patch. */
  readonly patchSize: number;
  readonly config: PatchConfig;
  readonly parameters: Parameters;
  readonly quantizer: Quantizer;
  /** Only given pictures are read by it: copies for painting leave it out. */
  private readonly encoder: Encoder | undefined;
  private readonly decoder: Decoder;

  /**
   * @param imageSize pixels along each side; over `config.grid` a power of two, at least `config.stem`
   * @param source where the initial weights come from
   */
  constructor(config: PatchConfig, imageSize: number, source: Source) {
    this.config = config;
    this.imageSize = imageSize;
    this.grid = config.grid;
    this.patchSize = imageSize / config.grid;
    this.vocabSize = codebookSizeOf(config);
    this.parameters = new Parameters(source);
    const { parameters, patchSize } = this;
    this.quantizer = createQuantizer(config, patchSize, parameters.scope('quantizer'));
    if (!(source instanceof Checkpoint && source.omits('encoder'))) {
      this.encoder = new Encoder(parameters.scope('encoder'), config, patchSize, this.quantizer.inputs);
    }
    const { channels } = this.quantizer.pixels;
    this.decoder = new Decoder(parameters.scope('decoder'), config, patchSize, this.quantizer.outputs, channels);
  }

  /**
   * @param images [B, S, S, 3] in [0, 1]
   * @returns int32 [B, grid * grid], owned by the caller
   * @throws ShapeError if the images have another size
   */
  encode(images: Tensor): Tensor {
    const { B } = this.checkImages(images);
    return tf.tidy(() => {
      const parts = this.chunks(B).map(([begin, size]) =>
        tf.tidy(() => {
          const part = tf.slice(images, [begin, 0, 0, 0], [size, -1, -1, -1]);
          return this.quantizer.encode(this.encoded(unitToSigned(part))) as tf.Tensor3D; // [size, grid, grid]
        }),
      );
      return tf.reshape(tf.concat(parts, 0), [B, this.grid * this.grid]);
    });
  }

  /**
   * @param codes int32 [B, grid * grid] in [0, vocabSize)
   * @returns [B, S, S, 3] in [0, 1], owned by the caller
   * @throws ShapeError if there are more or fewer codes
   */
  decode(codes: Tensor): Tensor {
    const { B } = expectShape('patch tokenizer: codes', codes.shape, ['B', this.grid * this.grid]);
    return tf.tidy(() => {
      const parts = this.chunks(B).map(([begin, size]) =>
        tf.tidy(() => {
          const part = tf.reshape(tf.slice(codes, [begin, 0], [size, -1]), [size, this.grid, this.grid]);
          return this.quantizer.pixels.reconstruct(this.decoder.apply(this.quantizer.decode(part))) as tf.Tensor4D;
        }),
      );
      return tf.concat(parts, 0);
    });
  }

  /**
   * The loss of a batch; builds tensors only, so that it can be differentiated.
   * @param images [B, S, S, 3] in [0, 1]
   * @param moment where training stands; its draws are used by dvae alone
   */
  loss(images: Tensor, moment: TrainingMoment): PatchLoss {
    this.checkImages(images);
    const encoded = this.encoded(unitToSigned(images));
    const { vectors, losses, observed } = this.quantizer.quantize(encoded, moment);
    const output = this.decoder.apply(vectors);
    const { loss, metrics } = this.quantizer.pixels.loss(output, images, moment.config);
    const whole = Object.values(losses).reduce((sum, term) => tf.add(sum, term), loss);
    return { loss: whole, metrics: { ...losses, ...metrics }, observed };
  }

  /**
   * Before the first step of a new training (not of a resumed one): starts the codebook from real images, if it learns one.
   * @param images [B, S, S, 3]; some hundred
   */
  async beforeTraining(images: Tensor, random: Random): Promise<void> {
    this.checkImages(images);
    if (this.quantizer.initialize === undefined) return;
    const encoded = tf.tidy(() =>
      tf.concat(
        this.chunks(images.shape[0]).map(([begin, size]) =>
          tf.tidy(() => this.encoded(unitToSigned(tf.slice(images, [begin, 0, 0, 0], [size, -1, -1, -1])))),
        ),
        0,
      ),
    );
    await this.quantizer.initialize(encoded, random);
    encoded.dispose();
  }

  /**
   * After every optimizer step.
   * @param observed of that step's loss; still the caller's
   */
  async afterStep(observed: readonly Tensor[], moment: TrainingMoment): Promise<void> {
    await this.quantizer.afterStep?.(observed, moment);
  }

  /** Multiply-adds times two of training on one image; pixels need no gradient, which saves the first layer a product. */
  flopsPerImage(): number {
    const { config, imageSize } = this;
    const { channels } = this.quantizer.pixels;
    const { encode, decode } = autoencoderFlops(config, { imageSize, codeChannels: this.quantizer.inputs, channels });
    const [finest] = stageWidths(config, imageSize / config.grid);
    const first = 2 * (imageSize / config.stem) ** 2 * 9 * 3 * config.stem ** 2 * finest;
    return 3 * (encode + decode) - first;
  }

  /** Brings `state` up to date, which on a GPU is behind. */
  async readObserved(): Promise<void> {
    await this.quantizer.readObserved?.();
  }

  /** What a resumed training needs besides the parameters. */
  state(): QuantizerState {
    return this.quantizer.state();
  }

  /** @param where the file, for errors. @throws UserError if it is not of this quantizer */
  loadState(state: QuantizerState, where: string): void {
    this.quantizer.loadState(state, where);
  }

  dispose(): void {
    this.parameters.dispose();
  }

  /** @param pixels [B, S, S, 3] in [-1, 1]; @returns [B, grid, grid, inputs of the quantizer] */
  private encoded(pixels: Tensor): Tensor {
    if (this.encoder !== undefined) return this.encoder.apply(pixels);
    throw new UserError(
      'patch tokenizer',
      'cannot read pictures: this copy of the run is for painting, and has no encoder',
      'take the whole run',
    );
  }

  private checkImages(images: Tensor): Record<string, number> {
    return expectShape('patch tokenizer: images', images.shape, ['B', this.imageSize, this.imageSize, 3]);
  }

  /** [begin, size] of runs of images. */
  private chunks(count: number): [number, number][] {
    const size = Math.max(1, Math.floor(CHUNK_PIXELS / this.imageSize ** 2));
    return Array.from({ length: Math.ceil(count / size) }, (_, i) => [i * size, Math.min(size, count - i * size)]);
  }
}
