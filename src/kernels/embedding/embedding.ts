/** @file Rows of a table by id, and the gradient that adds each row's share back (in the order of the ids: exact reruns). */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import { type NativeBackend, overrideNative } from '../../device/native/native.ts';
import { defineBuiltInKernel, run } from '../registry.ts';
import { gatherRows as gatherRowsWebgpu, sumRows as sumRowsWebgpu } from './webgpu.ts';

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

/** Every id is in [0, V). */
const embeddingCall = nativeCall({
  kernel: 'embedding',
  buffers: { table: reads('V * C'), ids: reads('N', 'int32'), rows: writes('N * C') },
  numbers: { N: 'size', V: 'size', C: 'size' },
  work: ({ numbers: { N, C } }) => ({ shape: `${N}x${C}`, bytes: 4 * (2 * N * C + N) }),
});

const embeddingGradientCall = nativeCall({
  kernel: 'embeddingGradient',
  buffers: { ids: reads('N', 'int32'), rows: reads('N * C'), sums: writes('V * C') },
  numbers: { N: 'size', V: 'size', C: 'size' },
});

/** Ids that one matrix of ones and zeros covers in the reference gradient. */
const CHUNK = 1024;

defineBuiltInKernel({
  name: 'Embedding',
  reference: ({ table, ids }) => [tf.gather(table, ids as tf.Tensor1D)],
  native: ({ table, ids }, _, backend) => [gatherRows(table, ids, backend)],
  webgpu: ({ table, ids }, _, backend) => [gatherRowsWebgpu(table, ids, backend)],
  gradient: {
    saveInputs: ['table', 'ids'],
    run: ([dy], { table, ids }) => ({
      table: run('EmbeddingGrad', { ids, dy: dy as Tensor }, { V: table.shape[0] })[0],
    }),
  },
});

// By matrix products, which every backend has.
defineBuiltInKernel({
  name: 'EmbeddingGrad',
  reference: ({ ids, dy }, { V }) => {
    const [N, C] = dy.shape;
    let sum: Tensor = tf.zeros([V as number, C]);
    for (let begin = 0; begin < N; begin += CHUNK) {
      const size = Math.min(CHUNK, N - begin);
      const part = tf.expandDims(tf.slice(ids, [begin], [size]), 1);
      const ones = tf.cast(tf.equal(part, tf.range(0, V as number, 1, 'int32')), 'float32'); // [size, V]
      sum = tf.add(sum, tf.matMul(ones, tf.slice(dy, [begin, 0], [size, C]), true, false));
    }
    return [sum];
  },
  native: ({ ids, dy }, { V }, backend) => [sumRows(ids, dy, V as number, backend)],
  webgpu: ({ ids, dy }, { V }, backend) => [sumRowsWebgpu(ids, dy, V as number, backend)],
});

/** Rows of a matrix (or of an array of higher rank seen as one). */
function gatherRows(table: TensorInfo, ids: TensorInfo, backend: NativeBackend): TensorInfo {
  const [V, ...row] = table.shape;
  for (const id of backend.values(ids)) {
    if (id < 0 || id >= V) throw new ShapeError(`embedding: expected ids in [0, ${V}), got id ${id}`);
  }
  const N = tf.util.sizeFromShape(ids.shape);
  const rows = backend.output([N, ...row]);
  backend.call(embeddingCall, { table, ids, rows }, { N, V, C: tf.util.sizeFromShape(row) });
  return rows;
}

/** The sum of the rows [N, ...] with each id, [V, ...]. */
function sumRows(ids: TensorInfo, rows: TensorInfo, V: number, backend: NativeBackend): TensorInfo {
  const [N, ...row] = rows.shape;
  const sums = backend.output([V, ...row]);
  backend.call(embeddingGradientCall, { ids, rows, sums }, { N, V, C: tf.util.sizeFromShape(row) });
  return sums;
}

overrideNative('GatherV2', ({ x, indices }, { axis, batchDims }, backend) => {
  const plain = axis === 0 && (batchDims ?? 0) === 0 && x.dtype === 'float32' && indices.dtype === 'int32';
  if (!plain || x.shape.length === 0) return undefined;
  const rows = gatherRows(x, indices, backend);
  return [{ ...rows, shape: [...indices.shape, ...x.shape.slice(1)] }];
});

overrideNative('UnsortedSegmentSum', ({ x, segmentIds }, { numSegments }, backend) => {
  if (x.dtype !== 'float32' || segmentIds.shape.length !== 1) return undefined;
  return [sumRows(segmentIds, x, numSegments as number, backend)];
});
