/** @file What the device decides about a step, against the formulas in double precision. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { DeviceProgress, type StepRules } from '../../src/kernels/stepplan/stepplan.ts';
import { expectAllclose, normal, onEveryBackend } from '../support.ts';

const rules: StepRules = { beta1: 0.9, beta2: 0.999, clip: 1, ema: 0.99 };

/** Decides, and reads what was decided. */
async function decide(progress: DeviceProgress, gradients: tf.Tensor[], losses: tf.Tensor[], how = rules) {
  const { plan, report } = progress.decide(gradients, losses, how);
  const [planned, [norm, scale]] = [Array.from(await plan.data()), await report.data()];
  tf.dispose([plan, report, ...gradients, ...losses]);
  return { plan: planned, norm, scale, after: await progress.read() };
}

onEveryBackend('the plan of a step has the clip, the bias corrections and the decay of the average', async () => {
  const before = tf.memory().numTensors;
  const progress = new DeviceProgress(false);
  for (const updates of [0, 1, 9, 250, 100_000]) {
    for (const clip of [0.5, 1e6]) {
      progress.load({ updates });
      const gradients = [normal([30_001], 1), normal([7], 2), normal([64, 4], 3), tf.zeros([0, 3]), tf.scalar(2)];
      let squares = 0;
      for (const x of gradients) for (const value of await x.data()) squares += value ** 2;
      const exact = Math.sqrt(squares);
      const { plan, norm, after } = await decide(progress, gradients, [tf.scalar(3)], { ...rules, clip });
      const t = updates + 1;
      expect(after).toEqual({ updates: t });
      expectAllclose([norm], [exact], { relative: 1e-6 });
      expectAllclose(
        plan,
        [
          1,
          Math.min(1, clip / exact),
          1 / (1 - 0.9 ** t),
          1 / Math.sqrt(1 - 0.999 ** t),
          Math.min(0.99, (1 + t) / (10 + t)),
        ],
        { relative: 2e-6 },
      );
    }
  }
  const none = await decide(progress, [], [], { ...rules, beta1: 0 });
  expect(none).toMatchObject({ norm: 0, scale: 1 });
  expect(none.plan[2]).toBe(1);
  progress.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

for (const [name, gradient, loss] of [
  ['a gradient that is not a number', Number.NaN, 1],
  ['an infinite gradient', Number.NEGATIVE_INFINITY, 1],
  ['a loss that is not a number', 1, Number.NaN],
  ['an infinite loss', 1, Number.POSITIVE_INFINITY],
] as const) {
  onEveryBackend(`the plan of a step skips and does not count ${name}`, async () => {
    const progress = new DeviceProgress(false);
    progress.load({ updates: 5 });
    const { plan, norm, after } = await decide(
      progress,
      [tf.ones([5]), tf.tensor1d([1, gradient])],
      [tf.scalar(1), tf.scalar(loss)],
    );
    expect(plan[0]).toBe(0);
    expect(norm).toBeNaN();
    expect(after).toEqual({ updates: 5 });
    progress.dispose();
  });
}

onEveryBackend(
  'the plan of a step takes the loss scale out of the norm and out of the gradient, and moves it',
  async () => {
    const progress = new DeviceProgress(true);
    const ones = (value = 1) => [tf.fill([4], value)];
    const loss = () => [tf.scalar(1)];
    const first = await decide(progress, ones(2 ** 16), loss(), { ...rules, clip: 0.5 });
    expect(first).toMatchObject({
      norm: 2,
      scale: 2 ** 16,
      after: { updates: 1, lossScale: { scale: 2 ** 16, good: 1 } },
    });
    expect(first.plan[1]).toBe(0.25 / 2 ** 16);

    const halved = await decide(progress, ones(Number.POSITIVE_INFINITY), loss());
    expect(halved).toMatchObject({ scale: 2 ** 16, after: { updates: 1, lossScale: { scale: 2 ** 15, good: 0 } } });
    // What is wrong with the loss itself is not the scale's fault.
    const spoilt = await decide(progress, ones(), [tf.scalar(Number.NaN)]);
    expect(spoilt.after).toEqual({ updates: 1, lossScale: { scale: 2 ** 15, good: 0 } });

    progress.load({ updates: 7, lossScale: { scale: 4, good: 998 } });
    expect((await decide(progress, ones(), loss())).after.lossScale).toEqual({ scale: 4, good: 999 });
    expect((await decide(progress, ones(), loss())).after.lossScale).toEqual({ scale: 8, good: 0 });
    progress.load({ updates: 7, lossScale: { scale: 2 ** 24, good: 999 } });
    expect((await decide(progress, ones(), loss())).after.lossScale).toEqual({ scale: 2 ** 24, good: 0 });
    progress.load({ updates: 7, lossScale: { scale: 1, good: 3 } });
    expect((await decide(progress, ones(Number.NaN), loss())).after.lossScale).toEqual({ scale: 1, good: 0 });
    progress.dispose();
  },
);

onEveryBackend(
  'the plan of a step gives the scale as the gradient to begin with, which later steps leave alone',
  async () => {
    const progress = new DeviceProgress(true);
    const initial = progress.initialGradient() as tf.Tensor;
    await decide(progress, [tf.scalar(Number.NaN)], []);
    expect([...(await initial.data())]).toEqual([2 ** 16]);
    initial.dispose();
    expect(new DeviceProgress(false).initialGradient()).toBeUndefined();
    progress.dispose();
  },
);
