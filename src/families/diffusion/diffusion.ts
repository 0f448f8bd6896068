/**
 * @file The diffusion model: a U-Net behind EDM's scales or on a rectified flow (one network, one kind of noised data in
 * two coordinates), its loss, its score, and sampling with classifier-free guidance (Ho and Salimans 2022,
 * arXiv:2207.12598). Pictures are in [-1, 1]. Knows captions by their features only; no files, no optimizer.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { Parameters, type Source } from '../../nn/module.ts';
import type { DiffusionConfig } from './config.ts';
import { edmRegression, heun, karrasSigmas, precondition, type Regression, score } from './edm.ts';
import { flowRegression, flowTimes, followFlow, logitNormal, timeOf } from './flow.ts';
import { type PictureShape, UNet } from './unet.ts';

/**
 * Pictures that pass through the network at once in sampling. No more than 16: the embedding has a row a picture, and
 * linear layers sum in another order where they have more rows than that.
 */
const CHUNK = 16;

export interface SampleOptions {
  /** Features of the captions, [n, textDim]. */
  readonly text: Float32Array;
  /** Standard normal, [n, S, S, 3]. */
  readonly noise: Float32Array;
  /** Default: `sampleSteps` of the config. */
  readonly steps?: number;
  /** w in D = D_none + w (D_caption - D_none), on the velocity for flow; 1 (default): no guidance. */
  readonly cfgScale?: number;
  /** After each step of each run of pictures. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A picture's noised version is y + sigma n in EDM, (1 - t) y + t n in flow; its level is sigma or t. */
export class Diffusion {
  readonly config: DiffusionConfig;
  readonly shape: PictureShape;
  readonly parameters: Parameters;
  /** Floating-point operations of the network for one image, forward. */
  readonly flops: number;
  /** Network passes so far, each of one picture: what `sample` and `denoise` have cost. */
  evaluations = 0;
  private readonly network: UNet;

  /** @param source where the initial weights come from */
  constructor(config: DiffusionConfig, shape: PictureShape, source: Source) {
    this.config = config;
    this.shape = shape;
    this.parameters = new Parameters(source);
    this.network = new UNet(this.parameters, config, shape);
    this.flops = this.network.flops;
  }

  /**
   * The network's weighted regression: ||F - target||^2, which is EDM's weighted denoising loss or the flow's.
   * @param images [B, S, S, 3] in [-1, 1]; @param noise standard normal, like images
   * @param levels of noise, one an image: sigma, or t for flow
   * @param options.text [B, textDim]; @param options.keep [B, 1], 0 where the caption is left out
   * @param options.random for dropout; absent outside training
   * @returns mean over pixels for each image, [B]
   */
  losses(
    images: Tensor,
    noise: Tensor,
    levels: readonly number[],
    options: { readonly text: Tensor | null; readonly keep?: Tensor; readonly random?: Random },
  ): Tensor {
    const { text, keep, random } = options;
    const { imageSize: S } = this.shape;
    const bound = expectShape('diffusion: images', images.shape, ['B', S, S, 3]);
    expectShape('diffusion: noise', noise.shape, images.shape);
    expectShape('diffusion: levels', [levels.length], ['B'], bound);
    return tf.tidy(() => {
      const regressions = levels.map(level => this.regression(level));
      const combine = (of: (r: Regression) => { readonly y: number; readonly n: number }) => {
        const column = (key: 'y' | 'n') =>
          tf.tensor4d(
            regressions.map(r => of(r)[key]),
            [levels.length, 1, 1, 1],
          );
        return tf.add(tf.mul(images, column('y')), tf.mul(noise, column('n')));
      };
      const output = this.network.apply(
        combine(r => r.input),
        regressions.map(r => r.noise),
        text,
        { ...(keep === undefined ? {} : { keep }), ...(random === undefined ? {} : { random }) },
      );
      return tf.mean(
        tf.squaredDifference(
          output,
          combine(r => r.target),
        ),
        [1, 2, 3],
      );
    });
  }

  /** Numbers of a picture's noise. */
  get noiseSize(): number {
    return this.shape.imageSize ** 2 * 3;
  }

  /** A training level for a standard normal draw: log-normal sigma, or logit-normal t. */
  level(draw: number): number {
    const { precond, meanSigma, deviationSigma } = this.config;
    return precond === 'flow' ? logitNormal(draw) : Math.exp(meanSigma + deviationSigma * draw);
  }

