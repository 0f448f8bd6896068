/**
 * @file Fused linear cross-entropy: the loss of a head over the vocabulary, without logits in memory. A few hundred rows
 * at a time become logits, losses and gradients, so the gradients are made in the forward pass, for an upstream gradient
 * of 1, and only scaled in the backward pass (as in Hsu et al. 2024, Liger Kernel, section 3.2, arXiv:2410.10989).
 * C++: native/head_loss.cc.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import { nativeCall, optional, precisionNumber, reads, writes } from '../../device/native/calls.ts';
import type { InputInfos, NativeBackend } from '../../device/native/native.ts';
import '../matmul/matmul.ts';
import { scaleWebgpu } from '../elementwise/webgpu.ts';
import { type Attributes, defineBuiltInKernel, type Inputs, recording, run } from '../registry.ts';
import { headLossWebgpu } from './webgpu.ts';

/**
 * Cross-entropy of the logits hidden weightT, in nats: scale times the sum over the rows that count of
 * logsumexp(logits) - logits[target] + zLoss * logsumexp(logits)^2. The last term keeps logits from drifting (Chowdhery
 * et al. 2022, PaLM, section 5, arXiv:2204.02311).
 * @param hidden [M, C]
 * @param weight [V, C], a row for each id
 * @param targets [M] int32 in [0, V), or -1 for a row to ignore, which costs nothing and has no gradient
 * @param options `scale` for instance 1 / the number of rows that count
 * @returns a scalar. On a tape the gradients [M, C] and [V, C] are kept for the backward pass.
 * @throws ShapeError if the shapes do not fit
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: { readonly scale: number; readonly zLoss?: number },
): Tensor {
  const { scale, zLoss = 0 } = options;
  const bound = expectShape('linearCrossEntropy: hidden', hidden.shape, ['M', 'C']);
  expectShape('linearCrossEntropy: weight', weight.shape, ['V', 'C'], bound);
  expectShape('linearCrossEntropy: targets', targets.shape, ['M'], bound);
  const name = recording() ? 'LinearCrossEntropyGradients' : 'LinearCrossEntropy';
  const [loss, ...gradients] = run(name, { hidden, weight, targets }, { scale, zLoss });
  tf.dispose(gradients);
  return loss;
}

const linearCrossEntropyCall = nativeCall({
  kernel: 'linearCrossEntropy',
  buffers: {
    hidden: reads('M * C'),
    weight: reads('V * C'),
    targets: reads('M', 'int32'), // below V; negative ones do not count
    loss: writes('1'),
    dHidden: optional(writes('M * C')),
    dWeight: optional(writes('V * C')),
  },
  /** `counted` targets are not negative. */
  numbers: {
    M: 'size',
    counted: 'size',
    V: 'size',
    C: 'size',
    zLoss: 'double',
    scale: 'double',
    precision: precisionNumber,
  },
  work: ({ numbers: { counted, V, C }, buffers: { dHidden } }) => ({
    shape: `${counted}x${V}x${C}`,
    flops: (dHidden === null ? 2 : 6) * counted * V * C, // the logits, and their gradients by both factors
  }),
});

/** x *= factor. */
const scaleCall = nativeCall({
  kernel: 'scale',
  buffers: { x: writes('size') },
  numbers: { size: 'size', factor: 'float' },
});

/** 1 for the rows that count, [M]. */
function counted(targets: Tensor): Tensor {
  return tf.cast(tf.greaterEqual(targets, tf.scalar(0, 'int32')), 'float32');
}

/** 1 at each row's target, [M, V]; nothing in a row to ignore. (tf.oneHot refuses V = 1.) */
function oneHot(targets: Tensor, V: number): Tensor {
  return tf.cast(tf.equal(tf.expandDims(targets, 1), tf.range(0, V, 1, 'int32')), 'float32');
}

