/** @file The fused linear layer against naive loops and against tfjs's own gradients of the plain composition. */
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/core/errors.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { activeGpu } from '../../src/device/webgpu/webgpu.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { probeMatrixUnits } from '../../src/kernels/gemm/matrixunits.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { type Activation, activateReference } from '../../src/kernels/pointwise.ts';
import { expectAllclose, normal, noWebgpu, onEveryBackend, useNative } from '../support.ts';

/** Rounds to bf16, ties to even. */
function bf16(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  bits[0] = ((bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16) << 16;
  return new Float32Array(bits.buffer)[0];
}

/** x [M, K] times weight [N, K] transposed, in double precision. */
function multiply(x: Float32Array, weight: Float32Array, K: number): Float64Array {
  const [M, N] = [x.length / K, weight.length / K];
  const y = new Float64Array(M * N);
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      for (let k = 0; k < K; k++) y[i * N + j] += x[i * K + k] * weight[j * K + k];
    }
  }
  return y;
}

const activations: readonly Activation[] = ['none', 'gelu', 'silu', 'relu', 'lrelu'];

/** The same layer as plain operations, for gradients by tfjs. */
function plain(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor | undefined, activation: Activation, residual?: tf.Tensor) {
  const [N, K] = w.shape;
  const product = tf.reshape(tf.matMul(tf.reshape(x, [-1, K as number]), w, false, true), [
    ...x.shape.slice(0, -1),
    N as number,
  ]);
  const y = activateReference(b === undefined ? product : tf.add(product, b), activation);
  return residual === undefined ? y : tf.add(y, residual);
}

onEveryBackend('linear equals the sum it stands for', async () => {
  for (const [M, N, K] of [
    [1, 1, 1],
    [2, 3, 5],
    [17, 33, 31],
    [33, 65, 129],
    [129, 17, 3],
    [5, 129, 65],
  ]) {
    const x = normal([M, K], 1);
    const weight = normal([N, K], 2);
    const bias = normal([N], 3);
    const y = linear(x, weight, { bias });
    const expected = multiply((await x.data()) as Float32Array, (await weight.data()) as Float32Array, K);
    const b = await bias.data();
    for (let i = 0; i < expected.length; i++) expected[i] += b[i % N];
    expectAllclose(await y.data(), expected, { relative: 1e-5, absolute: 2e-5 });
    tf.dispose([x, weight, bias, y]);
  }
});

onEveryBackend('linear has the gradients of the plain composition', async () => {
  for (const activation of activations) {
    for (const shape of [
      [2, 9, 12],
      [37, 31],
    ]) {
      const K = shape[shape.length - 1];
      const x = normal(shape, 1);
      const w = normal([21, K], 2, 0.3);
      const b = normal([21], 3);
      const residual = normal([...shape.slice(0, -1), 21], 4);
      const cotangent = normal(residual.shape, 5);
      const before = tf.memory().numTensors;
      const ours = valueAndGradients(
        () => ({ loss: tf.sum(tf.mul(linear(x, w, { bias: b, activation, residual }), cotangent)) }),
        [x, w, b, residual],
      );
      expect(tf.memory().numTensors - before).toBe(5);
      const theirs = tf.grads((x, w, b, residual) => tf.sum(tf.mul(plain(x, w, b, activation, residual), cotangent)))([
        x,
        w,
        b,
        residual,
      ]);
      for (let i = 0; i < theirs.length; i++) {
        const ourGradient = ours.gradients[i] as tf.Tensor;
        expect(ourGradient.shape).toEqual(theirs[i].shape);
        expectAllclose(await ourGradient.data(), await theirs[i].data(), { relative: 1e-4, absolute: 1e-4 });
      }
      tf.dispose([ours.loss, ...(ours.gradients as tf.Tensor[]), ...theirs, x, w, b, residual, cotangent]);
    }
  }
});

onEveryBackend('linear sums the gradients of a small weight over many rows', async () => {
  // So many that a GPU sums them in parts.
  for (const [M, N, K] of [
    [1100, 20, 24],
    [790, 3, 5],
  ]) {
    const x = normal([M, K], 1);
    const w = normal([N, K], 2);
    const b = normal([N], 3);
    const cotangent = normal([M, N], 4);
    const { loss, gradients } = valueAndGradients(
      () => ({ loss: tf.sum(tf.mul(linear(x, w, { bias: b }), cotangent)) }),
      [w, b],
    );
    const [xs, gs] = await Promise.all([x.data(), cotangent.data()]);
    const [dW, db] = [new Float64Array(N * K), new Float64Array(N)];
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        db[n] += gs[m * N + n];
        for (let k = 0; k < K; k++) dW[n * K + k] += gs[m * N + n] * xs[m * K + k];
      }
    }
    expectAllclose(await (gradients[0] as tf.Tensor).data(), dW, { relative: 1e-5, absolute: 1e-4 });
    expectAllclose(await (gradients[1] as tf.Tensor).data(), db, { relative: 1e-5, absolute: 1e-4 });
    tf.dispose([x, w, b, cotangent, loss, ...(gradients as tf.Tensor[])]);
  }
});

