/** @file Activations against their formulas, dropout against Philox words taken one by one. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { philox } from '../../src/core/random.ts';
import { dropout, dropoutAdd, gelu, leakySlope, silu, swiglu } from '../../src/kernels/activation/activation.ts';
import { definedKernels } from '../../src/kernels/registry.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';
import { expectGradients, expectNoLeak } from './gradients.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const geluOf = (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const plain = (name: string) => (x: tf.Tensor) => definedKernels().get(name)!.reference({ x }, {})[0];

onEveryBackend('activations equal their formulas', async () => {
  for (const size of [1, 3, 17, 65, 5000]) {
    const x = tf.concat([normal([size], 1, 3), tf.tensor1d([0, -100, 100, -20, 20, 1e-8])]);
    const xs = Array.from(await x.data());
    expectAllclose(await gelu(x).data(), xs.map(geluOf), { relative: 1e-5, absolute: 1e-6 });
    expectAllclose(
      await silu(x).data(),
      xs.map(v => v * sigmoid(v)),
      { relative: 1e-5, absolute: 1e-6 },
    );
  }
  for (const [rows, H] of [
    [1, 1],
    [3, 17],
    [65, 64],
    [5, 6],
    [2, 1000],
  ]) {
    const x = normal([rows, 2 * H], 1, 3);
    const xs = await x.data();
    const expected = Array.from({ length: rows * H }, (_, i) => {
      const at = Math.floor(i / H) * 2 * H + (i % H);
      return xs[at] * sigmoid(xs[at]) * xs[at + H];
    });
    expectAllclose(await swiglu(x).data(), expected, { relative: 1e-5, absolute: 1e-6 });
  }
});

onEveryBackend('gradients of activations', async backend => {
  for (const shape of [
    [1, 2],
    [3, 34],
    [2, 5, 128],
  ]) {
    await expectGradients({ backend, fused: gelu, plain: plain('Gelu'), inputs: [normal(shape, 1, 2)] });
    await expectGradients({ backend, fused: silu, plain: plain('Silu'), inputs: [normal(shape, 1, 2)] });
    await expectGradients({ backend, fused: swiglu, plain: plain('Swiglu'), inputs: [normal(shape, 1, 2)] });
  }
});

onEveryBackend('the slope of lrelu multiplies tangents, and is constant', async backend => {
  const t = normal([3, 37], 1);
  const y = normal([3, 37], 2);
  const ys = await y.data();
  const expected = (await t.data()).map((value, i) => (ys[i] > 0 ? value : 0.2 * value));
  expectAllclose(await leakySlope(t, y).data(), expected);
  const fused = (x: tf.Tensor) => leakySlope(x, y);
  const slopes = tf.tensor(
    ys.map(value => (value > 0 ? 1 : 0.2)),
    [3, 37],
  );
  await expectGradients({ backend, fused, plain: x => tf.mul(x, slopes), inputs: [t] });
});

onEveryBackend('dropout keeps what Philox says, forward and backward', async () => {
  for (const [size, rate] of [
    [1, 0.5],
    [3, 0.1],
    [67, 0.3],
    [20000, 0.25],
  ]) {
    const options = { rate, seed: 4000000000, stream: 12 };
    const kept = Array.from({ length: size }, (_, i) => {
      const block = new Uint32Array([i >>> 2, 0, 0, 0]);
      philox(block, options.seed, options.stream);
      return block[i % 4] >= Math.floor(rate * 2 ** 32);
    });
    const [x, residual, weights] = [1, 2, 3].map(seed => normal([size], seed));
    const [xs, residuals, ws] = await Promise.all([x, residual, weights].map(t => t.data()));
    const expected = kept.map((keep, i) => (keep ? xs[i] / (1 - rate) : 0));
    expectAllclose(await dropout(x, options).data(), expected);
    expectAllclose(
      await dropoutAdd(x, residual, options).data(),
      expected.map((y, i) => y + residuals[i]),
    );
    const gradients = tf.grads((a, b) => tf.sum(tf.mul(dropoutAdd(a, b, options), weights)))([x, residual]);
    expectAllclose(
      await gradients[0].data(),
      kept.map((keep, i) => (keep ? ws[i] / (1 - rate) : 0)),
    );
    expectAllclose(await gradients[1].data(), ws);
    if (size === 20000) {
      const share = kept.filter(keep => keep).length / size;
      expect(Math.abs(share - (1 - rate))).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / size));
    }
  }
});

onEveryBackend('a rate of zero changes nothing', async () => {
  const x = normal([7], 1);
  expectAllclose(await dropout(x, { rate: 0, seed: 1, stream: 1 }).data(), await x.data());
  expectAllclose(await dropoutAdd(x, x, { rate: 0, seed: 1, stream: 1 }).data(), await tf.mul(x, 2).data());
});

onEveryBackend('activations leave no tensors behind', async () => {
  const x = normal([2, 6], 1);
  const options = { rate: 0.5, seed: 1, stream: 1 };
  await expectNoLeak(() => {
    for (const f of [
      gelu,
      silu,
      swiglu,
      (y: tf.Tensor) => dropout(y, options),
      (y: tf.Tensor) => dropoutAdd(y, y, options),
    ]) {
      f(x).dispose();
      tf.grad(y => tf.sum(f(y)))(x).dispose();
    }
  });
});

test('streams of dropout are independent', async () => {
  await useNative();
  const ones = tf.ones([4000]);
  const [a, b] = await Promise.all([1, 2].map(stream => dropout(ones, { rate: 0.5, seed: 1, stream }).data()));
  const equal = a.filter((x, i) => x === b[i]).length;
  expect(Math.abs(equal - 2000)).toBeLessThan(200);
});
