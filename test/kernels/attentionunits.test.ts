/** @file Attention on the GPU's matrix units against double precision, and the same bits twice from all its kernels. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { activeGpu, type GpuBackend } from '../../src/device/webgpu/webgpu.ts';
import '../../src/kernels/attention/attention.ts'; // defines the kernels
import { run } from '../../src/kernels/registry.ts';
import { normal, noWebgpu } from '../support.ts';
import { bandMask, type Case, causal, columnMask, inputsOf, naive, naiveGradients, none } from './attentioncases.ts';
import { expectSameBits } from './gradients.ts';

const title = (what: string) => (noWebgpu === undefined ? what : `${what} (skipped: ${noWebgpu})`);

async function useGpu(): Promise<GpuBackend> {
  await selectBackend('webgpu', { precision: 'fp32' });
  return activeGpu() as GpuBackend; // just selected
}

/** Runs `body` with products on the matrix units, if there are any. */
async function onMatrixUnits(skip: (why: string) => void, body: (gpu: GpuBackend) => Promise<void>): Promise<void> {
  const gpu = await useGpu();
  const { precision, matrixUnits } = gpu;
  const [units] = gpu.summary.matrices;
  if (units === undefined) return skip(`${gpu.summary.name} has no matrix units`);
  gpu.precision = 'f16';
  gpu.matrixUnits ??= units;
  try {
    await body(gpu);
  } finally {
    gpu.precision = precision;
    gpu.matrixUnits = matrixUnits;
  }
}

/** y and the gradients of a loss of which dy is the gradient. */
function bothWays([q, k, v]: readonly tf.Tensor[], dy: tf.Tensor, one: Case): tf.Tensor[] {
  const { mask } = one;
  const [y, logsumexp] = run('Attention', { q, k, v }, { mask });
  return [y, ...run('AttentionGrad', { q, k, v, y, logsumexp, dy }, { mask })];
}

/** How far the results are off, each as a share of its size. */
async function errorsOf(inputs: readonly tf.Tensor[], dy: tf.Tensor, one: Case): Promise<number[]> {
  const results = bothWays(inputs, dy, one);
  const [q, k, v, dOut] = await Promise.all([...inputs, dy].map(x => x.data()));
  const expected = [naive(q, k, v, one), ...naiveGradients(q, k, v, dOut, one)];
  const actual = await Promise.all(results.map(x => x.data()));
  tf.dispose(results);
  return expected.map((values, i) => Math.hypot(...values.map((x, j) => x - actual[i][j])) / Math.hypot(...values));
}

const cases: readonly Case[] = [
  { B: 2, H: 2, Tq: 2, Tk: 2, D: 16, mask: none },
  { B: 1, H: 2, Tq: 65, Tk: 65, D: 32, mask: causal },
  { B: 1, H: 2, Tq: 40, Tk: 131, D: 16, mask: columnMask(20, 8, 140) },
  { B: 1, H: 1, Tq: 130, Tk: 130, D: 16, mask: bandMask(130, 20) },
  { B: 2, H: 1, Tq: 33, Tk: 70, D: 16, mask: none },
];

test.skipIf(noWebgpu !== undefined)(title('matrix units are off by no more than f16 rounds'), async ({ skip }) => {
  await onMatrixUnits(skip, async () => {
    for (const one of cases) {
      const dy = normal([one.B, one.Tq, one.H * one.D], 9);
      // Operands are rounded by up to 2^-11, and no result depends on more than four roundings in a row.
      for (const error of await errorsOf(inputsOf(one), dy, one)) expect(error).toBeLessThan(2 ** -9);
    }
  });
});

test.skipIf(noWebgpu !== undefined)(title('matrix units follow a maximum that grows and grows'), async ({ skip }) => {
  await onMatrixUnits(skip, async () => {
    const one = cases[4];
    const [q, k, v] = inputsOf(one);
    // Later keys are longer: the largest score of a row is found again and again.
    const growing = tf.mul(k, tf.reshape(tf.linspace(0.5, 12, one.Tk), [1, 1, one.Tk, 1]));
    const dy = normal([one.B, one.Tq, one.H * one.D], 9);
    // Scores of up to 40 are off by 2^-11 of that, and so are the weights' logarithms.
    for (const error of await errorsOf([q, growing, v], dy, one)) expect(error).toBeLessThan(0.02);
  });
});

test.skipIf(noWebgpu !== undefined)(title('matrix units keep the precision of a scaled loss'), async ({ skip }) => {
  await onMatrixUnits(skip, async () => {
    const one = cases[1];
    const dy = normal([one.B, one.Tq, one.H * one.D], 9);
    for (const scale of [2 ** -8, 2 ** 12]) {
      for (const error of await errorsOf(inputsOf(one), tf.mul(dy, scale), one)) expect(error).toBeLessThan(2 ** -9);
    }
    // Beyond f16 gradients are cut off, but they stay numbers.
    for (const x of bothWays(inputsOf(one), tf.mul(dy, 1e7), one)) {
      expect((await x.data()).every(Number.isFinite)).toBe(true);
    }
  });
});

test.skipIf(noWebgpu !== undefined)(title('subgroups smaller than they may be leave none out'), async ({ skip }) => {
  await onMatrixUnits(skip, async gpu => {
    const { summary } = gpu;
    const { min } = summary.subgroups as { min: number }; // matrix units come with subgroups
    // Two invocations then share a row of scores.
    Object.assign(gpu, { summary: { ...summary, subgroups: { min, max: 2 * min } } });
    try {
      const one = cases[2];
      const dy = normal([one.B, one.Tq, one.H * one.D], 9);
      for (const error of await errorsOf(inputsOf(one), dy, one)) expect(error).toBeLessThan(2 ** -9);
    } finally {
      Object.assign(gpu, { summary });
    }
  });
});

test.skipIf(noWebgpu !== undefined)(title('attention on webgpu gives the same bits twice'), async () => {
  await useGpu();
  for (const one of [cases[1], { ...cases[2], Tq: 1 }]) {
    const dy = normal([one.B, one.Tq, one.H * one.D], 9);
    await expectSameBits(() => bothWays(inputsOf(one), dy, one));
  }
});

test.skipIf(noWebgpu !== undefined)(title('attention on matrix units gives the same bits twice'), async ({ skip }) => {
  await onMatrixUnits(skip, async () => {
    const one = cases[1];
    const dy = normal([one.B, one.Tq, one.H * one.D], 9);
    await expectSameBits(() => bothWays(inputsOf(one), dy, one));
  });
});
