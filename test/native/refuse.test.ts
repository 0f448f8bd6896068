/** @file Ids that would leave an array: TypeScript refuses them, and so does C++ where it is called past TypeScript. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { embedding } from '../../src/kernels/embedding/embedding.ts';
import { linearCrossEntropy } from '../../src/kernels/headloss/headloss.ts';
import { normal, useNative } from '../support.ts';

const LARGEST = 2 ** 31 - 1;

test('an embedding of ids that the table does not have', async () => {
  const backend = await useNative();
  const [V, C] = [5, 8];
  const table = normal([V, C], 1);
  const values = (await table.data()) as Float32Array;
  const raw = (ids: number[]) => {
    const rows = new Float32Array(ids.length * C);
    backend.callPacked('embedding', [values, Int32Array.from(ids), rows], [ids.length, V, C]);
    return rows;
  };
  for (const id of [-1, V, LARGEST, -(2 ** 31)]) {
    expect(() => embedding(table, tf.tensor1d([0, id, 4], 'int32'))).toThrow(/embedding: expected ids/);
    expect(() => raw([0, id, 4])).toThrow('embedding: expected ids that the table has');
  }
  // Nothing of it is left for the next call.
  expect([...raw([4, 0])]).toEqual([...values.slice(4 * C), ...values.slice(0, C)]);
});

test('a loss of targets beyond the logits, or of other targets than are counted', async () => {
  const backend = await useNative();
  const [M, V, C] = [3, 5, 8];
  const [hidden, weight] = [normal([M, C], 1), normal([V, C], 2)];
  const arrays = [(await hidden.data()) as Float32Array, (await weight.data()) as Float32Array];
  const raw = (targets: number[], counted: number) => {
    const loss = new Float32Array(1);
    const views = [...arrays, Int32Array.from(targets), loss, null, null];
    backend.callPacked('linearCrossEntropy', views, [M, counted, V, C, 0, 1, 0]);
    return loss[0];
  };
  for (const target of [V, LARGEST]) {
    const targets = tf.tensor1d([0, target, -1], 'int32');
    expect(() => linearCrossEntropy(hidden, weight, targets, { scale: 1, zLoss: 0 })).toThrow(/expected targets below/);
    expect(() => raw([0, target, -1], 2)).toThrow('expected targets below the number of logits');
  }
  expect(() => raw([0, 4, -1], 1)).toThrow('expected the number of targets that count');
  expect(() => raw([0, 4, -1], 3)).toThrow('expected the number of targets that count');
  expect(raw([0, 4, -1], 2)).toBeGreaterThan(0);
});
