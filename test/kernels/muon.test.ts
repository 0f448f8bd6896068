/** @file Muon's step: orthogonal by the singular values of the result, and the same on every backend. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { muonStep, orthogonalize } from '../../src/kernels/muon/muon.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';
import '../../src/kernels/registry.ts';

const shapes = [
  [1, 5],
  [7, 7],
  [33, 17],
  [16, 65],
  [6, 3, 3, 4],
];

/** Largest and smallest eigenvalue of a small symmetric matrix, by Jacobi rotations. */
function eigenvalues(a: number[][]): number[] {
  const n = a.length;
  for (let sweep = 0; sweep < 60; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p][q]) < 1e-12) continue;
        const angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < n; k++) [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
        for (let k = 0; k < n; k++) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
      }
    }
  }
  return a.map((row, i) => row[i]);
}

onEveryBackend('orthogonalize brings every singular value near one', async () => {
  for (const [rows, columns] of shapes.filter(shape => shape.length === 2)) {
    const x = normal([rows, columns], rows);
    const gram = tf.tidy(() => {
      const y = orthogonalize(x) as tf.Tensor2D;
      return rows <= columns ? tf.matMul(y, y, false, true) : tf.matMul(y, y, true, false);
    });
    const values = eigenvalues((await gram.array()) as number[][]).map(Math.sqrt);
    expect(Math.min(...values)).toBeGreaterThan(0.5);
    expect(Math.max(...values)).toBeLessThan(1.3);
    tf.dispose([x, gram]);
  }
});

/** Some alike, to be multiplied side by side, and one of several tiles and blocks of a GPU. */
const stepped = [...shapes, [33, 17], [70, 66], [7, 7]];

/** Three steps from fixed values; returns weights, momenta and averages. */
async function run(): Promise<number[]> {
  const variable = (initial: tf.Tensor) => {
    const result = tf.variable(initial);
    initial.dispose();
    return result;
  };
  const make = (seed: number) => stepped.map((shape, i) => variable(normal(shape, seed + i)));
  const [values, averages] = [make(1), make(1)];
  const momenta = stepped.map(shape => variable(tf.zeros(shape)));
  for (let step = 0; step < 3; step++) {
    const slots = values.map((value, i) => ({
      value,
      gradient: normal(stepped[i], 100 + 20 * step + i),
      momentum: momenta[i],
      ema: averages[i],
      weightDecay: 0.1,
    }));
    muonStep(slots, { lr: 0.02, beta: 0.95, clipScale: 0.5, emaDecay: 0.9 });
    for (const { gradient } of slots) gradient.dispose();
  }
  const results = await Promise.all([...values, ...momenta, ...averages].map(async t => [...(await t.data())]));
  tf.dispose([...values, ...momenta, ...averages]);
  return results.flat();
}

onEveryBackend('a step is the same on every backend, and leaves no tensors', async backend => {
  await tf.setBackend('cpu');
  const expected = await run();
  await tf.setBackend(backend);
  const before = tf.memory().numTensors;
  expectAllclose(await run(), expected, { relative: 1e-4, absolute: 1e-4 });
  expect(tf.memory().numTensors).toBe(before);
});

test('native steps are bit for bit repeatable, and near fp32 in bf16', async () => {
  const backend = await useNative();
  const fp32 = await run();
  expect(await run()).toEqual(fp32);
  if (!backend.supportsBf16) return;
  backend.precision = 'bf16';
  expectAllclose(await run(), fp32, { relative: 0, absolute: 0.02 });
});
