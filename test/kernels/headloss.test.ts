/** @file Fused linear cross-entropy against its formula in double precision, and against separate operations. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ShapeError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { activeGpu } from '../../src/device/webgpu/webgpu.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { linearCrossEntropy } from '../../src/kernels/headloss/headloss.ts';
import { headLossWebgpu } from '../../src/kernels/headloss/webgpu.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { definedKernels, run } from '../../src/kernels/registry.ts';
import { expectAllclose, normal, noWebgpu, onEveryBackend, useNative } from '../support.ts';
import { expectGradients, expectNoLeak, expectSameBits } from './gradients.ts';

const missing = registerAddon();

/** Every fifth row is one to ignore. */
function someTargets(M: number, V: number): number[] {
  const random = new Random(4);
  return Array.from({ length: M }, (_, i) => (i % 5 === 3 ? -1 : random.integer(V)));
}

const ids = (targets: readonly number[]) => tf.tensor1d(Int32Array.from(targets), 'int32');

interface Expected {
  readonly loss: number;
  readonly dHidden: Float64Array;
  readonly dWeight: Float64Array;
}

/**
 * Loss and gradients of given logits [M, V], row by row in double precision.
 * @param round what happens to operands of products
 */
function formula(
  logits: ArrayLike<number>,
  { hidden, weight, targets, scale, zLoss }: Problem & { readonly scale: number; readonly zLoss: number },
  round: (x: number) => number = x => x,
): Expected {
  const [V, C] = [weight.length, weight[0].length];
  let loss = 0;
  const dHidden = new Float64Array(hidden.length * C);
  const dWeight = new Float64Array(V * C);
  targets.forEach((target, row) => {
    if (target < 0) return;
    const x = Array.from({ length: V }, (_, v) => logits[row * V + v]);
    const largest = x.reduce((a, b) => Math.max(a, b));
    const lse = largest + Math.log(x.reduce((a, b) => a + Math.exp(b - largest), 0));
    loss += scale * (lse - x[target] + zLoss * lse * lse);
    x.forEach((value, v) => {
      const d = round(scale * (Math.exp(value - lse) * (1 + 2 * zLoss * lse) - (v === target ? 1 : 0)));
      for (let c = 0; c < C; c++) {
        dHidden[row * C + c] += d * round(weight[v][c]);
        dWeight[v * C + c] += d * round(hidden[row][c]);
      }
    });
  });
  return { loss, dHidden, dWeight };
}

/** Matrices as rows. */
interface Problem {
  readonly hidden: readonly Float32Array[];
  readonly weight: readonly Float32Array[];
  readonly targets: readonly number[];
}

async function rowsOf(x: tf.Tensor): Promise<Float32Array[]> {
  const values = Float32Array.from(await x.data());
  const width = x.shape[1] as number;
  return Array.from({ length: x.shape[0] }, (_, i) => values.subarray(i * width, (i + 1) * width));
}

function plainLogits({ hidden, weight }: Problem): Float64Array {
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  return Float64Array.from(hidden.flatMap(h => weight.map(w => dot(h, w))));
}

/** The nearest number of 8 significant bits, ties to even: bf16. */
function toBf16(x: number): number {
  const ulp = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
  const [below, share] = [Math.floor(x / ulp), x / ulp - Math.floor(x / ulp)];
  const up = share > 0.5 || (share === 0.5 && below % 2 !== 0);
  return x === 0 ? 0 : (below + (up ? 1 : 0)) * ulp;
}

const rms = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((a, x) => a + x * x, 0) / values.length);

const peak = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => Math.max(a, Math.abs(b)), 0);

/** Loss and gradients by the fused operation, for an upstream gradient of `upstream`. */
function fused(hidden: tf.Tensor, weight: tf.Tensor, targets: readonly number[], options: Options) {
  const { upstream = 1, ...rest } = options;
  return valueAndGradients(() => {
    const loss = linearCrossEntropy(hidden, weight, ids(targets), rest);
    return { loss: tf.mul(loss, upstream) };
  }, [hidden, weight]);
}

type Options = { readonly scale: number; readonly zLoss?: number; readonly upstream?: number };

