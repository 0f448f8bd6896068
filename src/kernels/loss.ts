/** @file Softmax cross-entropy over a slice of the vocabulary, without probabilities in memory. */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../errors.ts';
import { defineKernel, run } from './registry.ts';

/**
 * Cross-entropy of each row, logsumexp(logits) - logits[target] + zLoss * logsumexp(logits)^2, in nats. The last term
 * keeps logits from drifting (Chowdhery et al. 2022, PaLM, section 5, arXiv:2204.02311).
 * @param logits [N, V]
 * @param targets [N] int32 in [0, V), or -1 for a row to ignore: its loss and gradient are 0
 * @returns [N]
 * @throws ShapeError if targets is not [N]
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: { readonly zLoss?: number } = {}): Tensor {
  const bound = expectShape('crossEntropy: logits', logits.shape, ['N', 'V']);
  expectShape('crossEntropy: targets', targets.shape, ['N'], bound);
  const [loss, logsumexp] = run('CrossEntropy', { logits, targets }, { zLoss: options.zLoss ?? 0 });
  logsumexp.dispose();
  return loss;
}

/** 1 for the rows that count, [N]. */
function counted(targets: Tensor): Tensor {
  return tf.cast(tf.greaterEqual(targets, tf.scalar(0, 'int32')), 'float32');
}

/** 1 at each row's target, [N, V]; nothing in a row to ignore. (tf.oneHot refuses V = 1.) */
function oneHot(targets: Tensor, V: number): Tensor {
  return tf.cast(tf.equal(tf.expandDims(targets, 1), tf.range(0, V, 1, 'int32')), 'float32');
}

defineKernel({
  name: 'CrossEntropy',
  reference: ({ logits, targets }, { zLoss }) => {
    const [, V] = logits.shape;
    const logsumexp = tf.logSumExp(logits, 1); // [N]
    const chosen = tf.sum(tf.mul(logits, oneHot(targets, V)), 1);
    const loss = tf.add(tf.sub(logsumexp, chosen), tf.mul(tf.square(logsumexp), zLoss as number));
    return [tf.mul(loss, counted(targets)), logsumexp];
  },
  native: ({ logits, targets }, { zLoss }, backend) => {
    const [N, V] = logits.shape;
    for (const target of backend.values(targets)) {
      if (target >= V) throw new ShapeError(`crossEntropy: expected targets below ${V}, got target ${target}`);
    }
    const loss = backend.output([N]);
    const logsumexp = backend.output([N]);
    backend.call('crossEntropy', [logits, targets, loss, logsumexp], [N, V, zLoss as number]);
    return [loss, logsumexp];
  },
  gradient: {
    saveInputs: ['logits', 'targets'],
    saveOutputs: [false, true],
    run: ([dy], { logits, targets, y1 }, { zLoss }) => ({
      logits: run('CrossEntropyGrad', { logits, targets, logsumexp: y1, dy: dy as Tensor }, { zLoss })[0],
    }),
  },
});

defineKernel({
  name: 'CrossEntropyGrad',
  reference: ({ logits, targets, logsumexp, dy }, { zLoss }) => {
    const [, V] = logits.shape;
    const p = tf.exp(tf.sub(logits, tf.expandDims(logsumexp, 1))); // [N, V]
    const slope = tf.add(tf.mul(logsumexp, 2 * (zLoss as number)), 1);
    const scale = tf.expandDims(tf.mul(dy, counted(targets)), 1);
    return [tf.mul(tf.sub(tf.mul(p, tf.expandDims(slope, 1)), oneHot(targets, V)), scale)];
  },
  native: ({ logits, targets, logsumexp, dy }, { zLoss }, backend) => {
    const [N, V] = logits.shape;
    const gradient = backend.output(logits.shape);
    backend.call('crossEntropyGradient', [logits, targets, logsumexp, dy, gradient], [N, V, zLoss as number]);
    return [gradient];
  },
});
