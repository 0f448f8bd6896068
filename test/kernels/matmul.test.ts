/** @file tf.matMul on the native backend, and on webgpu, against a naive loop. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { activeGpu } from '../../src/device/webgpu/webgpu.ts';
import '../../src/kernels/matmul/matmul.ts';
import { expectAllclose, normal, noWebgpu, useNative } from '../support.ts';

/** op(a) op(b) for one pair of matrices, in double precision. */
function naive(a: Float32Array, b: Float32Array, [M, N, K]: readonly number[], tA: boolean, tB: boolean) {
  const c = new Float64Array(M * N);
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      for (let k = 0; k < K; k++) c[i * N + j] += a[tA ? k * M + i : i * K + k] * b[tB ? j * K + k : k * N + j];
    }
  }
  return c;
}

const transposes = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;

describe('matMul on the native backend', () => {
  test('equals the naive product at awkward sizes, transposed or not', async () => {
    await useNative();
    const sizes = [1, 2, 3, 5, 17, 31, 33, 65, 129];
    for (let i = 0; i < sizes.length; i++) {
      for (let j = 0; j < sizes.length; j++) {
        for (const K of [sizes[(i + j) % 9], sizes[(i + 2 * j + 4) % 9]]) {
          for (const [tA, tB] of transposes) {
            const [M, N] = [sizes[i], sizes[j]];
            const a = normal(tA ? [K, M] : [M, K], 1);
            const b = normal(tB ? [N, K] : [K, N], 2);
            const c = tf.matMul(a, b, tA, tB);
            expect(c.shape).toEqual([M, N]);
            const expected = naive(
              (await a.data()) as Float32Array,
              (await b.data()) as Float32Array,
              [M, N, K],
              tA,
              tB,
            );
            expectAllclose(await c.data(), expected, { relative: 1e-5, absolute: 2e-5 });
            tf.dispose([a, b, c]);
          }
        }
      }
    }
  });

  test('multiplies batches and broadcasts them', async () => {
    const backend = await useNative();
    const batches: readonly (readonly [number[], number[], number[]])[] = [
      [[3], [3], [3]],
      [[50], [50], [50]],
      [
        [2, 3],
        [2, 3],
        [2, 3],
      ],
      [[4], [1], [4]],
      [[1], [4], [4]],
      [
        [2, 1],
        [1, 3],
        [2, 3],
      ],
      [[2, 3], [3], [2, 3]],
      [[], [2, 2], [2, 2]],
    ];
    for (const threads of [1, 2]) {
      backend.setThreads(threads);
      for (const [batchA, batchB, batch] of batches) {
        for (const [tA, tB] of transposes) {
          const [M, N, K] = [7, 18, 33];
          const a = normal([...batchA, ...(tA ? [K, M] : [M, K])], 1);
          const b = normal([...batchB, ...(tB ? [N, K] : [K, N])], 2);
          const c = tf.matMul(a, b, tA, tB);
          expect(c.shape).toEqual([...batch, M, N]);
          const wholeA = tf.broadcastTo(a, [...batch, ...a.shape.slice(-2)]);
          const wholeB = tf.broadcastTo(b, [...batch, ...b.shape.slice(-2)]);
          const [as, bs, cs] = [await wholeA.data(), await wholeB.data(), await c.data()];
          for (let i = 0; i < tf.util.sizeFromShape(batch); i++) {
            const one = naive(
              as.slice(i * M * K, (i + 1) * M * K) as Float32Array,
              bs.slice(i * N * K, (i + 1) * N * K) as Float32Array,
              [M, N, K],
              tA,
              tB,
            );
            expectAllclose(cs.slice(i * M * N, (i + 1) * M * N), one, { relative: 1e-5, absolute: 2e-5 });
          }
          tf.dispose([a, b, c, wholeA, wholeB]);
        }
      }
    }
    backend.setThreads(2);
  });

  test('fuses bias and relu, and leaves the rest to tfjs', async () => {
    await useNative();
    const a = normal([5, 6], 1);
    const b = normal([6, 7], 2);
    const plain = { linear: tf.clone, relu: tf.relu, elu: tf.elu, sigmoid: tf.sigmoid };
    for (const bias of [normal([7], 3), normal([5, 7], 4)]) {
      for (const activation of ['linear', 'relu', 'elu', 'sigmoid'] as const) {
        const ours = tf.fused.matMul({ a, b, bias, activation });
        const pre = tf.add(tf.matMul(a, b), bias);
        const theirs = plain[activation](pre);
        expectAllclose(await ours.data(), await theirs.data(), { relative: 1e-5, absolute: 1e-5 });
        tf.dispose([ours, pre, theirs]);
      }
      bias.dispose();
    }
    tf.dispose([a, b]);
  });

  test('an empty sum is zero and an empty product has no elements', async () => {
    await useNative();
    expect(await tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])).data()).toEqual(new Float32Array(6));
    expect(tf.matMul(tf.zeros([0, 2]), tf.zeros([2, 3])).shape).toEqual([0, 3]);
  });
});

