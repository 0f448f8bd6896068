/** @file Norms against loops over rows, their gradients against tfjs and differences. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { batchNorm, groupNorm, layerNorm, rmsNorm } from '../../src/kernels/norm/norm.ts';
import { definedKernels, run } from '../../src/kernels/registry.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';
import { expectGradients, expectNoLeak, expectSameBits } from './gradients.ts';

const reference = (name: string, attributes: Record<string, number | string>, keys: string[]) => {
  return (...xs: tf.Tensor[]) => {
    const inputs = Object.fromEntries(keys.map((key, i) => [key, xs[i]]));
    return definedKernels().get(name)!.reference(inputs, attributes)[0];
  };
};

function naiveNorm(x: ArrayLike<number>, C: number, eps: number, centered: boolean): number[] {
  const y: number[] = [];
  for (let row = 0; row < x.length / C; row++) {
    const values = Array.from({ length: C }, (_, i) => x[row * C + i]);
    const mean = centered ? values.reduce((a, b) => a + b, 0) / C : 0;
    const square = values.reduce((a, b) => a + (b - mean) ** 2, 0) / C;
    for (const value of values) y.push((value - mean) / Math.sqrt(square + eps));
  }
  return y;
}

onEveryBackend('row norms equal a loop over rows', async () => {
  for (const shape of [
    [1, 1],
    [3, 17],
    [2, 5, 64],
    [65, 256],
    [2, 3, 515],
    [3, 1030],
    [2, 2052],
  ]) {
    const C = shape[shape.length - 1];
    const [x, gain, bias] = [normal(shape, 1, 2), normal([C], 2), normal([C], 3)];
    const [xs, gains, biases] = await Promise.all([x.data(), gain.data(), bias.data()]);
    const rms = naiveNorm(xs, C, 1e-6, false).map((y, i) => y * gains[i % C]);
    expectAllclose(await rmsNorm(x, gain).data(), rms, { relative: 1e-5, absolute: 1e-5 });
    const layer = naiveNorm(xs, C, 1e-5, true).map((y, i) => y * gains[i % C] + biases[i % C]);
    expectAllclose(await layerNorm(x, gain, bias).data(), layer, { relative: 1e-5, absolute: 1e-5 });
  }
});

onEveryBackend('group norm equals a loop over groups', async () => {
  for (const [B, H, W, C, groups] of [
    [1, 1, 1, 2, 1],
    [2, 3, 5, 12, 3],
    [2, 7, 4, 64, 8],
    [1, 2, 3, 6, 6],
    [3, 5, 5, 96, 4],
    // Few groups, large or wide ones, and ones of a single channel, are shared by several workgroups on a GPU.
    [2, 40, 30, 20, 2],
    [1, 3, 5, 600, 1],
    [1, 75, 61, 3, 3],
  ]) {
    const [x, gain, bias] = [normal([B, H, W, C], 1, 2), normal([C], 2), normal([C], 3)];
    const [xs, gains, biases] = await Promise.all([x.data(), gain.data(), bias.data()]);
    const expected = new Float64Array(xs.length);
    const width = C / groups;
    for (let b = 0; b < B; b++) {
      for (let g = 0; g < groups; g++) {
        const indices: number[] = [];
        for (let p = 0; p < H * W; p++) {
          for (let c = 0; c < width; c++) indices.push((b * H * W + p) * C + g * width + c);
        }
        const normalized = naiveNorm(
          indices.map(i => xs[i]),
          indices.length,
          1e-5,
          true,
        );
        indices.forEach((index, i) => {
          expected[index] = normalized[i] * gains[index % C] + biases[index % C];
        });
      }
    }
    expectAllclose(await groupNorm(x, gain, bias, groups).data(), expected, { relative: 2e-5, absolute: 2e-5 });
  }
});

onEveryBackend('gradients of the norms', async backend => {
  for (const shape of [
    [1, 3],
    [3, 17],
    [2, 5, 64],
    [129, 20],
  ]) {
    const C = shape[shape.length - 1];
    const inputs = [normal(shape, 1), normal([C], 2), normal([C], 3)];
    await expectGradients({
      backend,
      fused: (x, gain) => rmsNorm(x, gain),
      plain: reference('RmsNorm', { eps: 1e-6 }, ['x', 'gain']),
      inputs: inputs.slice(0, 2),
    });
    await expectGradients({
      backend,
      fused: (x, gain, bias) => layerNorm(x, gain, bias),
      plain: reference('LayerNorm', { eps: 1e-5 }, ['x', 'gain', 'bias']),
      inputs,
    });
  }
  for (const [shape, groups] of [
    [[2, 3, 2, 6], 2],
    [[2, 4, 5, 64], 8],
    [[1, 9, 8, 20], 5],
  ] as const) {
    const C = shape[3];
    await expectGradients({
      backend,
      fused: (x, gain, bias) => groupNorm(x, gain, bias, groups),
      plain: reference('GroupNorm', { eps: 1e-5, groups, activation: 'none' }, ['x', 'gain', 'bias']),
      inputs: [normal([...shape], 1), normal([C], 2), normal([C], 3)],
    });
  }
});

onEveryBackend(
  'gradients of the row norms: more rows than blocks of them, rows longer than a workgroup',
  async backend => {
    for (const shape of [
      [2051, 4],
      [5, 1030],
      [3, 2052],
    ]) {
      const C = shape[1];
      const inputs = [normal(shape, 1), normal([C], 2), normal([C], 3)];
      const tolerance = { relative: 1e-4, absolute: 1e-4 };
      await expectGradients({
        backend,
        fused: (x, gain) => rmsNorm(x, gain),
        plain: reference('RmsNorm', { eps: 1e-6 }, ['x', 'gain']),
        inputs: inputs.slice(0, 2),
        tolerance,
        step: 0,
      });
      await expectGradients({
        backend,
        fused: (x, gain, bias) => layerNorm(x, gain, bias),
        plain: reference('LayerNorm', { eps: 1e-5 }, ['x', 'gain', 'bias']),
        inputs,
        tolerance,
        step: 0,
      });
    }
  },
);

onEveryBackend('row norms of no rows, and of a large mean', async () => {
  const [gain, bias] = [tf.ones([4]), tf.zeros([4])];
  expect(await rmsNorm(tf.zeros([0, 4]), gain).data()).toHaveLength(0);
  expect(await layerNorm(tf.zeros([2, 0, 4]), gain, bias).data()).toHaveLength(0);
  const y = await layerNorm(tf.tensor2d([[1e4, 1e4 + 1, 1e4 + 2, 1e4 + 3]]), gain, bias, 0).data();
  expectAllclose(y, naiveNorm([0, 1, 2, 3], 4, 0, true), { relative: 1e-4 });
});

onEveryBackend('group norm with a gain for every image and an activation is that of each image alone', async () => {
  const [B, C] = [3, 20];
  const x = normal([B, 4, 5, C], 1);
  const [gain, bias] = [normal([B, C], 2), normal([B, C], 3)];
  const whole = groupNorm(x, gain, bias, 5, { activation: 'silu' });
  for (let b = 0; b < B; b++) {
    const of = (t: tf.Tensor) => tf.reshape(tf.slice(t, [b, 0], [1, C]), [C]);
    const u = await groupNorm(tf.slice(x, [b, 0, 0, 0], [1, 4, 5, C]), of(gain), of(bias), 5).data();
    const expected = u.map(v => v / (1 + Math.exp(-v)));
    const actual = await tf.slice(whole, [b, 0, 0, 0], [1, 4, 5, C]).data();
    expectAllclose(actual, expected, { relative: 2e-5, absolute: 2e-5 });
  }
});

onEveryBackend('gradients of group norm with a gain for every image and an activation', async backend => {
  for (const [shape, groups, activation, own] of [
    [[2, 3, 2, 6], 2, 'silu', true],
    [[3, 9, 8, 40], 5, 'silu', true],
    [[2, 4, 5, 64], 8, 'silu', false],
    [[2, 3, 3, 8], 2, 'none', true],
    [[2, 3, 3, 8], 2, 'gelu', true],
    [[2, 40, 30, 20], 2, 'silu', true],
    [[2, 40, 30, 20], 2, 'relu', false],
    [[1, 3, 5, 600], 1, 'lrelu', false],
    [[1, 75, 61, 3], 3, 'none', false],
  ] as const) {
    const gains = own ? [shape[0], shape[3]] : [shape[3]];
    await expectGradients({
      backend,
      fused: (x, gain, bias) => groupNorm(x, gain, bias, groups, { activation }),
      plain: (x, gain, bias) =>
        definedKernels().get('GroupNorm')!.reference({ x, gain, bias }, { eps: 1e-5, groups, activation })[0],
      inputs: [normal([...shape], 1), normal([...gains], 2), normal([...gains], 3)],
      ...(tf.util.sizeFromShape([...shape]) > 8000 ? { step: 0, tolerance: { relative: 1e-3, absolute: 1e-3 } } : {}),
    });
  }
});

onEveryBackend('norms leave no tensors behind', async () => {
  const [x, gain] = [normal([2, 3, 4, 8], 1), normal([8], 2)];
  await expectNoLeak(() => {
    rmsNorm(x, gain).dispose();
    layerNorm(x, gain, gain).dispose();
    groupNorm(x, gain, gain, 2).dispose();
    for (const dx of tf.grads((a, b) =>
      tf.sum(groupNorm(rmsNorm(a as tf.Tensor, b as tf.Tensor), b as tf.Tensor, b as tf.Tensor, 4)),
    )([x, gain])) {
      dx.dispose();
    }
  });
});

test('norm gradients on native give the same bits twice', async () => {
  await useNative();
  const [x, gain, dy] = [normal([1000, 96], 1), normal([96], 2), normal([1000, 96], 3)];
  await expectSameBits(() => run('RmsNormGrad', { x, gain, dy }, { eps: 1e-6 }));
  await expectSameBits(() => run('LayerNormGrad', { x, gain, dy }, { eps: 1e-6 }));
});

test('shapes that do not fit are named', async () => {
  await useNative();
  expect(() => rmsNorm(normal([2, 4], 1), normal([3], 2))).toThrow(/rmsNorm: gain: expected \[4\], got \[3\]/);
  expect(() => groupNorm(normal([1, 1, 1, 4], 1), normal([4], 2), normal([4], 2), 3)).toThrow(/3 groups/);
  expect(() => groupNorm(normal([2, 1, 1, 4], 1), normal([1, 4], 2), normal([1, 4], 2), 2)).toThrow(
    /gain: expected \[2, 4\]/,
  );
});

onEveryBackend(
  'batch norm uses the mean and variance of each channel over all images, and tells them',
  async backend => {
    const x = tf.add(tf.mul(normal([3, 4, 5, 6], 1), 2), 3);
    const [gain, bias] = [normal([6], 2), normal([6], 3)];
    const xs = await x.data();
    const { y, moments } = batchNorm(x, gain, bias);
    const [gains, biases] = [await gain.data(), await bias.data()];
    const expected = new Float64Array(xs.length);
    const statistics: number[] = [];
    for (let c = 0; c < 6; c++) {
      const values = Array.from({ length: 60 }, (_, i) => xs[6 * i + c]);
      const mean = values.reduce((a, b) => a + b, 0) / 60;
      const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / 60 + 1e-5);
      values.forEach((value, i) => {
        expected[6 * i + c] = ((value - mean) / deviation) * gains[c] + biases[c];
      });
      statistics[c] = mean;
      statistics[6 + c] = 1 / deviation;
    }
    expectAllclose(await y.data(), expected, { relative: 2e-5, absolute: 2e-5 });
    expect(moments.shape).toEqual([2, 6]);
    expectAllclose(await moments.data(), statistics, { relative: 1e-5 });
    await expectGradients({
      backend,
      fused: (...[a, b, c]) => batchNorm(a, b, c, { activation: 'lrelu' }).y,
      plain: (a, b, c) => {
        const centered = tf.sub(a, tf.mean(a, [0, 1, 2]));
        const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centered), [0, 1, 2]), 1e-5));
        const pre = tf.add(tf.mul(tf.mul(centered, scale), b), c);
        return tf.add(tf.mul(pre, 0.2), tf.mul(tf.relu(pre), 0.8));
      },
      inputs: [x, gain, bias],
      tolerance: { relative: 1e-3, absolute: 1e-4 },
      step: 0,
    });
  },
);