const sizes: readonly (readonly [M: number, C: number, V: number, deviation: number])[] = [
  [1, 3, 1, 1],
  [7, 5, 17, 1],
  [65, 33, 100, 0.6],
  [9, 16, 1025, 3],
  [700, 4, 6, 1], // more rows that count than logits are made of at once
];

onEveryBackend('loss and gradients equal their formula', async () => {
  for (const [M, C, V, deviation] of sizes) {
    for (const zLoss of [0, 1e-2]) {
      const [h, w] = [normal([M, C], 1, deviation), normal([V, C], 2, deviation)];
      const problem = { hidden: await rowsOf(h), weight: await rowsOf(w), targets: someTargets(M, V) };
      const scale = 1 / M;
      const expected = formula(plainLogits(problem), { ...problem, scale, zLoss });
      const alone = linearCrossEntropy(h, w, ids(problem.targets), { scale, zLoss });
      expectAllclose(await alone.data(), [expected.loss], { relative: 5e-6, absolute: 1e-6 });
      for (const upstream of [1, -3]) {
        const { loss, gradients } = fused(h, w, problem.targets, { scale, zLoss, upstream });
        expectAllclose(await loss.data(), [upstream * expected.loss], { relative: 5e-6, absolute: 1e-6 });
        for (const [i, wanted] of [expected.dHidden, expected.dWeight].entries()) {
          const scaled = wanted.map(x => upstream * x);
          const found = await (gradients[i] as tf.Tensor).data();
          expectAllclose(found, scaled, { relative: 1e-5, absolute: 1e-5 * peak(scaled) + 1e-9 });
        }
        tf.dispose([loss, ...gradients] as tf.Tensor[]);
      }
      tf.dispose([h, w, alone]);
    }
  }
});

onEveryBackend('gradients of linear cross-entropy', async backend => {
  for (const [M, C, V] of [
    [1, 2, 3],
    [9, 4, 17],
    [6, 5, 260],
  ]) {
    const targets = someTargets(M, V);
    for (const zLoss of [0, 0.05]) {
      const options = { scale: 0.3, zLoss };
      await expectGradients({
        backend,
        fused: (h, w) => linearCrossEntropy(h, w, ids(targets), options),
        plain: (hidden, weight) =>
          definedKernels()
            .get('LinearCrossEntropy')!
            .reference({ hidden, weight, targets: ids(targets) }, options)[0],
        inputs: [normal([M, C], 1), normal([V, C], 2)],
      });
    }
  }
});

onEveryBackend('targets may come from other operations', async () => {
  const [M, C, V] = [9, 4, 10];
  const [h, w] = [normal([M, C], 1), normal([V, C], 2)];
  const targets = someTargets(M, V);
  const problem = { hidden: await rowsOf(h), weight: await rowsOf(w), targets };
  const expected = formula(plainLogits(problem), { ...problem, scale: 0.5, zLoss: 1e-2 });
  const made = tf.sub(ids(targets.map(target => target + 3)), tf.scalar(3, 'int32'));
  const options = { scale: 0.5, zLoss: 1e-2 };
  const { loss, gradients } = valueAndGradients(() => ({ loss: linearCrossEntropy(h, w, made, options) }), [h, w]);
  expectAllclose(await loss.data(), [expected.loss], { relative: 5e-6 });
  expectAllclose(await (gradients[0] as tf.Tensor).data(), expected.dHidden, { relative: 1e-5, absolute: 1e-5 });
  expectAllclose(await (gradients[1] as tf.Tensor).data(), expected.dWeight, { relative: 1e-5, absolute: 1e-5 });
});

