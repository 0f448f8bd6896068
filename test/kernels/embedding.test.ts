/** @file Table look-up and its gradient against loops. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { embedding } from '../../src/kernels/embedding/embedding.ts';
import { run } from '../../src/kernels/registry.ts';
import { expectAllclose, normal, noWebgpu, onEveryBackend, useNative } from '../support.ts';
import { expectNoLeak, expectSameBits } from './gradients.ts';

function someIds(N: number, V: number): number[] {
  const random = new Random(2);
  return Array.from({ length: N }, () => random.integer(V));
}

onEveryBackend('rows are looked up, and their gradients summed', async () => {
  for (const [V, C, shape] of [
    [1, 1, [1]],
    [5, 3, [17]],
    [100, 65, [2, 33]],
    [33, 64, [2500]],
    [3000, 6, [512]],
    [1, 5, [1025]],
    [7, 132, [513]],
  ] as const) {
    const N = tf.util.sizeFromShape([...shape]);
    const ids = someIds(N, V);
    const table = normal([V, C], 1);
    const weights = normal([...shape, C], 2);
    const idTensor = tf.tensor(ids, [...shape], 'int32');
    const [tableValues, weightValues] = [await table.data(), await weights.data()];

    const rows = embedding(table, idTensor);
    expect(rows.shape).toEqual([...shape, C]);
    expectAllclose(
      await rows.data(),
      ids.flatMap(id => Array.from(tableValues.slice(id * C, (id + 1) * C))),
    );

    const expected = new Float64Array(V * C);
    ids.forEach((id, n) => {
      for (let c = 0; c < C; c++) expected[id * C + c] += weightValues[n * C + c];
    });
    const gradient = tf.grad(x => tf.sum(tf.mul(embedding(x, idTensor), weights)))(table);
    expectAllclose(await gradient.data(), expected, { relative: 1e-5, absolute: 2e-5 });
  }
});

onEveryBackend('ids may come from other operations, and rows that no id names have no gradient', async () => {
  const ids = tf.minimum(tf.tensor1d([5, 2, 9, 2, 0], 'int32'), tf.scalar(4, 'int32'));
  const weights = normal([5, 3], 1);
  const values = await weights.data();
  const row = (n: number) => Array.from(values.slice(3 * n, 3 * n + 3));
  const plus = (a: number[], b: number[]) => a.map((x, i) => x + b[i]);
  const gradient = tf.grad(x => tf.sum(tf.mul(embedding(x, ids), weights)))(normal([6, 3], 2));
  const [none, expected] = [
    [0, 0, 0],
    [row(4), [0, 0, 0], plus(row(1), row(3)), [0, 0, 0], plus(row(0), row(2))],
  ];
  expectAllclose(await gradient.data(), [...expected.flat(), ...none]);
});

onEveryBackend('embedding leaves no tensors behind', async () => {
  const [table, ids] = [normal([4, 3], 1), tf.tensor2d([[0, 3]], [1, 2], 'int32')];
  await expectNoLeak(() => {
    embedding(table, ids).dispose();
    tf.grad(x => tf.sum(embedding(x, ids)))(table).dispose();
  });
});

test('the gradient on native gives the same bits twice', async () => {
  await useNative();
  const ids = tf.tensor1d(someIds(3000, 40), 'int32');
  const dy = normal([3000, 64], 3);
  await expectSameBits(() => run('EmbeddingGrad', { ids, dy }, { V: 40 }));
});

test.skipIf(noWebgpu !== undefined)('the gradient on webgpu gives the same bits twice', async () => {
  await selectBackend('webgpu');
  const ids = tf.tensor1d(
    someIds(1500, 40).map(id => Math.min(id, 12)),
    'int32',
  );
  const dy = normal([1500, 12], 3);
  await expectSameBits(() => run('EmbeddingGrad', { ids, dy }, { V: 40 }));
});

test('an id outside the table is an error on native', async () => {
  await useNative();
  const table = normal([4, 3], 1);
  expect(() => embedding(table, tf.tensor1d([1, 4], 'int32'))).toThrow(/id 4/);
  expect(() => embedding(table, tf.tensor1d([-1], 'int32'))).toThrow(/id -1/);
});
