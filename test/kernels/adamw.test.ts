/** @file AdamW against its formula in double precision; in-place writing must not be seen by anybody else. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type AdamwSlot, adamwStep, squaredNorm } from '../../src/kernels/adamw/adamw.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';
import { expectNoLeak } from './gradients.ts';

function variable(initial: tf.Tensor): tf.Variable {
  const made = tf.variable(initial);
  initial.dispose();
  return made;
}

function slotOf(shape: number[], seed: number, ema: boolean, weightDecay: number): AdamwSlot {
  return {
    value: variable(normal(shape, seed)),
    gradient: normal(shape, seed + 100),
    m: variable(tf.zeros(shape)),
    v: variable(tf.zeros(shape)),
    ...(ema ? { ema: variable(normal(shape, seed)) } : {}),
    weightDecay,
  };
}

const disposeSlot = ({ value, gradient, m, v, ema }: AdamwSlot) => {
  for (const x of [value, gradient, m, v, ema]) x?.dispose();
};

onEveryBackend('updates equal the formula', async () => {
  const shapes = [[1], [3], [17, 5], [65], [2, 3, 4], [100, 100], [1], [40000], [7], [129]];
  const slots = shapes.map((shape, i) => slotOf(shape, i + 1, i % 3 !== 0, i % 2 ? 0.1 : 0));
  const options = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, clipScale: 0.5, emaDecay: 0.9 };
  const expected = await Promise.all(
    slots.map(async ({ value, gradient, weightDecay }) => {
      const w = Float64Array.from(await value.data());
      const g = await gradient.data();
      const [m, v, ema] = [new Float64Array(w.length), new Float64Array(w.length), Float64Array.from(w)];
      for (let step = 1; step <= 3; step++) {
        for (let i = 0; i < w.length; i++) {
          const scaled = 0.5 * g[i];
          m[i] = 0.9 * m[i] + 0.1 * scaled;
          v[i] = 0.95 * v[i] + 0.05 * scaled * scaled;
          const direction = m[i] / (1 - 0.9 ** step) / (Math.sqrt(v[i] / (1 - 0.95 ** step)) + 1e-8);
          w[i] -= 1e-2 * (direction + weightDecay * w[i]);
          ema[i] = 0.9 * ema[i] + 0.1 * w[i];
        }
      }
      return { w, m, v, ema };
    }),
  );
  await expectNoLeak(() => {
    for (let step = 1; step <= 3; step++) adamwStep(slots, { ...options, step });
  });
  for (const [i, { value, m, v, ema }] of slots.entries()) {
    expectAllclose(await value.data(), expected[i].w, { relative: 1e-5, absolute: 1e-6 });
    expectAllclose(await m.data(), expected[i].m, { relative: 1e-5, absolute: 1e-7 });
    expectAllclose(await v.data(), expected[i].v, { relative: 1e-5, absolute: 1e-7 });
    if (ema !== undefined) expectAllclose(await ema.data(), expected[i].ema, { relative: 1e-5, absolute: 1e-6 });
  }
  slots.forEach(disposeSlot);
});

onEveryBackend('copies and the arrays that variables were made of stay as they were', async () => {
  const initial = Float32Array.from([1, 2, 3]);
  const value = tf.variable(tf.tensor1d(initial));
  const copy = tf.clone(value);
  const slot = {
    value,
    gradient: tf.tensor1d([1, 1, 1]),
    m: variable(tf.zeros([3])),
    v: variable(tf.zeros([3])),
    weightDecay: 0,
  };
  for (let step = 1; step <= 2; step++) {
    adamwStep([slot], { lr: 0.5, beta1: 0.9, beta2: 0.9, eps: 1e-8, step });
  }
  expect(Array.from(initial)).toEqual([1, 2, 3]);
  expectAllclose(await copy.data(), [1, 2, 3]);
  expectAllclose(await value.data(), [0, 1, 2]);
});

onEveryBackend('a value read between two updates is not served again after the second', async () => {
  const slot = slotOf([5], 1, false, 0);
  const seen: number[][] = [];
  for (let step = 1; step <= 3; step++) {
    adamwStep([slot], { lr: 0.5, beta1: 0.9, beta2: 0.9, eps: 1e-8, step });
    seen.push([...(await slot.value.data()), ...(await slot.m.data()), ...(await slot.v.data())]);
  }
  for (let i = 0; i < seen[0].length; i++) expect(new Set(seen.map(values => values[i])).size).toBe(3);
  disposeSlot(slot);
});

onEveryBackend('the squared norm is the sum of squares', async () => {
  // Fours and others, of one block and of several.
  const tensors = [...Array.from({ length: 30 }, (_, i) => normal([i * 97 + 1], i + 1)), normal([8192], 50)];
  tensors.push(normal([3, 8193], 51), normal([16, 2000], 52), tf.zeros([0]), normal([1], 53));
  let expected = 0;
  for (const x of tensors) for (const value of await x.data()) expected += value * value;
  await expectNoLeak(async () => {
    expectAllclose([await squaredNorm(tensors)], [expected], { relative: 2e-6 });
    expect(await squaredNorm([])).toBe(0);
  });
  expect(await squaredNorm(tensors)).toBe(await squaredNorm(tensors));
});

onEveryBackend('a gradient that is not finite shows in the squared norm', async () => {
  expect(await squaredNorm([tf.ones([5]), tf.tensor1d([1, Number.NaN])])).toBeNaN();
  expect(await squaredNorm([tf.tensor1d([1, Number.POSITIVE_INFINITY])])).toBe(Number.POSITIVE_INFINITY);
});

test('a slot whose shapes differ is an error', async () => {
  await useNative();
  const slot = { ...slotOf([3], 1, false, 0), gradient: normal([4], 1) };
  expect(() => adamwStep([slot], { lr: 1, beta1: 0, beta2: 0, eps: 1, step: 1 })).toThrow(/expected \[3\], got \[4\]/);
});
