/**
 * @file What is measured, step by step: training the transformer, painting with it, and training the patch tokenizer, all
 * on random data. Operations are counted as the model needs them: two for a multiply-add, three products for each weight
 * that is trained, heads on their own positions, half of the square of attention.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { patchSchema, patchTrainSchema } from '../../src/config/patch.ts';
import { Random } from '../../src/core/random.ts';
import type { Precision } from '../../src/device/native/native.ts';
import { modelSchema } from '../../src/families/transformer/config.ts';
import { Dalle } from '../../src/families/transformer/dalle.ts';
import { generate, imagesOfSeed } from '../../src/families/transformer/generate.ts';
import { Images } from '../../src/image/images.ts';
import { imagesToTensor } from '../../src/image/pixels.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import type { Parameters } from '../../src/nn/module.ts';
import { Optimizer, type OptimizerConfig } from '../../src/training/optimizer.ts';
import { PatchTokenizer } from '../../tokenizer/patch.ts';
import type { Shape } from './flags.ts';

/** What a round measures. */
export interface Workload {
  readonly job: keyof typeof jobs;
  readonly precision: Precision;
  readonly shape: Shape;
  /** Sequences or images a step. */
  readonly batch: number;
  /** Steps measured after those that warm up. */
  readonly steps: number;
}

export interface Job {
  /** Of a step. */
  readonly units: number;
  /** Floating-point operations that a step needs; absent where they are not counted. */
  readonly flops?: number;
  /** Steps that are not like the others: memory is fetched, a caption is read. */
  readonly warmUp: number;
  readonly step: () => Promise<void>;
  /** Frees the model, where others follow it in the same process. */
  readonly dispose?: () => void;
}

/** What a second is counted in. */
export const unitOf = { train: 'tokens', sample: 'tokens', tokenizer: 'images' } as const;

const jobs = { train: trainingJob, sample: paintingJob, tokenizer: tokenizerJob };

/** Sets the work up on the active backend, for as long as the process lives. */
export function createJob(workload: Pick<Workload, 'job' | 'shape' | 'batch'>): Job {
  return jobs[workload.job](workload);
}

export function createModel(shape: Shape): Dalle {
  const { width, layers, heads, captionLength, captionVocab, imageVocab, grid } = shape;
  const config = modelSchema.parse({ width, layers, heads, captionLength, dropout: 0 });
  return new Dalle(config, { caption: captionVocab, image: imageVocab, grid }, new Random(0));
}

/** The model's optimizer: clipping and decay as in a training, but no average, which the rival keeps none of. */
export const modelOptimizer: OptimizerConfig = { beta1: 0.9, beta2: 0.95, weightDecay: 0.05, clip: 1, ema: 0 };

/** A training step, which returns the loss, and its optimizer's end. */
export function createStep(parameters: Parameters, config: OptimizerConfig) {
  const variables = parameters.list().map(({ variable }) => variable);
  const optimizer = new Optimizer(parameters.list(), config);
  const step = async (forward: () => Tensor, lr: number): Promise<number> => {
    const { loss, gradients } = valueAndGradients(() => ({ loss: forward() }), variables);
    await optimizer.step(gradients, lr);
    const [value] = await loss.data();
    loss.dispose();
    return value;
  };
  return { step, dispose: () => optimizer.dispose() };
}

type Sizes = Pick<Workload, 'shape' | 'batch'>;

function randomIds(random: Random, count: number, below: number): Int32Array {
  return Int32Array.from({ length: count }, () => random.integer(below));
}

function trainingJob({ shape, batch }: Sizes): Job {
  const model = createModel(shape);
  const random = new Random(1);
  const { step, dispose } = createStep(model.parameters, modelOptimizer);
  // No caption has pads: every position is learned from, as in the rival.
  const sequences = {
    captions: randomIds(random, batch * shape.captionLength, shape.captionVocab),
    codes: randomIds(random, batch * model.codes, shape.imageVocab),
  };
  return {
    units: batch * model.length,
    flops: batch * model.flopsPerSequence(),
    warmUp: 2,
    step: async () => {
      await step(() => model.loss(sequences, { random }).loss, 1e-4);
    },
    dispose: () => {
      dispose();
      model.dispose();
    },
  };
}

function paintingJob({ shape, batch }: Sizes): Job {
  const model = createModel(shape);
  const caption = randomIds(new Random(1), shape.captionLength, shape.captionVocab);
  const painting = generate(model, {
    captions: [caption],
    images: imagesOfSeed(1, { imagesPerCaption: batch }),
    every: 1,
  });
  return {
    units: batch,
    warmUp: 1, // reads the caption
    step: async () => {
      const { done } = await painting.next();
      if (done === true) throw new Error(`bench: the image is finished after ${model.codes} codes`);
    },
  };
}

/** Pixels along each side of the images that the patch tokenizer is trained on. */
export const IMAGE_SIZE = 128;

function tokenizerJob({ batch }: Sizes): Job {
  const config = patchTrainSchema.parse({});
  const tokenizer = new PatchTokenizer(patchSchema.parse({}), IMAGE_SIZE, new Random(0));
  const random = new Random(1);
  const bytes = Uint8Array.from({ length: batch * IMAGE_SIZE ** 2 * 3 }, () => random.integer(256));
  const images = new Images(bytes, { width: IMAGE_SIZE, height: IMAGE_SIZE });
  const { step } = createStep(tokenizer.parameters, config);
  return {
    units: batch,
    flops: batch * tokenizer.flopsPerImage(),
    warmUp: 2,
    step: async () => {
      const forward = () => tokenizer.loss(imagesToTensor(images), { progress: 0, random, config }).loss;
      await step(forward, config.lr);
    },
  };
}