function lossReference({ hidden, weight, targets }: Inputs, attributes: Attributes) {
  const { scale, zLoss } = attributes as Record<string, number>;
  const logits = tf.matMul(hidden, weight, false, true); // [M, V]
  const logsumexp = tf.logSumExp(logits, 1); // [M]
  const chosen = tf.sum(tf.mul(logits, oneHot(targets, weight.shape[0])), 1);
  const terms = tf.add(tf.sub(logsumexp, chosen), tf.mul(tf.square(logsumexp), zLoss));
  return { logits, logsumexp, loss: tf.mul(tf.sum(tf.mul(terms, counted(targets))), scale) };
}

/** Fills the outputs: the loss, and the two gradients if there is room for them. */
function lossNative(inputs: InputInfos, attributes: Attributes, backend: NativeBackend, outputs: TensorInfo[]) {
  const { hidden, weight, targets } = inputs;
  const { scale, zLoss } = attributes as Record<string, number>;
  const [M, C] = hidden.shape;
  const [V] = weight.shape;
  let count = 0;
  for (const target of backend.values(targets)) {
    if (target >= V) throw new ShapeError(`linearCrossEntropy: expected targets below ${V}, got target ${target}`);
    if (target >= 0) count++;
  }
  const [loss, dHidden, dWeight] = outputs;
  const numbers = { M, counted: count, V, C, zLoss, scale, precision: backend.precision };
  backend.call(linearCrossEntropyCall, { hidden, weight, targets, loss, dHidden, dWeight }, numbers);
  return outputs;
}

defineBuiltInKernel({
  name: 'LinearCrossEntropy',
  reference: (inputs, attributes) => [lossReference(inputs, attributes).loss],
  native: (inputs, attributes, backend) => lossNative(inputs, attributes, backend, [backend.output([])]),
  webgpu: (inputs, attributes, backend) => headLossWebgpu(inputs, attributes, backend, { gradients: false }),
});

defineBuiltInKernel({
  name: 'LinearCrossEntropyGradients',
  reference: (inputs, attributes) => {
    const { hidden, weight, targets } = inputs;
    const { scale, zLoss } = attributes as Record<string, number>;
    const { logits, logsumexp, loss } = lossReference(inputs, attributes);
    const p = tf.exp(tf.sub(logits, tf.expandDims(logsumexp, 1))); // [M, V]
    const slope = tf.expandDims(tf.add(tf.mul(logsumexp, 2 * zLoss), 1), 1);
    const weights = tf.expandDims(tf.mul(counted(targets), scale), 1);
    const dLogits = tf.mul(tf.sub(tf.mul(p, slope), oneHot(targets, weight.shape[0])), weights);
    return [loss, tf.matMul(dLogits, weight), tf.matMul(dLogits, hidden, true)];
  },
  native: (inputs, attributes, backend) => {
    const { hidden, weight } = inputs;
    const outputs = [backend.output([]), backend.output(hidden.shape), backend.output(weight.shape)];
    return lossNative(inputs, attributes, backend, outputs);
  },
  webgpu: (inputs, attributes, backend) => headLossWebgpu(inputs, attributes, backend, { gradients: true }),
  gradient: {
    saveInputs: [],
    saveOutputs: [false, true, true],
    run: ([dy], { y1, y2 }) => {
      const scaled = (gradient: Tensor) => () => run('ScaleSaved', { x: gradient, factor: dy as Tensor })[0];
      return { hidden: scaled(y1), weight: scaled(y2) };
    },
  },
});

// A saved tensor times a scalar, in its own memory where nothing else refers to it.
defineBuiltInKernel({
  name: 'ScaleSaved',
  reference: ({ x, factor }) => [tf.mul(x, factor)],
  native: ({ x, factor }, _, backend) => {
    const [value] = backend.values(factor);
    const mine = value === 1 || backend.refCount(x.dataId) === 1;
    const y = mine ? x : backend.output(x.shape);
    if (mine) backend.incRef(x.dataId);
    else (backend.values(y) as Float32Array).set(backend.values(x));
    if (value !== 1) backend.call(scaleCall, { x: y }, { size: tf.util.sizeFromShape(y.shape), factor: value });
    return [{ dataId: y.dataId, shape: y.shape, dtype: y.dtype }];
  },
  webgpu: ({ x, factor }, _, backend) => scaleWebgpu(x, factor, backend),
});