test.skipIf(noWebgpu !== undefined)('on webgpu, several chunks, and what a target outside is', async () => {
  await selectBackend('webgpu');
  const backend = activeGpu();
  if (backend === undefined) throw new Error('no webgpu backend');
  const [M, C, V] = [200, 5, 7];
  const [hidden, weight] = [normal([M, C], 1), normal([V, C], 2)];
  const problem = { hidden: await rowsOf(hidden), weight: await rowsOf(weight), targets: someTargets(M, V) };
  const expected = formula(plainLogits(problem), { ...problem, scale: 1 / M, zLoss: 1e-2 });
  const inputs = { hidden, weight, targets: ids(problem.targets) };
  // 160 rows that count, in chunks of 64, 64 and 32.
  const outputs = headLossWebgpu(inputs, { scale: 1 / M, zLoss: 1e-2 }, backend, { gradients: true, mostLogits: 450 });
  for (const [i, wanted] of [[expected.loss], expected.dHidden, expected.dWeight].entries()) {
    const found = (await backend.read(outputs[i].dataId)) as Float32Array;
    expectAllclose(found, wanted, { relative: 1e-5, absolute: 1e-5 * peak(wanted) });
    backend.disposeData(outputs[i].dataId);
  }
  expect(() => linearCrossEntropy(hidden, weight, ids(Array(M).fill(V)), { scale: 1 })).toThrow(/got target 7/);
});

onEveryBackend('without any row that counts, loss and gradients are zero', async () => {
  const { loss, gradients } = fused(normal([4, 3], 1), normal([5, 3], 2), [-1, -1, -1, -1], { scale: 1, zLoss: 0.1 });
  for (const x of [loss, ...(gradients as tf.Tensor[])]) expect(peak(await x.data())).toBe(0);
});

onEveryBackend('linear cross-entropy leaves no tensors behind', async () => {
  const [h, w] = [normal([4, 3], 1), normal([9, 3], 2)];
  const targets = ids([1, -1, 8, 0]);
  await expectNoLeak(() => {
    linearCrossEntropy(h, w, targets, { scale: 1 }).dispose();
    tf.dispose(tf.grads((x, y) => tf.mul(linearCrossEntropy(x, y, targets, { scale: 1 }), 2))([h, w]));
    const { loss, gradients } = valueAndGradients(
      () => ({ loss: linearCrossEntropy(h, w, targets, { scale: 1 }) }),
      [w], // of one input only
    );
    tf.dispose([loss, gradients[0] as tf.Tensor]);
  });
});

onEveryBackend('shapes that do not fit are errors', () => {
  const targets = ids([0, 1]);
  const call = (h: number[], w: number[]) => () => linearCrossEntropy(tf.zeros(h), tf.zeros(w), targets, { scale: 1 });
  expect(call([2, 3], [5, 4])).toThrow(ShapeError);
  expect(call([3, 3], [5, 3])).toThrow(ShapeError);
  expect(call([3], [5, 3])).toThrow(ShapeError);
});

const onNative = test.skipIf(missing !== undefined);
const why = missing === undefined ? '' : ` (skipped: ${missing})`;

onNative(`on native, more rows and ids than fit one chunk: as separate operations${why}`, async () => {
  await useNative();
  // Chunks of 512, 512 and 16 rows that count; of 64 and 16.
  for (const [M, C, V] of [
    [1300, 24, 70],
    [100, 4, 40_000],
  ]) {
    const [h, w] = [normal([M, C], 1), normal([V, C], 2)];
    const problem = { hidden: await rowsOf(h), weight: await rowsOf(w), targets: someTargets(M, V) };
    const expected = formula(plainLogits(problem), { ...problem, scale: 1 / M, zLoss: 1e-3 });
    const { loss, gradients } = fused(h, w, problem.targets, { scale: 1 / M, zLoss: 1e-3 });
    expectAllclose(await loss.data(), [expected.loss], { relative: 3e-6 });
    for (const [i, wanted] of [expected.dHidden, expected.dWeight].entries()) {
      const found = await (gradients[i] as tf.Tensor).data();
      expectAllclose(found, wanted, { relative: 1e-5, absolute: 1e-5 * peak(wanted) });
    }
    tf.dispose([h, w, loss, ...gradients] as tf.Tensor[]);
  }
});

