/** @file How many training steps this machine makes in a second, measured on random data in a few steps each. */
import * as tf from '@tensorflow/tfjs-core';
import { codebookSizeOf, type RunConfig } from '../src/config.ts';
import { Dalle } from '../src/dalle.ts';
import { valueAndGradients } from '../src/kernels/autodiff.ts';
import type { Parameters } from '../src/nn/module.ts';
import { AdamW } from '../src/optim.ts';
import { Random } from '../src/random.ts';
import { PatchTokenizer } from '../tokenizer/patch.ts';

export interface Rates {
  readonly patchStepsPerSecond: number;
  readonly modelStepsPerSecond: number;
}

/** Measures both trainings of a config. @param now milliseconds */
export async function measureRates(config: RunConfig, now: () => number): Promise<Rates> {
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

/** The median of six steps after two that warm up. */
async function stepRate(
  parameters: Parameters,
  options: ConstructorParameters<typeof AdamW>[1] & { readonly now: () => number },
  forward: () => tf.Tensor,
): Promise<number> {
  const variables = parameters.list().map(({ variable }) => variable);
  const optimizer = new AdamW(parameters.list(), options);
  const times: number[] = [];
  for (let step = 0; step < 8; step++) {
    const started = options.now();
    const { loss, gradients } = valueAndGradients(() => ({ loss: forward() }), variables);
    await optimizer.step(gradients, 0);
    await loss.data();
    loss.dispose();
    times.push(options.now() - started);
  }
  optimizer.dispose();
  return 1000 / times.slice(2).sort((a, b) => a - b)[3];
}
