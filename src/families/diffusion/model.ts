/** @file A diffusion model as a model of its family: painting step by step out of noise, and training. */

import type { Tensor } from '@tensorflow/tfjs-core';
import type { RunConfig } from '../../config/run.ts';
import { counted } from '../../core/numbers.ts';
import type { Making, Model } from '../family.ts';
import type { Batch } from '../queue.ts';
import { featuredData, type Technique, WholeImagePainter } from '../wholeimage.ts';
import { Diffusion, samplingPasses } from './diffusion.ts';
import { DiffusionTask } from './task.ts';

/** A denoiser with fresh weights, or with weights to be loaded. */
export function createDiffusion(making: Making<'text'>): Model {
  const { config, parts, random } = making;
  const shape = { imageSize: config.images.imageSize, textDim: parts.text.dim };
  const model = new Diffusion(config.diffusion, shape, random);
  return {
    painter: new WholeImagePainter(making, new DiffusionTechnique(config, model)),
    task: async data => {
      const { stream, heldOut } = await featuredData(making, data);
      return new DiffusionTask(model, stream, heldOut, config.train);
    },
    load: (values, where) => model.parameters.load(values, where),
    dispose: () => model.dispose(),
  };
}

class DiffusionTechnique implements Technique {
  readonly passes: number;
  readonly settings: string;
  readonly parameters: number;
  readonly noiseSize: number;
  private readonly cfgScale: number;
  private readonly model: Diffusion;

  constructor({ sampling, diffusion }: RunConfig, model: Diffusion) {
    this.model = model;
    this.cfgScale = sampling.cfgScale;
    this.parameters = model.parameters.count();
    this.noiseSize = model.noiseSize;
    this.passes = samplingPasses(diffusion.sampleSteps, sampling.cfgScale);
    this.settings = `${counted(diffusion.sampleSteps, 'step')}, guidance ${sampling.cfgScale}`;
  }

  paint(text: Float32Array, noise: Float32Array, { orders, settings, onStep }: Batch): Promise<Tensor> {
    const { cfgScale = this.cfgScale, steps } = settings;
    const captioned = orders[0].caption !== '';
    const onProgress = (done: number, total: number) => onStep(done / total);
    return this.model.sample({ text, noise, steps, cfgScale: captioned ? cfgScale : 0, onProgress });
  }

  dispose(): void {
    this.model.dispose();
  }
}