describe.skipIf(noWebgpu !== undefined)(`matMul on webgpu ${noWebgpu ?? ''}`, () => {
  test('equals the naive product, transposed or not, batched or not', async () => {
    await selectBackend('webgpu');
    const cases: readonly (readonly [number[], number[], number[], boolean, boolean])[] = [
      [[], [], [], false, false],
      [[], [], [], true, true],
      [[2], [2], [2], false, true],
      [[2, 3], [2, 3], [2, 3], true, false],
      [[3], [1], [3], false, false],
      [[1], [3], [3], false, false],
    ];
    for (const [batchA, batchB, batch, tA, tB] of cases) {
      for (const [M, N, K] of [
        [7, 18, 33],
        [8, 12, 16],
      ]) {
        const a = normal([...batchA, ...(tA ? [K, M] : [M, K])], 1);
        const b = normal([...batchB, ...(tB ? [N, K] : [K, N])], 2);
        const c = tf.matMul(a, b, tA, tB);
        expect(c.shape).toEqual([...batch, M, N]);
        const wholeA = tf.broadcastTo(a, [...batch, ...a.shape.slice(-2)]);
        const wholeB = tf.broadcastTo(b, [...batch, ...b.shape.slice(-2)]);
        const [as, bs, cs] = (await Promise.all([wholeA, wholeB, c].map(t => t.data()))) as Float32Array[];
        for (let i = 0; i < tf.util.sizeFromShape(batch); i++) {
          const one = naive(
            as.slice(i * M * K, (i + 1) * M * K),
            bs.slice(i * N * K, (i + 1) * N * K),
            [M, N, K],
            tA,
            tB,
          );
          expectAllclose(cs.slice(i * M * N, (i + 1) * M * N), one, { relative: 1e-5, absolute: 2e-5 });
        }
        tf.dispose([a, b, c, wholeA, wholeB]);
      }
    }
  });

  test('takes one dispatch with bias and relu, and leaves the rest to tfjs', async () => {
    await selectBackend('webgpu');
    const backend = activeGpu() as NonNullable<ReturnType<typeof activeGpu>>;
    const [a, b, bias] = [normal([5, 6], 1), normal([6, 7], 2), normal([7], 3)];
    const plain = { linear: tf.clone, relu: tf.relu, sigmoid: tf.sigmoid };
    for (const activation of ['linear', 'relu', 'sigmoid'] as const) {
      const before = backend.dispatches;
      const ours = tf.fused.matMul({ a, b, bias, activation });
      if (activation !== 'sigmoid') expect(backend.dispatches - before).toBe(1);
      const pre = tf.add(tf.matMul(a, b), bias);
      const theirs = plain[activation](pre);
      expectAllclose(await ours.data(), await theirs.data(), { relative: 1e-5, absolute: 1e-5 });
      tf.dispose([ours, pre, theirs]);
    }
    const empty = tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3]));
    expect(empty.shape).toEqual([2, 3]);
    tf.dispose([a, b, bias, empty]);
  });
});
