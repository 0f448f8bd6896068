/** @file tfjs's own operations on the native backend, and on the same in WebAssembly, give what its cpu backend gives. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import '../../src/kernels/elementwise/elementwise.ts';
import '../../src/kernels/registry.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { expectAllclose, noKernels, normal, type Tolerance, useNative } from '../support.ts';
import { expectNoLeak, expectSameBits } from './gradients.ts';

const builds = (['native', 'wasm'] as const).filter(name => noKernels[name] === undefined);

/** What the operation gives on a backend: shapes, types and values of its results. */
async function resultsOn(backend: 'cpu' | 'native' | 'wasm', operation: () => tf.Tensor | tf.Tensor[]) {
  await selectBackend(backend, { precision: 'fp32' });
  const made = tf.tidy(operation);
  const outputs = Array.isArray(made) ? made : [made];
  const results = await Promise.all(
    outputs.map(async y => ({ shape: y.shape, dtype: y.dtype, values: Array.from<number>(await y.data()) })),
  );
  tf.dispose(outputs);
  return results;
}

async function expectLikeCpu(operation: () => tf.Tensor | tf.Tensor[], tolerance?: Tolerance): Promise<void> {
  const expected = await resultsOn('cpu', operation);
  for (const build of builds) {
    const actual = await resultsOn(build, operation);
    expect(actual.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
      expected.map(({ shape, dtype }) => ({ shape, dtype })),
    );
    actual.forEach(({ values }, i) => {
      expectAllclose(values, expected[i].values, tolerance ?? { relative: 1e-6, absolute: 1e-7 });
    });
  }
}

