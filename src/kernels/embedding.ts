/** @file Rows of a table by id, and the gradient that adds each row's share back (in the order of the ids: exact reruns). */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../errors.ts';
import { defineKernel, run } from './registry.ts';

/**
 * Looks ids up in a table.
 * @param table [V, C]
 * @param ids int32 [...] in [0, V)
 * @returns [..., C]
 * @throws ShapeError if the table is not a matrix
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  const { C } = expectShape('embedding: table', table.shape, ['V', 'C']);
  return tf.tidy(() => {
    const [rows] = run('Embedding', { table, ids: tf.reshape(ids, [ids.size]) });
    return tf.reshape(rows, [...ids.shape, C]);
  });
}

/** Ids that one matrix of ones and zeros covers in the reference gradient. */
const CHUNK = 1024;

defineKernel({
  name: 'Embedding',
  reference: ({ table, ids }) => [tf.gather(table, ids as tf.Tensor1D)],
  gradient: {
    saveInputs: ['table', 'ids'],
    run: ([dy], { table, ids }) => ({
      table: run('EmbeddingGrad', { ids, dy: dy as Tensor }, { V: table.shape[0] })[0],
    }),
  },
});

// By matrix products, because tfjs's wasm backend has no UnsortedSegmentSum.
defineKernel({
  name: 'EmbeddingGrad',
  reference: ({ ids, dy }, { V }) => {
    const [N, C] = dy.shape;
    let sum: Tensor = tf.zeros([V as number, C]);
    for (let begin = 0; begin < N; begin += CHUNK) {
      const size = Math.min(CHUNK, N - begin);
      const some = tf.expandDims(tf.slice(ids, [begin], [size]), 1);
      const ones = tf.cast(tf.equal(some, tf.range(0, V as number, 1, 'int32')), 'float32'); // [size, V]
      sum = tf.add(sum, tf.matMul(ones, tf.slice(dy, [begin, 0], [size, C]), true, false));
    }
    return [sum];
  },
});
