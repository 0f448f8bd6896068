/**
 * @file DALL·E's discrete variational autoencoder: a categorical distribution over K codes at each position, relaxed by
 * the Gumbel softmax, its KL divergence to the uniform prior, and the logit-Laplace likelihood of the pixels.
 * @see Ramesh et al. 2021, section 2.1 and appendix A.2, A.3 (arXiv:2102.12092); Jang et al. 2016 (arXiv:1611.01144)
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { PatchTrainConfig } from '../../src/config/patch.ts';
import { expectShape } from '../../src/core/errors.ts';
import { gumbelSoftmax, klToUniform } from '../../src/kernels/categorical/categorical.ts';
import { detached } from '../../src/kernels/detached.ts';
import { embedding } from '../../src/kernels/embedding/embedding.ts';
import type { Parameters } from '../../src/nn/module.ts';
import type { PixelModel, Quantized, Quantizer, QuantizerState, TrainingMoment } from './quantizer.ts';

/** Channels of a code's vector: the first, 1x1 layer of DALL·E's decoder. */
const VECTOR = 128;
/** Pixels are mapped to [EPS, 1 - EPS], where the logit is tame. */
const EPS = 0.1;

/** A logit-Laplace distribution of every value: its centre, and the logarithm of its width. */
const logitLaplacePixels: PixelModel = {
  channels: 6,
  loss: (output, images) => {
    const loss = tf.mean(logitLaplaceLoss(mapPixels(images), output));
    return { loss, metrics: { nll: tf.clone(loss) } };
  },
  reconstruct: output => reconstructDvae(output),
};

export class DvaeQuantizer implements Quantizer {
  readonly codebookSize: number;
  readonly inputs: number;
  readonly outputs = VECTOR;
  readonly pixels = logitLaplacePixels;
  readonly codebook: Variable; // [K, VECTOR]
  private readonly patchSize: number;

  /** @param patchSize pixels along a patch: the evidence bound is counted per pixel and channel */
  constructor(codebookSize: number, patchSize: number, parameters: Parameters) {
    this.codebookSize = codebookSize;
    this.inputs = codebookSize;
    this.patchSize = patchSize;
    // As for the 1x1 convolution that it is, over K inputs of which one is 1: unit variance, not 1 / K.
    this.codebook = parameters.normal('codebook', [codebookSize, VECTOR], 1, { decay: false });
  }

  quantize(encoded: Tensor, { progress, random, config }: TrainingMoment): Quantized {
    const { B, h, w } = expectShape('dvae: encoded', encoded.shape, ['B', 'h', 'w', this.inputs]);
    const logits = tf.reshape(encoded, [B * h * w, this.codebookSize]);
    const temperature = temperatureAt(config, progress);
    const relaxed = gumbelSoftmax(logits, { temperature, seed: random.uint32(), stream: random.uint32() }); // [N, K]
    const weight = klWeightAt(config, progress) / (this.patchSize * this.patchSize * 3);
    return {
      vectors: tf.reshape(tf.matMul(relaxed as tf.Tensor2D, this.codebook as tf.Tensor as tf.Tensor2D), [
        B,
        h,
        w,
        VECTOR,
      ]),
      losses: { kl: tf.mul(tf.mean(klToUniform(logits)), weight) },
      observed: [],
    };
  }

  encode(encoded: Tensor): Tensor {
    return tf.argMax(encoded, -1);
  }

  decode(codes: Tensor): Tensor {
    return embedding(this.codebook, codes);
  }

  state(): QuantizerState {
    return {};
  }

  loadState(): void {}
}

/** From `start` to `end` along half a cosine over the first `length` of the training, then constant. */
export function cosine(start: number, end: number, length: number, progress: number): number {
  const done = length > 0 ? Math.min(1, progress / length) : 1;
  return end + (start - end) * 0.5 * (1 + Math.cos(Math.PI * done));
}

/** tau: from 1 to its final value. */
export function temperatureAt(config: PatchTrainConfig, progress: number): number {
  return cosine(1, config.temperature, config.temperatureSteps, progress);
}

/** beta: from 0 to its final value. */
export function klWeightAt(config: PatchTrainConfig, progress: number): number {
  return cosine(0, config.klWeight, config.klWarmup, progress);
}

/** Pixels in [0, 1] to [0.1, 0.9]. */
export function mapPixels(x: Tensor): Tensor {
  return tf.add(tf.mul(x, 1 - 2 * EPS), EPS);
}

/** The inverse of `mapPixels`, clipped to [0, 1]. */
export function unmapPixels(x: Tensor): Tensor {
  return tf.clipByValue(tf.div(tf.sub(x, EPS), 1 - 2 * EPS), 0, 1);
}

/**
 * Minus the log-density of the logit-Laplace distribution, ln(2 b x (1 - x)) + |logit(x) - mu| / b.
 * @param x [..., C] in (0, 1)
 * @param output [..., 2C]: mu, then ln b
 * @returns [..., C], nats
 */
export function logitLaplaceLoss(x: Tensor, output: Tensor): Tensor {
  const [mu, logB] = tf.split(output, 2, -1);
  const constants = detached(() => [tf.log(tf.div(x, tf.sub(1, x))), tf.log(tf.mul(2, tf.mul(x, tf.sub(1, x))))]);
  const distance = tf.mul(tf.abs(tf.sub(constants[0], mu)), tf.exp(tf.neg(logB)));
  return tf.add(tf.add(distance, logB), constants[1]);
}

/** Pixels in [0, 1] from the decoder's output: the logit-Laplace's centre; its width is left out. */
export function reconstructDvae(output: Tensor): Tensor {
  const [mu] = tf.split(output, 2, -1);
  return unmapPixels(tf.sigmoid(mu));
}
