/**
 * @file Categorical distributions over a codebook, given by logits: the Gumbel softmax (Jang et al. 2016,
 * arXiv:1611.01144) and the divergence from the uniform one. At 8192 codes a batch has tens of millions of logits, so
 * noise is made, used and forgotten in one operation. C++: native/categorical.cc.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { philox } from '../../core/random.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import { defineBuiltInKernel, run } from '../registry.ts';
import {
  gumbelSoftmaxGradientWebgpu,
  gumbelSoftmaxWebgpu,
  klToUniformGradientWebgpu,
  klToUniformWebgpu,
} from './webgpu.ts';

const gumbelSoftmaxCall = nativeCall({
  kernel: 'gumbelSoftmax',
  buffers: { logits: reads('N * K'), y: writes('N * K') },
  numbers: { N: 'size', K: 'size', temperature: 'double', seed: 'uint32', stream: 'uint32' },
});

const gumbelSoftmaxGradientCall = nativeCall({
  kernel: 'gumbelSoftmaxGradient',
  buffers: { y: reads('N * K'), dy: reads('N * K'), dx: writes('N * K') },
  numbers: { N: 'size', K: 'size', temperature: 'double' },
});

const klToUniformCall = nativeCall({
  kernel: 'klToUniform',
  buffers: { logits: reads('N * K'), kl: writes('N') },
  numbers: { N: 'size', K: 'size' },
});

const klToUniformGradientCall = nativeCall({
  kernel: 'klToUniformGradient',
  buffers: { logits: reads('N * K'), dy: reads('N'), dx: writes('N * K') },
  numbers: { N: 'size', K: 'size' },
});

export interface GumbelOptions {
  readonly temperature: number;
  /** Key of the noise, integers in [0, 2^32): element i uses word i % 4 of Philox block i / 4. */
  readonly seed: number;
  readonly stream: number;
}

/**
 * A relaxed sample of every row, softmax((logits + g) / temperature) with independent standard Gumbel g.
 * @param logits [N, K]
 * @returns [N, K]
 */
export function gumbelSoftmax(logits: Tensor, options: GumbelOptions): Tensor {
  expectShape('gumbelSoftmax: logits', logits.shape, ['N', 'K']);
  return run('GumbelSoftmax', { logits }, { ...options })[0];
}

/**
 * KL(q || uniform) = sum q ln q + ln K of q = softmax(logits), in nats.
 * @param logits [N, K]
 * @returns [N], each in [0, ln K]
 */
export function klToUniform(logits: Tensor): Tensor {
  expectShape('klToUniform: logits', logits.shape, ['N', 'K']);
  return run('KlToUniform', { logits })[0];
}

/** -ln(-ln u) of u = (word / 2^9 rounded down + 1/2) / 2^23, which float32 holds exactly and never as 0 or 1. */
function gumbels(size: number, seed: number, stream: number): Float32Array {
  const noise = new Float32Array(size);
  const block = new Uint32Array(4);
  for (let i = 0; i < size; i += 4) {
    block.set([(i / 4) >>> 0, Math.floor(i / 4 / 2 ** 32), 0, 0]);
    philox(block, seed, stream);
    for (let j = 0; j < 4 && i + j < size; j++) noise[i + j] = -Math.log(-Math.log(((block[j] >>> 9) + 0.5) / 2 ** 23));
  }
  return noise;
}

defineBuiltInKernel({
  name: 'GumbelSoftmax',
  reference: ({ logits }, { temperature, seed, stream }) => {
    const noise = tf.tensor(gumbels(logits.size, seed as number, stream as number), logits.shape);
    return [tf.softmax(tf.div(tf.add(logits, noise), temperature as number))];
  },
  native: ({ logits }, attributes, backend) => {
    const { temperature, seed, stream } = attributes as Record<string, number>;
    const [N, K] = logits.shape;
    const y = backend.output([N, K]);
    backend.call(gumbelSoftmaxCall, { logits, y }, { N, K, temperature, seed, stream });
    return [y];
  },
  webgpu: gumbelSoftmaxWebgpu,
  gradient: {
    saveInputs: [],
    saveOutputs: [true],
    run: ([dy], { y0 }, { temperature }) => ({
      logits: run('GumbelSoftmaxGradient', { y: y0, dy: dy as Tensor }, { temperature })[0],
    }),
  },
});

defineBuiltInKernel({
  name: 'GumbelSoftmaxGradient',
  reference: ({ y, dy }, { temperature }) => [
    tf.div(tf.mul(y, tf.sub(dy, tf.sum(tf.mul(dy, y), -1, true))), temperature as number),
  ],
  native: ({ y, dy }, { temperature }, backend) => {
    const [N, K] = y.shape;
    const dx = backend.output([N, K]);
    backend.call(gumbelSoftmaxGradientCall, { y, dy, dx }, { N, K, temperature: temperature as number });
    return [dx];
  },
  webgpu: gumbelSoftmaxGradientWebgpu,
});

defineBuiltInKernel({
  name: 'KlToUniform',
  reference: ({ logits }) => {
    const logq = tf.logSoftmax(logits);
    return [tf.add(tf.sum(tf.mul(tf.exp(logq), logq), -1), Math.log(logits.shape[1] as number))];
  },
  native: ({ logits }, _, backend) => {
    const [N, K] = logits.shape;
    const kl = backend.output([N]);
    backend.call(klToUniformCall, { logits, kl }, { N, K });
    return [kl];
  },
  webgpu: (inputs, _, backend) => klToUniformWebgpu(inputs, backend),
  gradient: {
    saveInputs: ['logits'],
    run: ([dy], { logits }) => ({ logits: run('KlToUniformGradient', { logits, dy: dy as Tensor })[0] }),
  },
});

// d KL / d logit_k = q_k (ln q_k - sum q ln q).
defineBuiltInKernel({
  name: 'KlToUniformGradient',
  reference: ({ logits, dy }) => {
    const logq = tf.logSoftmax(logits);
    const q = tf.exp(logq);
    const mean = tf.sum(tf.mul(q, logq), -1, true);
    return [tf.mul(tf.mul(q, tf.sub(logq, mean)), tf.expandDims(dy, 1))];
  },
  native: ({ logits, dy }, _, backend) => {
    const [N, K] = logits.shape;
    const dx = backend.output([N, K]);
    backend.call(klToUniformGradientCall, { logits, dy, dx }, { N, K });
    return [dx];
  },
  webgpu: (inputs, _, backend) => klToUniformGradientWebgpu(inputs, backend),
});
