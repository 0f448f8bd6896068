/**
 * @file What a quantizer is: the step between encoder and decoder that turns each position's channels into one of K
 * codes. Quantizers know nothing of images, networks or optimizers.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { PatchTrainConfig } from '../../src/config/patch.ts';
import type { Random } from '../../src/core/random.ts';

/** Where training stands. */
export interface TrainingMoment {
  /** Share of the training that is done, in [0, 1]. */
  readonly progress: number;
  /** Draws of this step alone. */
  readonly random: Random;
  readonly config: PatchTrainConfig;
}

/** A batch on its way from encoder to decoder, while training. */
export interface Quantized {
  /** Decoder input, [B, h, w, outputs]; differentiable by the encoder's output. */
  readonly vectors: Tensor;
  /** Terms to add to the loss, weighted already; scalars. */
  readonly losses: Readonly<Record<string, Tensor>>;
  /** What `afterStep` wants to see of this step. */
  readonly observed: readonly Tensor[];
}

/** What a quantizer remembers besides its parameters: plain arrays by name, saved and loaded with a run's state. */
export type QuantizerState = Readonly<Record<string, Float32Array>>;

/** What a decoder's output says of pixels. */
export interface PixelModel {
  /** Channels of the output a pixel. */
  readonly channels: number;
  /**
   * Builds tensors only.
   * @param output of the decoder, [B, S, S, channels]; @param images [B, S, S, 3] in [0, 1]
   * @returns the loss, and unweighted parts of it by name; scalars
   */
  loss(output: Tensor, images: Tensor, config: PatchTrainConfig): PixelLoss;
  /** @returns the pixels that an output means, [B, S, S, 3] in [0, 1] */
  reconstruct(output: Tensor): Tensor;
}

export interface PixelLoss {
  readonly loss: Tensor;
  readonly metrics: Readonly<Record<string, Tensor>>;
}

export interface Quantizer {
  /** K: codes are in [0, K). */
  readonly codebookSize: number;
  /** Channels it wants from the encoder. */
  readonly inputs: number;
  /** Channels it gives to the decoder. */
  readonly outputs: number;
  /** What the decoder's output says of pixels, and how it is judged. */
  readonly pixels: PixelModel;
  /**
   * The differentiable way, for training. Builds tensors only.
   * @param encoded [B, h, w, inputs]
   */
  quantize(encoded: Tensor, moment: TrainingMoment): Quantized;
  /** @param encoded [B, h, w, inputs]; @returns int32 [B, h, w] */
  encode(encoded: Tensor): Tensor;
  /** @param codes int32 [B, h, w]; @returns [B, h, w, outputs] */
  decode(codes: Tensor): Tensor;
  /** Starts the codebook from outputs of the untrained encoder; absent where there is nothing to start. */
  initialize?(encoded: Tensor, random: Random): Promise<void>;
  /** Once after every optimizer step, with the `observed` of that step (which stay the caller's). */
  afterStep?(observed: readonly Tensor[], moment: TrainingMoment): Promise<void>;
  /** Reads what `afterStep` left on the device to be read later, so that `state` is up to date. */
  readObserved?(): Promise<void>;
  state(): QuantizerState;
  /** @param where the file, for errors. @throws UserError if the state is not of this quantizer */
  loadState(state: QuantizerState, where: string): void;
}
