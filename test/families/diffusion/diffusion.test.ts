/** @file The diffusion model: what a network of zeros costs and paints, guidance, and pictures that stand for themselves. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { type Diffusion, samplingPasses } from '../../../src/families/diffusion/diffusion.ts';
import { heun, karrasSigmas } from '../../../src/families/diffusion/edm.ts';
import { followFlow } from '../../../src/families/diffusion/flow.ts';
import { expectAllclose, normal, useNative } from '../../support.ts';
import { tinyDiffusion } from './tiny-diffusion.ts';

/** Of n pictures, each from a stream of its own. */
const noiseOf = (n: number) =>
  Float32Array.from(Array.from({ length: n }, (_, i) => [...new Random(4).fork('image', i).normals(192)]).flat());
const features = (n: number) => new Random(2).normals(n * 6);

test('a network of zeros costs 1 on data of variance 1/4 at every level of noise', async () => {
  await useNative();
  const model = tinyDiffusion();
  const images = tf.mul(tf.sign(normal([16, 8, 8, 3], 1)), 0.5);
  for (const sigma of [0.002, 0.1, 0.5, 3, 80]) {
    const losses = model.losses(images, normal([16, 8, 8, 3], 2), Array(16).fill(sigma), { text: null });
    // 3072 draws of variance 2 at most.
    expectAllclose(await tf.mean(losses).data(), [1], { relative: 0, absolute: 0.1 });
  }
  // For flow it is E (n - y)^2 = 1 + 1/4.
  const flow = tinyDiffusion({ precond: 'flow' });
  const losses = flow.losses(images, normal([16, 8, 8, 3], 2), Array(16).fill(0.3), { text: null });
  expectAllclose(await tf.mean(losses).data(), [1.25], { relative: 0, absolute: 0.12 });
});

test('the loss is the weighted error of the denoiser', async () => {
  await useNative();
  for (const precond of ['edm', 'flow'] as const) {
    const model = tinyDiffusion({ precond }, { random: true });
    const [images, noise, text] = [tf.mul(normal([2, 8, 8, 3], 1), 0.5), normal([2, 8, 8, 3], 2), normal([2, 6], 3)];
    const sigma = 0.7;
    const x = tf.add(images, tf.mul(noise, sigma));
    const error = tf.mean(tf.squaredDifference(model.denoise(x, sigma, text), images), [1, 2, 3]);
    const t = sigma / (1 + sigma);
    // edm: (sigma^2 + s^2) / (sigma s)^2; flow: D = z - t v, so v's error is D's over t.
    const weight = precond === 'edm' ? (sigma ** 2 + 0.25) / (sigma * 0.5) ** 2 : 1 / t ** 2;
    const level = precond === 'edm' ? sigma : t;
    const losses = model.losses(images, noise, [level, level], { text });
    expectAllclose(await losses.data(), await tf.mul(error, weight).data(), { relative: 1e-4 });
  }
});

test('the score of a network of zeros is that of Gaussian data', async () => {
  await useNative();
  const x = normal([2, 8, 8, 3], 1);
  for (const sigma of [0.1, 2]) {
    // N(0, 1/4) with noise is N(0, 1/4 + sigma^2).
    const score = await tinyDiffusion().score(x, sigma, null).data();
    expectAllclose(score, await tf.mul(x, -1 / (0.25 + sigma ** 2)).data(), { relative: 1e-4, absolute: 1e-5 });
  }
});

/** One evaluation from pure noise: what a single step paints. */
function onePrediction(model: Diffusion, noise: tf.Tensor, text: tf.Tensor | null): tf.Tensor {
  return tf.tidy(() => model.denoise(tf.mul(noise, 80), 80, text));
}