  /**
   * The expected clean picture of a noised one.
   * @param x [B, S, S, 3] = y + sigma n, with either kind of preconditioning; @param sigma > 0
   * @param text [B, textDim]; null for no caption
   * @returns [B, S, S, 3], owned by the caller
   */
  denoise(x: Tensor, sigma: number, text: Tensor | null): Tensor {
    this.evaluations += x.shape[0];
    if (this.config.precond === 'flow') {
      const t = timeOf(sigma);
      return tf.tidy(() => {
        const z = tf.mul(x, 1 - t);
        return tf.sub(z, tf.mul(this.network.apply(z, [t], text), t));
      });
    }
    const { skip, out, input, noise } = precondition(sigma, this.config.sigmaData);
    return tf.tidy(() => {
      const F = this.network.apply(tf.mul(x, input), [noise], text);
      return tf.add(tf.mul(x, skip), tf.mul(F, out));
    });
  }

  /** The gradient of the log density of noised pictures, (D(x) - x) / sigma^2; as `denoise`. */
  score(x: Tensor, sigma: number, text: Tensor | null): Tensor {
    return tf.tidy(() => score(x, this.denoise(x, sigma, text), sigma));
  }

  /**
   * Paints. Heun's method for both kinds of preconditioning; a picture depends on its caption and its own noise,
   * not on what is painted beside it.
   * @returns [n, S, S, 3] in [-1, 1], owned by the caller
   */
  async sample(options: SampleOptions): Promise<Tensor> {
    const { text, noise: values, steps = this.config.sampleSteps, cfgScale = 1, onProgress } = options;
    const { imageSize: S, textDim } = this.shape;
    const n = values.length / this.noiseSize;
    expectShape('diffusion: text', [text.length], [n * textDim]);
    const chunks = Math.ceil(n / CHUNK);
    const parts: Tensor[] = [];
    for (let chunk = 0; chunk < chunks; chunk++) {
      const [from, to] = [chunk * CHUNK, Math.min(n, (chunk + 1) * CHUNK)];
      const noise = tf.tensor4d(values.slice(from * this.noiseSize, to * this.noiseSize), [to - from, S, S, 3]);
      const rows = tf.tensor2d(text.slice(from * textDim, to * textDim), [to - from, textDim]);
      const onStep = (done: number, total: number) => onProgress?.(chunk * total + done, chunks * total);
      try {
        const painted = await this.follow(noise, steps, { text: rows, cfgScale, onStep });
        parts.push(tf.tidy(() => tf.minimum(tf.maximum(painted, -1), 1)));
        painted.dispose();
      } catch (error) {
        for (const part of parts) part.dispose();
        throw error;
      } finally {
        noise.dispose();
        rows.dispose();
      }
    }
    if (parts.length === 0) return tf.zeros([0, S, S, 3]);
    const all = tf.tidy(() => (parts.length === 1 ? tf.clone(parts[0]) : tf.concat(parts, 0)));
    for (const part of parts) part.dispose();
    return all;
  }

  dispose(): void {
    this.parameters.dispose();
  }

  private regression(level: number): Regression {
    return this.config.precond === 'flow' ? flowRegression(level) : edmRegression(level, this.config.sigmaData);
  }

  /** From noise to pictures. */
  private follow(
    noise: Tensor,
    steps: number,
    options: {
      readonly text: Tensor;
      readonly cfgScale: number;
      readonly onStep: (done: number, total: number) => void;
    },
  ): Promise<Tensor> {
    const { text, cfgScale, onStep } = options;
    const { precond, sigmaMin: min, sigmaMax: max, rho } = this.config;
    if (precond === 'edm') {
      const denoiser = (x: Tensor, sigma: number) => guide(rows => this.denoise(x, sigma, rows), text, cfgScale);
      return heun(denoiser, noise, karrasSigmas(steps, { min, max, rho }), onStep);
    }
    const velocity = (z: Tensor, t: number) =>
      guide(
        rows => {
          this.evaluations += z.shape[0];
          return this.network.apply(z, [t], rows);
        },
        text,
        cfgScale,
      );
    return followFlow(velocity, noise, flowTimes(steps), { onStep });
  }
}

/** The prediction without caption, moved cfgScale times as far towards the one with it as that is. */
function guide(predict: (text: Tensor | null) => Tensor, text: Tensor, cfgScale: number): Tensor {
  if (cfgScale === 1) return predict(text);
  return tf.tidy(() => {
    const without = predict(null);
    return cfgScale === 0 ? without : tf.add(without, tf.mul(tf.sub(predict(text), without), cfgScale));
  });
}

/** Network passes for one picture: 2 steps - 1 of Heun's method, twice that with guidance. */
export function samplingPasses(steps: number, cfgScale: number): number {
  return (2 * steps - 1) * (cfgScale === 0 || cfgScale === 1 ? 1 : 2);
}
