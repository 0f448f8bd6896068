/**
 * @file tfjs's own matrix products, `tf.matMul` and `tf.fused.matMul`, on the native backend's packed products: any
 * batch, broadcast or not, either side transposed. What is left to tfjs: other types than float32, and activations
 * other than relu. C++: native/matmul.cc. On webgpu likewise (webgpu.ts).
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { nativeCall, optional, precisionNumber, reads, writes } from '../../device/native/calls.ts';
import { type NativeBackend, overrideNative } from '../../device/native/native.ts';
import { activationNumber } from '../pointwise.ts';
import { overrideMatMul } from './webgpu.ts';

const matmulCall = nativeCall({
  kernel: 'matmul',
  buffers: {
    a: reads('matricesA * M * K'),
    b: reads('matricesB * K * N'),
    c: writes('batch * M * N'),
    indicesA: optional(reads('batch', 'int32')),
    indicesB: optional(reads('batch', 'int32')),
    bias: optional(reads('N')),
  },
  numbers: {
    batch: 'size',
    M: 'size',
    N: 'size',
    K: 'size',
    transposeA: 'flag',
    transposeB: 'flag',
    matricesA: 'size',
    matricesB: 'size',
    activation: activationNumber,
    precision: precisionNumber,
  },
  work: ({ numbers: { batch, M, N, K } }) => ({ shape: `${batch}x${M}x${N}x${K}`, flops: 2 * batch * M * N * K }),
});

/** For each batch entry of the output, which entry of an operand it reads, when that is neither its own nor the first. */
function batchIndices(own: readonly number[], whole: readonly number[]): Int32Array | null {
  const size = tf.util.sizeFromShape([...own]);
  if (size === 1 || size === tf.util.sizeFromShape([...whole])) return null;
  const padded = [...Array.from({ length: whole.length - own.length }, () => 1), ...own];
  const indices = new Int32Array(tf.util.sizeFromShape([...whole]));
  for (let i = 0; i < indices.length; i++) {
    let [rest, stride] = [i, 1];
    for (let axis = whole.length - 1; axis >= 0; axis--) {
      indices[i] += padded[axis] === 1 ? 0 : (rest % whole[axis]) * stride;
      rest = Math.floor(rest / whole[axis]);
      stride *= padded[axis];
    }
  }
  return indices;
}

interface Product {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly bias?: TensorInfo;
  readonly relu?: boolean;
}

function multiply(a: TensorInfo, b: TensorInfo, product: Product, backend: NativeBackend): TensorInfo[] | undefined {
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const { transposeA, transposeB, bias, relu = false } = product;
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const [K, M] = transposeA ? a.shape.slice(-2) : a.shape.slice(-2).reverse();
  const [N, inner] = transposeB ? b.shape.slice(-2) : b.shape.slice(-2).reverse();
  if (inner !== K) throw new Error(`matMul: inner sizes differ: ${K} and ${inner}`);
  const whole = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const output = backend.output([...whole, M, N]);
  const batch = tf.util.sizeFromShape(whole);
  const [matricesA, matricesB] = [tf.util.sizeFromShape(batchA), tf.util.sizeFromShape(batchB)];
  // One right operand for all: the batch is more rows.
  const stacked = batch > 1 && matricesB === 1 && !transposeA && matricesA === batch;
  const sizes = stacked ? { batch: 1, M: M * batch, matricesA: 1 } : { batch, M, matricesA };
  const activation = relu ? 'relu' : 'none';
  const choices = { transposeA, transposeB, activation, precision: backend.precision } as const;
  const [indicesA, indicesB] = [batchIndices(batchA, whole), batchIndices(batchB, whole)];
  backend.call(matmulCall, { a, b, c: output, indicesA, indicesB, bias }, { ...sizes, N, K, matricesB, ...choices });
  return [output];
}

overrideNative('BatchMatMul', ({ a, b }, { transposeA, transposeB }, backend) =>
  multiply(a, b, { transposeA: transposeA === true, transposeB: transposeB === true }, backend),
);

overrideNative('_FusedMatMul', (inputs, { transposeA, transposeB, activation }, backend) => {
  const { a, b, bias } = inputs;
  if (activation !== 'linear' && activation !== 'relu') return undefined;
  const N = b.shape[b.shape.length - (transposeB === true ? 2 : 1)];
  // A bias that differs between rows is left to tfjs.
  if (bias !== undefined && (tf.util.sizeFromShape(bias.shape) !== N || bias.shape[bias.shape.length - 1] !== N)) {
    return undefined;
  }
  return multiply(
    a,
    b,
    { transposeA: transposeA === true, transposeB: transposeB === true, bias, relu: activation === 'relu' },
    backend,
  );
});

overrideMatMul();
