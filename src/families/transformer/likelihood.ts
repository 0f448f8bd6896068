/** @file How likely a transformer finds captions and codes: of whole batches, and code by code. */

import * as tf from '@tensorflow/tfjs-core';
import { turnOfEventLoop } from '../../core/platform/platform.ts';
import type { Dalle, SequenceBatch } from './dalle.ts';

/**
 * Log-probabilities of given codes, each after those before it: log p(code i | caption, codes 0 .. i - 1).
 * @param captions padded ids [L], one a picture; @param codes [n, N]
 * @returns [n, N] in nats, at most 0
 */
export async function logProbabilities(
  model: Dalle,
  captions: readonly Int32Array[],
  codes: Int32Array,
): Promise<Float64Array> {
  const N = model.codes;
  const result = new Float64Array(codes.length);
  for (const [i, caption] of captions.entries()) {
    await turnOfEventLoop();
    const own = codes.subarray(i * N, (i + 1) * N);
    const logits = tf.tidy(() =>
      model.logits(tf.tensor2d(caption, [1, caption.length], 'int32'), tf.tensor2d(own, [1, N], 'int32')),
    ); // [1, N, K]
    const values = (await logits.data()) as Float32Array;
    logits.dispose();
    const K = values.length / N;
    for (let place = 0; place < N; place++) {
      const row = values.subarray(place * K, (place + 1) * K);
      result[i * N + place] = row[own[place]] - logSumExp(row);
    }
  }
  return result;
}

function logSumExp(values: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > most) most = value;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - most);
  return most + Math.log(sum);
}

/** Mean nats a caption id and a code, over all sequences of a batch. */
export async function measureNats(
  model: Dalle,
  batch: SequenceBatch,
): Promise<{ readonly caption: number; readonly image: number }> {
  const losses = tf.tidy(() => {
    const { loss, caption, image } = model.loss(batch);
    loss.dispose();
    return [caption, image];
  });
  const [caption, image] = await Promise.all(losses.map(async loss => (await loss.data())[0]));
  for (const loss of losses) loss.dispose();
  return { caption, image };
}