onNative(
  `on native, in bf16: the logits are those of linear, and the gradients their products${why}`,
  async ({ skip }) => {
    const backend = await useNative();
    if (!backend.supportsBf16) skip('no bf16 here');
    const [M, C, V] = [600, 48, 130];
    const [h, w] = [normal([M, C], 1), normal([V, C], 2)];
    const problem = { hidden: await rowsOf(h), weight: await rowsOf(w), targets: someTargets(M, V) };
    await selectBackend('native', { precision: 'bf16' });
    const logits = linear(h, w);
    const options = { ...problem, scale: 1, zLoss: 1e-3 };
    const expected = formula(await logits.data(), options, toBf16);
    const inFp32 = formula(plainLogits(problem), options);
    const { loss, gradients } = fused(h, w, problem.targets, { scale: 1, zLoss: 1e-3 });
    expectAllclose(await loss.data(), [expected.loss], { relative: 1e-6 });
    for (const [i, name] of (['dHidden', 'dWeight'] as const).entries()) {
      const found = await (gradients[i] as tf.Tensor).data();
      const off = (from: Float64Array) => rms(from.map((x, j) => x - found[j])) / rms(from);
      // A rounding may fall to the other side now and then.
      expect(off(expected[name])).toBeLessThan(1e-4);
      expect(off(inFp32[name])).toBeGreaterThan(1e-3);
    }
    tf.dispose([h, w, logits, loss, ...gradients] as tf.Tensor[]);
  },
);

onNative(`on native, the same bits twice and with any number of threads${why}`, async () => {
  const backend = await useNative();
  const [M, C, V] = [700, 40, 300];
  const inputs = { hidden: normal([M, C], 1), weight: normal([V, C], 2), targets: ids(someTargets(M, V)) };
  for (const precision of backend.supportsBf16 ? (['fp32', 'bf16'] as const) : (['fp32'] as const)) {
    await selectBackend('native', { precision });
    const compute = () => run('LinearCrossEntropyGradients', inputs, { scale: 1, zLoss: 0.1 });
    await expectSameBits(compute);
    const results: Uint8Array[][] = [];
    for (const threads of [1, 3, 2]) {
      backend.setThreads(threads);
      const outputs = compute();
      results.push(await Promise.all(outputs.map(async y => new Uint8Array((await y.data()).slice().buffer))));
      tf.dispose(outputs);
    }
    for (const result of results) expect(result).toEqual(results[0]);
  }
});

onNative(`on native, rows to ignore are not looked at, and logits are never held whole${why}`, async () => {
  const { memoryPool: pool } = await useNative();
  const [M, C, V] = [2000, 8, 3000];
  const targets = someTargets(M, V);
  const values = new Random(1).normals(M * C, 1);
  targets.forEach((target, row) => {
    if (target < 0) values.fill(Number.NaN, row * C, (row + 1) * C);
  });
  const [h, w] = [tf.tensor(values, [M, C]), normal([V, C], 2)];
  const before = pool.statistics().held;
  const { loss, gradients } = fused(h, w, targets, { scale: 1 / M });
  expect(pool.statistics().held - before).toBeLessThan((M * V * 4) / 10);
  expect(Number.isFinite((await loss.data())[0])).toBe(true);
  const dHidden = await rowsOf(gradients[0] as tf.Tensor);
  dHidden.forEach((row, i) => {
    expect(peak(row) > 0).toBe(targets[i] >= 0);
  });
  expect(Number.isFinite(peak(await (gradients[1] as tf.Tensor).data()))).toBe(true);
  tf.dispose([h, w, loss, ...gradients] as tf.Tensor[]);
});

onNative(`on native, a saved gradient that something else refers to is not scaled in place${why}`, async () => {
  await useNative();
  const x = tf.tensor1d([1, 2]);
  const copy = tf.clone(x);
  const [y] = run('ScaleSaved', { x, factor: tf.scalar(3) });
  expect([...(await y.data())]).toEqual([3, 6]);
  expect([...(await copy.data())]).toEqual([1, 2]);
  copy.dispose();
  const [z] = run('ScaleSaved', { x, factor: tf.scalar(3) });
  expect(z.dataId).toBe(x.dataId);
  expect([...(await x.data())]).toEqual([3, 6]);
  tf.dispose([x, y, z]);
});

onNative(`a target outside the vocabulary is an error on native${why}`, async () => {
  await useNative();
  const call = () => linearCrossEntropy(normal([1, 2], 1), normal([3, 2], 2), ids([3]), { scale: 1 });
  expect(call).toThrow(/target 3/);
});
