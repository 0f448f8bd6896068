/** @file The likelihood that a transformer gives captions and codes. */
import * as tf from '@tensorflow/tfjs-core';
import type { Dalle, SequenceBatch } from './dalle.ts';

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
