/**
 * @file tfjs's own matrix products, `tf.matMul` and `tf.fused.matMul`, on the native backend's packed products: any
 * batch, broadcast or not, either side transposed. What is left to tfjs: other types than float32, and activations
 * other than relu. C++: native/matmul.cc. On webgpu likewise (wgsl/matmul.ts).
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type NativeBackend, overrideNative } from '../../device/native/native.ts';
import { overrideMatMul } from './webgpu.ts';

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
  let batch = tf.util.sizeFromShape(whole);
  const repeatA = batch > 1 && tf.util.sizeFromShape(batchA) === 1;
  const repeatB = batch > 1 && tf.util.sizeFromShape(batchB) === 1;
  let rows = M;
  if (repeatB && !transposeA && !repeatA && tf.util.sizeFromShape(batchA) === batch) {
    // One right operand for all: the batch is more rows.
    rows *= batch;
    batch = 1;
  }
  backend.call(
    'matmul',
    [a, b, output, batchIndices(batchA, whole), batchIndices(batchB, whole), bias ?? null],
    [
      batch,
      rows,
      N,
      K,
      Number(transposeA),
      Number(transposeB),
      Number(repeatA),
      Number(repeatB),
      relu ? 3 : 0,
      backend.precision === 'bf16' ? 1 : 0,
    ],
  );
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
