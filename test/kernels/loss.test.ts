/** @file Cross-entropy against its formula in double precision. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { crossEntropy } from '../../src/kernels/loss.ts';
import { definedKernels, run } from '../../src/kernels/registry.ts';
import { Random } from '../../src/random.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';
import { expectGradients, expectNoLeak, expectSameBits } from './gradients.ts';

function someTargets(N: number, V: number): number[] {
  const random = new Random(4);
  return Array.from({ length: N }, (_, i) => (i % 5 === 3 ? -1 : random.integer(V)));
}

onEveryBackend('cross-entropy equals its formula', async () => {
  for (const [N, V, deviation] of [
    [1, 1, 1],
    [3, 17, 1],
    [65, 100, 5],
    [9, 1025, 30],
    [4, 8192, 1],
  ]) {
    for (const zLoss of [0, 1e-2]) {
      const logits = normal([N, V], 1, deviation);
      const targets = someTargets(N, V);
      const values = await logits.data();
      const expected = targets.map((target, row) => {
        if (target < 0) return 0;
        const xs = Array.from(values.slice(row * V, (row + 1) * V));
        const largest = Math.max(...xs);
        const lse = largest + Math.log(xs.reduce((a, x) => a + Math.exp(x - largest), 0));
        return lse - xs[target] + zLoss * lse * lse;
      });
      const loss = crossEntropy(logits, tf.tensor1d(targets, 'int32'), { zLoss });
      expectAllclose(await loss.data(), expected, { relative: 1e-5, absolute: 2e-5 });
    }
  }
});

onEveryBackend('gradients of cross-entropy', async backend => {
  for (const [N, V] of [
    [1, 3],
    [9, 17],
    [6, 260],
  ]) {
    const targets = someTargets(N, V);
    for (const zLoss of [0, 0.05]) {
      await expectGradients({
        backend,
        fused: logits => crossEntropy(logits, tf.tensor1d(targets, 'int32'), { zLoss }),
        plain: logits =>
          definedKernels()
            .get('CrossEntropy')!
            .reference({ logits, targets: tf.tensor1d(targets, 'int32') }, { zLoss })[0],
        inputs: [normal([N, V], 1, 2)],
      });
    }
  }
});

onEveryBackend('cross-entropy leaves no tensors behind', async () => {
  const logits = normal([4, 9], 1);
  const targets = tf.tensor1d([1, -1, 8, 0], 'int32');
  await expectNoLeak(() => {
    crossEntropy(logits, targets).dispose();
    tf.grad(x => tf.sum(crossEntropy(x, targets)))(logits).dispose();
  });
});

test('cross-entropy on native gives the same bits twice', async () => {
  await useNative();
  const logits = normal([100, 1000], 1);
  const targets = tf.tensor1d(someTargets(100, 1000), 'int32');
  await expectSameBits(() => run('CrossEntropy', { logits, targets }, { zLoss: 0.1 }));
});

test('a target outside the vocabulary is an error on native', async () => {
  await useNative();
  expect(() => crossEntropy(normal([1, 3], 1), tf.tensor1d([3], 'int32'))).toThrow(/target 3/);
});
