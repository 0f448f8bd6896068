/**
 * @file How good a patch tokenizer is, over as many images as one has: the peak signal-to-noise ratio of hard
 * reconstructions (through the codes, as the pictures of a transformer are made), and how much of the codebook is used.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { PatchTokenizer } from './patch.ts';

export interface TokenizerQuality {
  readonly images: number;
  /** Mean over images of -10 log10(mean squared error), in decibels. */
  readonly psnr: number;
  /** Share of the codebook that occurs at all, in [0, 1]. */
  readonly usage: number;
  /** exp of the entropy of how often codes occur: as many codes, used equally often, would say as much. */
  readonly perplexity: number;
  /** How often each code occurs: [V]. */
  readonly counts: readonly number[];
}

/** An image without any error would have infinitely many decibels; this is 100. */
const LEAST_ERROR = 1e-10;

/** Adds up the quality over batches. */
export class QualityMeter {
  private readonly counts: Float64Array;
  private decibels = 0;
  private images = 0;

  constructor(codebookSize: number) {
    this.counts = new Float64Array(codebookSize);
  }

  /**
   * @param codes int32 [B, ...]
   * @param reconstructed [B, S, S, 3]; @param images alike
   */
  async add(codes: Tensor, reconstructed: Tensor, images: Tensor): Promise<void> {
    const errors = tf.tidy(() => tf.mean(tf.squaredDifference(reconstructed, images), [1, 2, 3]));
    const [values, ids] = await Promise.all([errors.data(), codes.data()]);
    errors.dispose();
    for (const error of values) this.decibels += -10 * Math.log10(Math.max(error, LEAST_ERROR));
    for (const id of ids) this.counts[id]++;
    this.images += values.length;
  }

  quality(): TokenizerQuality {
    const { counts, images } = this;
    const total = counts.reduce((a, b) => a + b, 0);
    let entropy = 0;
    let used = 0;
    for (const count of counts) {
      if (count === 0) continue;
      used++;
      entropy -= (count / total) * Math.log(count / total);
    }
    return {
      images,
      psnr: this.decibels / images,
      usage: used / counts.length,
      perplexity: Math.exp(entropy),
      counts: [...counts],
    };
  }
}

/** Encodes, decodes and compares. @param batches [B, S, S, 3] each; they stay the caller's */
export async function measureQuality(
  tokenizer: PatchTokenizer,
  batches: Iterable<Tensor> | AsyncIterable<Tensor>,
): Promise<TokenizerQuality> {
  const meter = new QualityMeter(tokenizer.vocabSize);
  for await (const images of batches) {
    const codes = tokenizer.encode(images);
    const reconstructed = tokenizer.decode(codes);
    await meter.add(codes, reconstructed, images);
    codes.dispose();
    reconstructed.dispose();
  }
  return meter.quality();
}
