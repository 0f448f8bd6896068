/** @file Measuring a machine keeps nothing in its memory, wherever it is stopped. */
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { resolveConfig } from '../../src/families/resolve.ts';
import { startBackend } from '../../src/kernels/start.ts';
import { measureCosts } from '../../src/runs/plan/machine.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import { byHeart, captions } from '../cli/program.ts';
import { drawings } from './plan-machines.ts';

beforeAll(() => startBackend('native', { threads: 1 }));

const small = {
  images: { imageSize: 32, crops: 1 },
  patch: byHeart.patch,
  model: byHeart.model,
  text: { width: 16, layers: 1, heads: 2, dim: 16, imageWidth: 8 },
  gan: { width: 8, latent: 8 },
  diffusion: { width: 8, multipliers: [1, 1], attention: [], embedding: 16, sampleSteps: 4 },
  train: { batchSize: 4, checkSamples: 8 },
};

const tokenizer = BpeTokenizer.train(captions, { vocabSize: 300 });
const surveyed = { survey: drawings(40), tokenizer, captions };

/** Measures, and is stopped when the clock is read for the nth time. @returns how often it was read; undefined if it was stopped */
async function measure(family: string, stopAt: number): Promise<number | undefined> {
  const config = resolveConfig({ preset: 'tiny', fields: { family, ...small } });
  const stop = new AbortController();
  let reads = 0;
  const now = () => {
    if (++reads === stopAt) stop.abort(new Error('enough'));
    return reads * 2000; // every loop ends as soon as it may
  };
  const sides = { training: 32, heldOut: 8 };
  try {
    await measureCosts(config, { surveyed, sides, now, signal: stop.signal });
    return reads;
  } catch (error) {
    expect(String(error)).toContain('enough');
    return undefined;
  }
}

test.each(['transformer', 'diffusion'])('of a %s', async family => {
  const before = tf.memory().numTensors;
  const reads = await measure(family, Number.POSITIVE_INFINITY);
  expect(reads).toBeGreaterThan(8);
  expect(tf.memory().numTensors).toBe(before);
  let stopped = 0;
  for (let stopAt = 1; stopAt <= (reads ?? 0); stopAt += 7) {
    if ((await measure(family, stopAt)) === undefined) stopped++;
    // A batch that is being painted when the painting is stopped ends first.
    for (let turn = 0; turn < 500 && tf.memory().numTensors > before; turn++) await turnOfEventLoop();
    expect([stopAt, tf.memory().numTensors]).toEqual([stopAt, before]);
  }
  expect(stopped).toBeGreaterThan(1);
});