onEveryBackend('linear can be differentiated twice', async () => {
  const x = normal([3, 4], 1);
  const w = normal([5, 4], 2);
  const penalty = (f: (x: tf.Tensor) => tf.Tensor) => (x: tf.Tensor) => tf.sum(tf.square(tf.grad(f)(x)));
  for (const activation of ['relu', 'lrelu'] as const) {
    const ours = tf.grad(penalty(x => tf.sum(tf.square(linear(x, w, { activation })))))(x);
    const theirs = tf.grad(penalty(x => tf.sum(tf.square(plain(x, w, undefined, activation)))))(x);
    expectAllclose(await ours.data(), await theirs.data(), { relative: 1e-4, absolute: 1e-4 });
    tf.dispose([ours, theirs]);
  }
  tf.dispose([x, w]);
});

onEveryBackend('lrelu keeps a fifth of what is below zero, and its slope', async () => {
  const x = tf.tensor2d([[-5], [-1e-3], [0], [2]]);
  const one = tf.ones([1, 1]);
  const { loss, aux, gradients } = valueAndGradients(() => {
    const y = linear(x, one, { activation: 'lrelu' });
    return { loss: tf.sum(y), aux: [y] };
  }, [x]);
  expectAllclose(await aux[0].data(), [-1, -2e-4, 0, 2], { absolute: 1e-9 });
  expectAllclose(await (gradients[0] as tf.Tensor).data(), [0.2, 0.2, 0.2, 1]);
  tf.dispose([x, one, loss, ...aux, ...(gradients as tf.Tensor[])]);
});

onEveryBackend('linear passes NaN and infinity on', async () => {
  const x = tf.tensor2d(Array.from({ length: 20 }, () => [1, 2]));
  const bad = tf.tensor2d([
    [Number.NaN, 1],
    [1, 1],
    [Number.POSITIVE_INFINITY, 1],
  ]);
  const y = linear(x, bad);
  const values = await y.data();
  for (let row = 0; row < 20; row++) {
    expect(values.slice(3 * row, 3 * row + 3)).toEqual(Float32Array.of(Number.NaN, 3, Number.POSITIVE_INFINITY));
  }
  for (const activation of ['gelu', 'silu'] as const) {
    const z = linear(x, bad, { activation });
    expect((await z.data())[0]).toBeNaN();
    z.dispose();
  }
  tf.dispose([x, bad, y]);
});

describe('linear on the native backend', () => {
  // Of edges of register tiles of 14 x 32 and of 16 x 16 x 32, and of blocks of k.
  const edges = [
    [1, 1, 1],
    [17, 65, 31],
    [31, 16, 33],
    [32, 32, 32],
    [33, 48, 64],
    [130, 33, 129],
    [145, 97, 1100],
  ] as const;

  test.for(edges)('rounds operands to bf16, and nothing else: %i x %i x %i', async ([M, N, K], { skip }) => {
    const backend = await useNative();
    if (!backend.supportsBf16) skip('this processor has no bf16');
    backend.precision = 'bf16';
    const [x, weight, dy] = [normal([M, K], 1), normal([N, K], 2), normal([M, N], 3)];
    const bias = tf.zeros([N]);
    const { gradients } = valueAndGradients(
      () => ({ loss: tf.sum(tf.mul(linear(x, weight, { bias }), dy)) }),
      [x, weight, bias],
    );
    const values = await Promise.all([linear(x, weight), ...(gradients as tf.Tensor[])].map(t => t.data()));
    const transposed = async (t: tf.Tensor) => ((await tf.transpose(t).data()) as Float32Array).map(bf16);
    const rounded = async (t: tf.Tensor) => ((await t.data()) as Float32Array).map(bf16);
    const near = { relative: 1e-5, absolute: 2e-6 * Math.max(M, N, K) };
    expectAllclose(values[0], multiply(await rounded(x), await rounded(weight), K), near);
    expectAllclose(values[1], multiply(await rounded(dy), await transposed(weight), N), near);
    expectAllclose(values[2], multiply(await transposed(dy), await transposed(x), M), near);
    const sums = (await dy.data()) as Float32Array;
    const total = Float64Array.from({ length: N }, (_, j) => {
      let sum = 0;
      for (let i = 0; i < M; i++) sum += sums[i * N + j];
      return sum;
    });
    expectAllclose(values[3], total, near); // not rounded
    backend.precision = 'fp32';
  });

  test('has the same bits with any number of threads', async () => {
    const backend = await useNative();
    const x = normal([300, 1100], 1);
    const w = normal([130, 1100], 2);
    const cotangent = normal([300, 130], 3);
    const results: string[][] = [];
    for (const threads of [1, 2, 7]) {
      backend.setThreads(threads);
      const { loss, gradients } = valueAndGradients(
        () => ({ loss: tf.sum(tf.mul(linear(x, w, { activation: 'gelu' }), cotangent)) }),
        [x, w],
      );
      const y = linear(x, w);
      const values = await Promise.all([y, ...(gradients as tf.Tensor[])].map(t => t.data()));
      results.push(
        values.map(v =>
          createHash('sha256')
            .update(v as Float32Array)
            .digest('hex'),
        ),
      );
      tf.dispose([y, loss, ...(gradients as tf.Tensor[])]);
    }
    backend.setThreads(2);
    for (const result of results.slice(1)) expect(result).toEqual(results[0]);
    tf.dispose([x, w, cotangent]);
  });

  test('says which shape does not fit', async () => {
    await useNative();
    const x = tf.zeros([2, 3]);
    expect(() => linear(x, tf.zeros([4, 5]))).toThrow(ShapeError);
    expect(() => linear(x, tf.zeros([4, 3]), { bias: tf.zeros([3]) })).toThrow('linear: bias: expected [N]');
  });
});

