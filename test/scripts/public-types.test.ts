/** @file The types that stand for tfjs's in the package's declarations: what tfjs makes fits them. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { expect, test } from 'vitest';
import type { Tensor, TensorInfo, Variable } from '../../scripts/public-types/tfjs.d.ts';

// Compiled, these are the test.
const asTensor = (tensor: tf.Tensor): Tensor => tensor;
const asInfo = (info: tf.TensorInfo): TensorInfo => info;
const asVariable = (variable: tf.Variable): Variable => variable;

test('a tensor and a variable of tfjs are what the declarations say', async () => {
  const variable = tf.variable(tf.tensor2d([[1, 2, 3]]), true, 'weights');
  const seen = asVariable(variable);
  expect(asTensor(variable)).toMatchObject({ shape: [1, 3], dtype: 'float32', size: 3, rank: 2, isDisposed: false });
  expect([...(await seen.data())]).toEqual([1, 2, 3]);
  expect(asInfo(variable).dataId).toBeTypeOf('object');
  expect([seen.name, seen.trainable]).toEqual(['weights', true]);
  seen.dispose();
  expect(variable.isDisposed).toBe(true);
});
