/** @file tfjs's own matrix products on the GPU's kernels for products (gemm.ts); what does not fit is left to tfjs. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { overrideWebgpu } from '../../device/webgpu/override.ts';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { multiply } from '../gemm/gemm.ts';
import type { Operand } from '../gemm/product.ts';
import { elementOf, index, together } from '../wgsl/elements.ts';

const sizeOf = (shape: readonly number[]) => tf.util.sizeFromShape([...shape]);

/** One side: [batch, rows, K] or [batch, K, rows], where `step` is 0 for one matrix for all. */
function operand(name: string, alongK: boolean, rows: number, K: number): Operand {
  const width = together(alongK ? K : rows);
  const at = `batch * u.step_${name} + ${alongK ? 'row * u.K + k' : `k * u.rows_${name} + row`}`;
  return { fast: alongK ? 'k' : 'row', width, load: `return ${name}[${index(at, width)}];` };
}

/** op(a) op(b) + bias through relu or nothing, or undefined where tfjs is to do it. */
function matMul(
  inputs: InputInfos,
  attributes: Readonly<Record<string, unknown>>,
  backend: GpuBackend,
): TensorInfo | undefined {
  const { a, b, bias } = inputs;
  const { transposeA, transposeB, activation = 'linear' } = attributes;
  if (a.dtype !== 'float32' || b.dtype !== 'float32' || (activation !== 'linear' && activation !== 'relu')) return;
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const [K, rows] = transposeA === true ? a.shape.slice(-2) : a.shape.slice(-2).reverse();
  const [N, inner] = transposeB === true ? b.shape.slice(-2) : b.shape.slice(-2).reverse();
  const shape = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  let [M, batch] = [rows, sizeOf(shape)];
  const fits = (own: readonly number[]) => [1, batch].includes(sizeOf(own));
  if (inner !== K || K * M * N * batch === 0 || !fits(batchA) || !fits(batchB)) return;
  if (bias !== undefined && (sizeOf(bias.shape) !== N || bias.shape.at(-1) !== N)) return;
  if (sizeOf(batchB) === 1 && sizeOf(batchA) === batch && transposeA !== true) {
    // One right operand for all: the batch is more rows.
    [M, batch] = [M * batch, 1];
  }
  const [sideA, sideB] = [operand('a', transposeA !== true, M, K), operand('b', transposeB === true, N, K)];
  const storeWidth = together(N);
  const y = backend.output([...shape, rows, N]);
  const sum = `value ${bias === undefined ? '' : `+ bias[${index('column', storeWidth)}]`}`;
  multiply(backend, {
    name: 'matMul',
    variant: `${activation}`,
    ...{ M, N, K, batch, storeWidth },
    a: sideA,
    b: sideB,
    bindings: [
      read('a', a, elementOf(sideA.width ?? 1)),
      read('b', b, elementOf(sideB.width ?? 1)),
      write('y', y, elementOf(storeWidth)),
      ...(bias === undefined ? [] : [read('bias', bias, elementOf(storeWidth))]),
    ],
    uniforms: {
      step_a: sizeOf(batchA) === 1 ? 0 : M * K,
      step_b: sizeOf(batchB) === 1 ? 0 : N * K,
      rows_a: M,
      rows_b: N,
    },
    store: `y[${index('(batch * u.M + row) * u.N + column', storeWidth)}] =
      ${activation === 'relu' ? `max(${sum}, ${elementOf(storeWidth)}(0.0))` : sum};`,
  });
  return y;
}

/** Puts our product before tfjs's own. */
export function overrideMatMul(): void {
  for (const kernelName of ['BatchMatMul', '_FusedMatMul']) overrideWebgpu(kernelName, matMul);
}
