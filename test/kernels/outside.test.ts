/**
 * @file A fused operation defined from outside, in one file: a reference, a gradient and WGSL, with C++ left out. It runs on
 * every backend, its gradients are those of finite differences, and it can be taken out again.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineKernel, type GpuBackend, mapElements, read, removeKernel, run } from 'tesserae/kernels';
import { afterAll, expect, test } from 'vitest';
import { normal, onEveryBackend } from '../support.ts';
import { expectGradients, expectNoLeak } from './gradients.ts';

/** y = x / (1 + |x|), element by element. */
function softsign(x: Tensor): Tensor {
  return run('Softsign', { x })[0];
}

/** Where its WGSL has run. */
let gpu: GpuBackend | undefined;

defineKernel({
  name: 'Softsign',
  reference: ({ x }) => [tf.div(x, tf.add(tf.abs(x), 1))],
  webgpu: ({ x }, _, backend) => {
    gpu = backend;
    const y = backend.output(x.shape);
    mapElements(backend, { name: 'softsign', output: y, bindings: [read('x', x)], value: 'x[i] / (1.0 + abs(x[i]))' });
    return [y];
  },
  gradient: {
    saveInputs: ['x'],
    run: ([dy], { x }) => ({ x: () => run('SoftsignGradient', { x, dy: dy as Tensor })[0] }), // of its only output
  },
});

defineKernel({
  name: 'SoftsignGradient',
  reference: ({ x, dy }) => [tf.div(dy, tf.square(tf.add(tf.abs(x), 1)))],
  webgpu: ({ x, dy }, _, backend) => {
    const dx = backend.output(x.shape);
    const value = 'dy[i] / ((1.0 + abs(x[i])) * (1.0 + abs(x[i])))';
    mapElements(backend, { name: 'softsignGradient', output: dx, bindings: [read('x', x), read('dy', dy)], value });
    return [dx];
  },
});

/** What is defined. */
const left = new Set(['Softsign', 'SoftsignGradient']);

afterAll(() => {
  for (const name of left) removeKernel(name);
});

onEveryBackend('an operation from outside and its gradient', async backend => {
  await expectGradients({
    backend,
    fused: softsign,
    plain: x => tf.div(x, tf.add(tf.abs(x), 1)),
    inputs: [normal([3, 5], 1)],
  });
  const x = normal([2, 4], 2);
  const sent = gpu?.dispatches ?? 0;
  await expectNoLeak(() => tf.dispose(softsign(x)));
  if (backend === 'webgpu') expect((gpu?.dispatches ?? 0) - sent).toBe(1); // its own kernel, not the reference
  x.dispose();
});

test('is gone once it is taken out, and its name is free', async () => {
  for (const name of left) removeKernel(name);
  left.clear();
  const x = tf.tensor1d([1]);
  expect(() => softsign(x)).toThrow('kernel Softsign is not defined');
  expect(() => removeKernel('Softsign')).toThrow(
    'removeKernel: expected a name that defineKernel was given, got Softsign, which is not defined',
  );
  await import('../../src/kernels/norm/norm.ts');
  expect(() => removeKernel('RmsNorm')).toThrow('which is built in');
  for (const backend of tf.engine().backendNames()) expect(tf.getKernel('Softsign', backend)).toBeUndefined();
  expect(tf.getGradient('Softsign')).toBeUndefined();
  defineKernel({ name: 'Softsign', reference: ({ x }) => [tf.tanh(x)] });
  left.add('Softsign');
  expect([...softsign(x).dataSync()]).toEqual([Math.fround(Math.tanh(1))]);
  x.dispose();
});