describe.skipIf(noWebgpu !== undefined)(`linear on webgpu ${noWebgpu ?? ''}`, () => {
  test('rounds operands to f16 on the matrix units, and nothing else', async context => {
    await selectBackend('webgpu');
    const backend = activeGpu() as NonNullable<ReturnType<typeof activeGpu>>;
    const { units, reason } = await probeMatrixUnits(backend);
    if (units === undefined) return context.skip(reason);
    const [M, N, K] = [65, 68, 72];
    const [x, w, b, cotangent] = [normal([M, K], 1), normal([N, K], 2), normal([N], 3), normal([M, N], 4)];
    backend.precision = 'f16';
    try {
      const { loss, aux, gradients } = valueAndGradients(() => {
        const y = linear(x, w, { bias: b });
        return { loss: tf.sum(tf.mul(y, cotangent)), aux: [y] };
      }, [x, w, b]);
      const values = async (t: tf.Tensor | null) => (await (t as tf.Tensor).data()) as Float32Array;
      const [xs, ws, bs, gs] = await Promise.all([x, w, b, cotangent].map(values));
      const turn = (a: Float32Array, columns: number) =>
        Float32Array.from(a, (_, i) => a[(i % (a.length / columns)) * columns + Math.floor(i / (a.length / columns))]);
      const expectWithin = (
        actual: Float32Array,
        left: Float32Array,
        right: Float32Array,
        inner: number,
        bias = false,
      ) => {
        const [sum, size] = [multiply(left, right, inner), multiply(left.map(Math.abs), right.map(Math.abs), inner)];
        const columns = right.length / inner;
        const worst = sum.reduce(
          (most, value, i) => Math.max(most, Math.abs(actual[i] - value - (bias ? bs[i % columns] : 0)) / size[i]),
          0,
        );
        expect(worst).toBeLessThan(2 ** -10);
        expect(worst).toBeGreaterThan(2 ** -18); // it did go through f16
      };
      expectWithin(await values(aux[0]), xs, ws, K, true);
      expectWithin(await values(gradients[0]), gs, turn(ws, K), N);
      expectWithin(await values(gradients[1]), turn(gs, N), turn(xs, K), M);
      const ones = new Float32Array(M).fill(1);
      expectWithin(await values(gradients[2]), turn(gs, N), ones, M);
      tf.dispose([loss, ...aux, ...(gradients as tf.Tensor[])]);
    } finally {
      backend.precision = 'fp32';
      tf.dispose([x, w, b, cotangent]);
    }
  });
});

describe.each(['fp32', 'bf16'] as const)('%s on native', precision => {
  test('a row has the same bits beside any number of others', async ({ skip }) => {
    const backend = await useNative();
    if (precision === 'bf16' && !backend.supportsBf16) skip('this processor has no bf16');
    backend.precision = precision;
    for (const [N, K] of [
      [65, 129],
      [256, 256],
      [3, 7],
    ]) {
      const x = normal([40, K], 1);
      const weight = normal([N, K], 2);
      const bias = normal([N], 3);
      const valuesOf = async (from: number, rows: number) => {
        const y = tf.tidy(() => linear(tf.slice(x, [from, 0], [rows, K]), weight, { bias, activation: 'silu' }));
        const values = (await y.data()).slice();
        y.dispose();
        return values;
      };
      const whole = await valuesOf(0, 40);
      for (const rows of [1, 2, 5, 15, 16, 17, 33]) {
        expect(await valuesOf(3, rows), `${rows} rows of ${N} x ${K}`).toEqual(whole.slice(3 * N, (3 + rows) * N));
      }
      tf.dispose([x, weight, bias]);
    }
    backend.precision = 'fp32';
  });
});
