/** @file Interlaced codes drawn at one temperature while they are coarse and at another when they are fine. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import type { ModelConfig } from '../../../src/families/transformer/config.ts';
import type { Dalle, Vocabulary } from '../../../src/families/transformer/dalle.ts';
import {
  type GenerateRequest,
  generate,
  imagesOfSeed,
  type UnfinishedImages,
} from '../../../src/families/transformer/generate.ts';
import { onEveryBackend } from '../../support.ts';
import { caption, configs, randomModel } from './tiny-model.ts';

const words: Vocabulary = { caption: 11, image: 13, grid: 8 };
const N = words.grid ** 2;
const COARSE = 4;
const small: ModelConfig = { ...configs.interlaced, layers: 1, width: 8, heads: 2, mlpWidth: 8 };

async function paint(model: Dalle, settings: Partial<GenerateRequest>) {
  const captions = [caption(new Random(3), 3, small, words)];
  const painting = generate(model, {
    captions,
    images: imagesOfSeed(1, { imagesPerCaption: 2, seed: 4 }),
    ...settings,
  });
  let last: UnfinishedImages | undefined;
  for await (const images of painting) last = images;
  if (last === undefined) throw new Error('nothing was painted');
  return { ...last, caption: captions[0] };
}

onEveryBackend('the fine codes have a temperature of their own', async () => {
  const model = randomModel(small, 1, words);
  const wild = { temperature: 2, every: 3 };
  const alike = await paint(model, wild);
  const { codes, logProbabilities, caption: ids } = await paint(model, { ...wild, fineTemperature: 0 });
  const { cells } = model.order;
  for (const image of [0, 1]) {
    const own = codes.subarray(image * N, (image + 1) * N);
    const logits = model.logits(tf.tensor2d(ids, [1, ids.length], 'int32'), tf.tensor2d(own, [1, N], 'int32'));
    const likeliest = await tf.argMax(logits, 2).data();
    cells.forEach((cell, place) => {
      if (place < COARSE)
        expect(own[cell]).toBe(alike.codes[image * N + cell]); // drawn by the same numbers
      else expect(own[cell]).toBe(likeliest[cell]);
      expect(logProbabilities[image * N + cell] === 0).toBe(place >= COARSE);
    });
    tf.dispose(logits);
  }
  const same = await paint(model, { ...wild, fineTemperature: 1 });
  expect([...same.codes]).toEqual([...alike.codes]);
  model.dispose();
});

test('it is a number of at least 0, and nothing to codes in raster order', async () => {
  const model = randomModel({ ...small, order: 'raster' }, 1, words);
  await expect(paint(model, { fineTemperature: -1 })).rejects.toThrow(
    'generate: expected fineTemperature to be a number of at least 0, got -1',
  );
  expect([...(await paint(model, { fineTemperature: 0 })).codes]).toEqual([...(await paint(model, {})).codes]);
  model.dispose();
});
