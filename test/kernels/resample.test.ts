/** @file Smooth doubling and halving against loops over the filter's definition, and their gradients. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { definedKernels, run } from '../../src/kernels/registry.ts';
import { doubleSmoothly, halveSmoothly } from '../../src/kernels/resample/resample.ts';
import { expectAllclose, normal, onEveryBackend } from '../support.ts';
import { expectGradients } from './gradients.ts';

const shapes = [
  [1, 1, 1, 1],
  [2, 1, 5, 3],
  [2, 4, 2, 17],
  [3, 8, 8, 40],
  [2, 5, 3, 12],
];

/** Share of the old pixel i that the new pixel r takes, of `length` old ones. */
function share(r: number, i: number, length: number): number {
  const old = (k: number) => Math.min(length - 1, Math.max(0, k));
  const [near, far] = [Math.floor(r / 2), r % 2 === 0 ? Math.floor(r / 2) - 1 : Math.floor(r / 2) + 1];
  return (old(near) === i ? 0.75 : 0) + (old(far) === i ? 0.25 : 0);
}

/** Both by the matrix of shares: y = M x along each axis, and x = Mᵀ y / 4. */
function naive(values: ArrayLike<number>, shape: readonly number[], halve: boolean): Float64Array {
  const [B, H, W, C] = shape;
  const small = halve ? [H / 2, W / 2] : [H, W];
  const large = halve ? [H, W] : [2 * H, 2 * W];
  const [outH, outW] = halve ? small : large;
  const out = new Float64Array(B * outH * outW * C);
  for (let b = 0; b < B; b++)
    for (let i = 0; i < outH; i++)
      for (let j = 0; j < outW; j++)
        for (let y = 0; y < H; y++)
          for (let x = 0; x < W; x++) {
            const weight = halve
              ? (share(y, i, small[0]) * share(x, j, small[1])) / 4
              : share(i, y, small[0]) * share(j, x, small[1]);
            if (weight === 0) continue;
            for (let c = 0; c < C; c++) {
              out[((b * outH + i) * outW + j) * C + c] += weight * values[((b * H + y) * W + x) * C + c];
            }
          }
  return out;
}

onEveryBackend('images are doubled and halved as the filter says', async () => {
  for (const shape of shapes) {
    const x = normal(shape, 1);
    const doubled = doubleSmoothly(x);
    expectAllclose(await doubled.data(), naive(await x.data(), shape, false), { absolute: 1e-5 });
    const halved = halveSmoothly(doubled);
    expect(halved.shape).toEqual(shape);
    expectAllclose(await halved.data(), naive(await doubled.data(), doubled.shape, true), { absolute: 1e-5 });
    tf.dispose([x, doubled, halved]);
  }
});

onEveryBackend('constant images stay what they are', async () => {
  const x = tf.ones([1, 4, 6, 3]);
  expectAllclose(await doubleSmoothly(x).data(), new Float32Array(8 * 12 * 3).fill(1));
  expectAllclose(await halveSmoothly(x).data(), new Float32Array(2 * 3 * 3).fill(1));
});

onEveryBackend('gradients of smooth doubling and halving', async backend => {
  const plain = (name: string, scale: number) => (x: tf.Tensor) =>
    definedKernels().get(name)!.reference({ x }, { scale })[0];
  for (const shape of shapes) {
    const inputs = [normal(shape, 2)];
    await expectGradients({ backend, fused: doubleSmoothly, plain: plain('SmoothDouble', 1), inputs });
    const large = [normal([shape[0], 2 * shape[1], 2 * shape[2], shape[3]], 3)];
    await expectGradients({ backend, fused: halveSmoothly, plain: plain('SmoothFold', 0.25), inputs: large });
  }
});

onEveryBackend('sizes that cannot be halved are refused', () => {
  expect(() => halveSmoothly(tf.zeros([1, 3, 4, 1]))).toThrow('halveSmoothly: x: expected even sizes, got 3 x 4');
  expect(() => run('SmoothDouble', {}, {})).toThrow();
});