test('guidance 1 is the conditional model, 0 the unconditional, and others lie on the line through both', async () => {
  await useNative();
  const model = tinyDiffusion({}, { random: true });
  const text = features(2);
  const noise = tf.tensor4d(noiseOf(2), [2, 8, 8, 3]);
  const given = onePrediction(model, noise, tf.tensor2d(text, [2, 6]));
  const none = onePrediction(model, noise, null);
  for (const cfgScale of [0, 1, 0.3, 2.5]) {
    const sampled = await model.sample({ text, noise: noiseOf(2), steps: 1, cfgScale });
    const expected = tf.clipByValue(tf.add(none, tf.mul(tf.sub(given, none), cfgScale)), -1, 1);
    expectAllclose(await sampled.data(), await expected.data(), { relative: 1e-4, absolute: 1e-4 });
  }
  expectAllclose(
    await model.sample({ text, noise: noiseOf(2), cfgScale: 1 }).then(t => t.data()),
    await heun((x, sigma) => model.denoise(x, sigma, tf.tensor2d(text, [2, 6])), noise, karrasSigmas(3)).then(t =>
      tf.clipByValue(t, -1, 1).data(),
    ),
  );
});

test('flow starts from the noise and is guided on the velocity', async () => {
  await useNative();
  const model = tinyDiffusion({ precond: 'flow' }, { random: true });
  const text = features(2);
  const paint = async (cfgScale: number) =>
    (await model.sample({ text, noise: noiseOf(2), steps: 1, cfgScale })).data();
  const [none, given, guided] = [await paint(0), await paint(1), await paint(2.5)];
  // One step from t = 1 paints n - v, which is linear in the scale; the ends of the range are cut off.
  const inside = [...guided.keys()].filter(i => [none, given, guided].every(p => Math.abs(p[i]) < 1));
  expect(inside.length).toBeGreaterThan(50);
  const of = (pictures: ArrayLike<number>) => inside.map(i => pictures[i]);
  expectAllclose(
    of(guided),
    inside.map(i => none[i] + 2.5 * (given[i] - none[i])),
    { relative: 1e-4, absolute: 1e-4 },
  );
  expect(of(given)).not.toEqual(of(none));
  // v = (z - D) / t, with D a function of sigma, which is infinite at t = 1.
  const t = 1 - 1e-4;
  const noise = tf.tensor4d(noiseOf(2), [2, 8, 8, 3]);
  const velocity = (z: tf.Tensor) =>
    tf.div(tf.sub(z, model.denoise(tf.div(z, 1 - t), t / (1 - t), tf.tensor2d(text, [2, 6]))), t);
  const followed = await followFlow(velocity, noise, [t, 0]);
  expectAllclose(given, await tf.clipByValue(followed, -1, 1).data(), { relative: 0, absolute: 0.05 });
});

test('a picture does not depend on what is painted beside it', async () => {
  await useNative();
  for (const precond of ['edm', 'flow'] as const) {
    const model = tinyDiffusion({ precond }, { random: true });
    const text = features(19);
    const together = await model.sample({ text, noise: noiseOf(19), cfgScale: 2 }).then(t => t.data());
    for (const i of [0, 3, 17]) {
      const own = text.slice(i * 6, i * 6 + 6);
      const alone = await model
        .sample({ text: own, noise: noiseOf(19).slice(i * 192, (i + 1) * 192), cfgScale: 2 })
        .then(t => t.data());
      expect([...alone]).toEqual([...together.slice(i * 192, (i + 1) * 192)]);
    }
    expect([...together.slice(0, 192)]).not.toEqual([...together.slice(192, 384)]);
  }
});

test('sampling counts its passes, reports its steps and leaves nothing behind', async () => {
  await useNative();
  for (const precond of ['edm', 'flow'] as const) {
    const model = tinyDiffusion({ precond }, { random: true });
    const before = tf.memory().numTensors;
    const progress: string[] = [];
    for (const cfgScale of [1, 3]) {
      model.evaluations = 0;
      const onProgress = (done: number, total: number) => progress.push(`${done}/${total}`);
      const pictures = await model.sample({ text: features(2), noise: noiseOf(2), steps: 4, cfgScale, onProgress });
      expect(pictures.shape).toEqual([2, 8, 8, 3]);
      pictures.dispose();
      expect(model.evaluations).toBe(2 * samplingPasses(4, cfgScale));
    }
    expect(progress).toEqual(['1/4', '2/4', '3/4', '4/4', '1/4', '2/4', '3/4', '4/4']);
    expect(samplingPasses(18, 1)).toBe(35);
    expect(tf.memory().numTensors).toBe(before);
  }
});
