/** @file Pixels as the decoder's output itself, judged by distances: of quantizers that bring no distribution of pixels. */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { signedToUnit } from '../../src/image/pixels.ts';
import { pixelLosses } from '../../src/kernels/pixelloss/pixelloss.ts';
import type { PixelModel } from './quantizer.ts';

/** Red, green and blue in [-1, 1]; the loss weighs absolute, squared and edge differences by the config. */
export const plainPixels: PixelModel = {
  channels: 3,
  loss: (output, images, { l1, l2, edges }) => {
    const parts = pixelLosses(signedToUnit(output), images);
    const loss: Tensor = tf.add(tf.add(tf.mul(parts.l1, l1), tf.mul(parts.l2, l2)), tf.mul(parts.edges, edges));
    return { loss, metrics: { ...parts } };
  },
  reconstruct: output => tf.clipByValue(signedToUnit(output), 0, 1),
};
