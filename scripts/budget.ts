/**
 * @file Fits a training into minutes: measures how many steps this machine makes in a second, on random data, and sets the
 * number of steps of both trainings by it.
 */
import * as tf from '@tensorflow/tfjs-core';
import { codebookSizeOf } from '../src/config/patch.ts';
import type { RunConfig } from '../src/config/run.ts';
import { mergeConfig } from '../src/config/schema.ts';
import { Random } from '../src/core/random.ts';
import { checkConfig, runSchema } from '../src/families/config.ts';
import { Dalle } from '../src/families/transformer/dalle.ts';
import { valueAndGradients } from '../src/kernels/autodiff.ts';
import type { Parameters } from '../src/nn/module.ts';
import { Optimizer } from '../src/training/optimizer.ts';
import { PatchTokenizer } from '../tokenizer/patch.ts';

/** Eight checks and four sheets over the training, however long it is. */
export function rhythm(steps: number): Partial<RunConfig['train']> {
  const eighth = Math.max(1, Math.ceil(steps / 8));
  return { steps, evalEvery: eighth, sampleEvery: 2 * eighth, saveEvery: eighth };
}

/**
 * The config with as many steps of both trainings as fit.
 * @param seconds for both together; @param patchShare what of them the patch tokenizer has
 * @param now a clock in milliseconds
 */
export async function fitToBudget(
  config: RunConfig,
  options: { readonly seconds: number; readonly patchShare: number; readonly now: () => number },
): Promise<RunConfig> {
  const { seconds, patchShare, now } = options;
  const rates = await measureRates(config, now);
  const steps = (share: number, perSecond: number) => Math.max(20, Math.round((seconds * share * perSecond) / 10) * 10);
  const fitted = {
    patchTrain: { steps: steps(patchShare, rates.patchStepsPerSecond) },
    train: rhythm(steps(1 - patchShare, rates.modelStepsPerSecond)),
  };
  return checkConfig(runSchema().parse(mergeConfig(config, fitted)));
}

interface Rates {
  readonly patchStepsPerSecond: number;
  readonly modelStepsPerSecond: number;
}

async function measureRates(config: RunConfig, now: () => number): Promise<Rates> {
  return {
    patchStepsPerSecond: await patchRate(config, now),
    modelStepsPerSecond: await modelRate(config, now),
  };
}

async function patchRate(config: RunConfig, now: () => number): Promise<number> {
  const { imageSize } = config.images;
  const { batchSize } = config.patchTrain;
  const tokenizer = new PatchTokenizer(config.patch, imageSize, new Random(0));
  const random = new Random(1);
  const images = tf.tensor(
    Float32Array.from({ length: batchSize * imageSize ** 2 * 3 }, () => random.uniform()),
    [batchSize, imageSize, imageSize, 3],
  );
  const rate = await stepRate(tokenizer.parameters, { ...config.patchTrain, now }, () => {
    const { loss } = tokenizer.loss(images, { progress: 0, random, config: config.patchTrain });
    return loss;
  });
  images.dispose();
  tokenizer.dispose();
  return rate;
}

async function modelRate(config: RunConfig, now: () => number): Promise<number> {
  const image = codebookSizeOf(config.patch);
  const vocabulary = { caption: config.caption.vocabSize, image, grid: config.patch.grid };
  const model = new Dalle(config.model, vocabulary, new Random(0));
  const random = new Random(1);
  const size = config.train.batchSize;
  const ids = (count: number, below: number) => Int32Array.from({ length: count }, () => random.integer(below));
  const batch = {
    captions: ids(size * config.model.captionLength, vocabulary.caption),
    codes: ids(size * model.codes, image),
  };
  const rate = await stepRate(model.parameters, { ...config.train, now }, () => model.loss(batch, { random }).loss);
  model.dispose();
  return rate;
}

/** By the second fastest of eight steps after two that warm up: others may be using the machine just now. */
async function stepRate(
  parameters: Parameters,
  options: ConstructorParameters<typeof Optimizer>[1] & { readonly now: () => number },
  forward: () => tf.Tensor,
): Promise<number> {
  const variables = parameters.list().map(({ variable }) => variable);
  const optimizer = new Optimizer(parameters.list(), options);
  const times: number[] = [];
  for (let step = 0; step < 10; step++) {
    const started = options.now();
    const { loss, gradients } = valueAndGradients(() => ({ loss: forward() }), variables);
    await optimizer.step(gradients, 0);
    await loss.data();
    loss.dispose();
    times.push(options.now() - started);
  }
  optimizer.dispose();
  return 1000 / times.slice(2).sort((a, b) => a - b)[1];
}