describe.skipIf(noKernels.native !== undefined)('native operations equal those of cpu, and so in WebAssembly', () => {
  const pairs: [number[], number[]][] = [
    [[], []],
    [[1], [17]],
    [[65], [65]],
    [[3, 17], [17]],
    [[17], [3, 17]],
    [
      [5, 33],
      [5, 1],
    ],
    [
      [5, 1],
      [5, 33],
    ],
    [
      [2, 1, 7],
      [2, 5, 7],
    ],
    [
      [2, 3, 4, 5],
      [3, 1, 5],
    ],
    [
      [2, 1, 4, 1],
      [3, 1, 5],
    ],
    [
      [2, 3, 2, 3, 2, 3],
      [1, 3, 1, 3, 1, 3],
    ],
    [[70000], []],
    [[3, 40000], [40000]],
    [
      [1, 1],
      [1, 1, 1],
    ],
  ];
  const binaries = { add: tf.add, sub: tf.sub, mul: tf.mul, div: tf.div, maximum: tf.maximum, minimum: tf.minimum };
  for (const [name, operation] of Object.entries({ ...binaries, squaredDifference: tf.squaredDifference })) {
    test(name, async () => {
      for (const [a, b] of pairs) await expectLikeCpu(() => operation(normal(a, 1), normal(b, 2)));
    });
  }

  const unaries = {
    square: tf.square,
    sqrt: (x: tf.Tensor) => tf.sqrt(tf.abs(x)),
    rsqrt: (x: tf.Tensor) => tf.rsqrt(tf.abs(x)),
    exp: tf.exp,
    log: (x: tf.Tensor) => tf.log(tf.abs(x)),
    relu: tf.relu,
    sigmoid: tf.sigmoid,
    tanh: tf.tanh,
    softplus: tf.softplus,
    neg: tf.neg,
    reciprocal: tf.reciprocal,
  };
  for (const [name, operation] of Object.entries(unaries)) {
    test(name, async () => {
      for (const shape of [[], [1], [3, 17], [40001]]) {
        await expectLikeCpu(() => operation(normal(shape, 1, 4)), { relative: 1.5e-6, absolute: 1e-9 });
      }
      const few = [0.5, 1, 1 + 2 ** -20, 1e-3, 1e-18, 88, 80, 60, 1e-6, 2, 10];
      await expectLikeCpu(() => operation(tf.tensor1d([...few, ...few.map(x => -x)])), {
        relative: 1.5e-6,
        absolute: 1e-30,
      });
    });
  }

  test('what is not a number or not finite comes out as on cpu', async () => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -1, 200, -200, 1e-42];
    for (const operation of [tf.exp, tf.log, tf.sqrt, tf.relu, tf.sigmoid, tf.tanh, tf.abs]) {
      const expected = (await resultsOn('cpu', () => operation(tf.tensor1d(odd))))[0].values;
      const actual = (await resultsOn('native', () => operation(tf.tensor1d(odd))))[0].values;
      actual.forEach((value, i) => {
        if (Number.isFinite(expected[i])) expectAllclose([value], [expected[i]], { absolute: 1e-37, relative: 1e-6 });
        else expect(value).toBe(expected[i]);
      });
    }
  });

  test('sums and means', async () => {
    const cases: [number[], number[] | undefined][] = [
      [[], undefined],
      [[17], undefined],
      [[3, 65], [1]],
      [[3, 65], [0]],
      [[300, 70], [0]],
      [
        [2, 3, 4, 5],
        [1, 2],
      ],
      [
        [2, 3, 4, 5],
        [0, 1, 2],
      ],
      [
        [2, 3, 4, 5],
        [0, 2],
      ],
      [[2, 3, 4, 5], [3]],
      [[50000, 3], undefined],
    ];
    for (const [shape, axis] of cases) {
      for (const keepDims of [false, true]) {
        const tolerance = { relative: 2e-6, absolute: 2e-4 };
        await expectLikeCpu(() => tf.sum(normal(shape, 1), axis, keepDims), tolerance);
        await expectLikeCpu(() => tf.mean(normal(shape, 1), axis, keepDims), { relative: 2e-6, absolute: 1e-6 });
      }
    }
    await expectLikeCpu(() => tf.sum(tf.tensor1d([1, 2, 3], 'int32')));
    await expectLikeCpu(() => tf.sum(tf.tensor1d([1, 0, 1], 'bool')));
  });

  test('a sum of a million equal numbers is exact to rounding', async () => {
    const [{ values }] = await resultsOn('native', () => tf.sum(tf.fill([1000, 1000], 0.1)));
    expectAllclose(values, [1e6 * Math.fround(0.1)], { relative: 1e-6 });
  });

  test('largest, where it is, softmax', async () => {
    for (const shape of [[1], [17], [3, 65], [2, 3, 100], [5, 1], [4, 2000]]) {
      await expectLikeCpu(() => tf.max(normal(shape, 1), -1));
      await expectLikeCpu(() => tf.max(normal(shape, 1), undefined, true));
      await expectLikeCpu(() => tf.argMax(normal(shape, 1), -1));
      await expectLikeCpu(() => tf.softmax(normal(shape, 1, 5)), { relative: 2e-6, absolute: 1e-9 });
    }
    await expectLikeCpu(() =>
      tf.argMax(
        tf.tensor2d([
          [1, 3, 3],
          [2, 2, 1],
        ]),
        1,
      ),
    );
    await expectLikeCpu(() => tf.max(normal([3, 4, 5], 1), 0));
  });

  test('transposition', async () => {
    const cases: [number[], number[]][] = [
      [
        [3, 17],
        [1, 0],
      ],
      [
        [65, 130],
        [1, 0],
      ],
      [
        [300, 500],
        [1, 0],
      ],
      [
        [2, 3, 5],
        [0, 2, 1],
      ],
      [
        [2, 3, 5],
        [2, 0, 1],
      ],
      [
        [2, 3, 5],
        [2, 1, 0],
      ],
      [
        [2, 3, 5],
        [1, 0, 2],
      ],
      [
        [2, 3, 5],
        [0, 1, 2],
      ],
      [
        [2, 7, 3, 16],
        [0, 2, 1, 3],
      ],
      [
        [2, 7, 6, 33],
        [0, 3, 1, 2],
      ],
      [
        [2, 33, 7, 6],
        [0, 2, 3, 1],
      ],
      [
        [2, 3, 4, 5],
        [3, 0, 2, 1],
      ],
      [
        [2, 3, 4, 3, 2, 2],
        [5, 0, 1, 4, 2, 3],
      ],
      [
        [2, 1, 4],
        [2, 1, 0],
      ],
    ];
    for (const [shape, perm] of cases) {
      await expectLikeCpu(() => tf.transpose(normal(shape, 1), perm), { relative: 0, absolute: 0 });
      await expectLikeCpu(() => tf.transpose(tf.cast(tf.mul(normal(shape, 1), 100), 'int32'), perm));
    }
  });

  test('concatenation, slices, splits, casts, fills', async () => {
    for (const [shape, axis] of [
      [[3], 0],
      [[2, 3], 0],
      [[2, 3], 1],
      [[4, 3, 17], 1],
      [[4, 3, 17], -1],
      [[2, 3, 2, 2], 2],
    ] as const) {
      const parts = () => [1, 2, 3].map(seed => normal([...shape], seed));
      await expectLikeCpu(() => tf.concat(parts(), axis));
      await expectLikeCpu(() => tf.stack(parts(), axis < 0 ? axis + shape.length : axis));
      await expectLikeCpu(() => tf.split(tf.concat(parts(), axis), 3, axis));
    }
    await expectLikeCpu(() => tf.concat([tf.ones([2, 0]), tf.ones([2, 3]), tf.zeros([2, 1])], 1));
    await expectLikeCpu(() => tf.concat([tf.tensor1d([1, 2], 'int32'), tf.tensor1d([3], 'int32')]));
    await expectLikeCpu(() => tf.slice(normal([5, 6, 7], 1), [0, 2, 0], [-1, 3, -1]));
    await expectLikeCpu(() => tf.slice(normal([5, 6, 7], 1), [0, 0, 4], [-1, -1, -1]));
    await expectLikeCpu(() => tf.slice(normal([5, 6, 7], 1), [1, 2, 3], [2, 2, 2]));
    await expectLikeCpu(() => tf.slice(normal([5, 6, 7], 1), [3], [2]));
    await expectLikeCpu(() => tf.split(normal([4, 7], 1), [1, 4, 2], 1));
    await expectLikeCpu(() => tf.cast(tf.tensor1d([1, -2, 3], 'int32'), 'float32'));
    await expectLikeCpu(() => tf.cast(tf.tensor1d([1, 0, 1], 'bool'), 'float32'));
    await expectLikeCpu(() => tf.cast(tf.tensor1d([1.7, -2.3]), 'int32'));
    await expectLikeCpu(() => [tf.fill([3, 2], 2.5), tf.fill([2], 7, 'int32'), tf.onesLike(normal([4], 1))]);
    await expectLikeCpu(() =>
      tf.pad(
        normal([3, 4, 5], 1),
        [
          [0, 0],
          [2, 1],
          [0, 0],
        ],
        7,
      ),
    );
    await expectLikeCpu(() =>
      tf.pad(normal([3, 4], 1), [
        [0, 2],
        [1, 0],
      ]),
    );
    await expectLikeCpu(() =>
      tf.pad(tf.zeros([0, 4]), [
        [0, 0],
        [1, 0],
      ]),
    );
    await expectLikeCpu(() => tf.addN([1, 2, 3].map(seed => normal([3, 7], seed))));
  });

  test('other types and empty tensors are left to cpu', async () => {
    await expectLikeCpu(() => tf.add(tf.tensor1d([1, 2], 'int32'), tf.tensor1d([3, 4], 'int32')));
    await expectLikeCpu(() => tf.add(tf.zeros([0, 3]), tf.zeros([3])));
    await expectLikeCpu(() => tf.sum(tf.zeros([0, 3]), 0));
    await expectLikeCpu(() => tf.mul(tf.tensor1d([1, 2]), tf.tensor1d([3, 4], 'int32')));
  });

  test('sums give the same bits twice and leave nothing behind', async () => {
    await useNative();
    const x = normal([1000, 77], 1);
    await expectNoLeak(() => expectSameBits(() => [tf.sum(x, 0), tf.sum(x, 1), tf.sum(x)]));
  });
});
