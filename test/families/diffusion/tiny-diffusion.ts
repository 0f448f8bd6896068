/** @file A diffusion model small enough for every backend, with no weight at zero. */
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../../src/core/random.ts';
import { type DiffusionConfig, diffusionSchema } from '../../../src/families/diffusion/config.ts';
import { Diffusion } from '../../../src/families/diffusion/diffusion.ts';

export const tinyConfig: DiffusionConfig = diffusionSchema.parse({
  stem: 2,
  width: 8,
  multipliers: [1, 2],
  blocks: 1,
  attention: [2],
  embedding: 12,
  sampleSteps: 3,
});

export const tinyShape = { imageSize: 8, textDim: 6 };

/** @param options.random weights at random instead of as a training starts, where much is zero */
export function tinyDiffusion(
  config: Partial<DiffusionConfig> = {},
  options: { readonly random?: boolean } = {},
): Diffusion {
  const model = new Diffusion({ ...tinyConfig, ...config }, tinyShape, new Random(1));
  if (options.random === true) {
    for (const { name, variable } of model.parameters.list()) {
      const values = new Random(9).fork(name).normals(variable.size, 0.3);
      const tensor = tf.tensor(values, variable.shape);
      variable.assign(tensor);
      tensor.dispose();
    }
  }
  return model;
}
