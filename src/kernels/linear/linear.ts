/**
 * @file y = act(x W^T + b) + residual as one operation: the bias, the activation and the residual are applied while the
 * product is still in registers, and the backward pass fuses the activation's derivative and the bias gradient into the
 * packing of the operands. C++: native/gemm_linear.cc.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import {
  type KernelWork,
  type NamedNumbers,
  nativeCall,
  optional,
  precisionNumber,
  reads,
  writes,
} from '../../device/native/calls.ts';
import type { InputInfos, NativeBackend } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import '../matmul/matmul.ts'; // whoever multiplies by weights multiplies matrices too
import { type Activation, activateReference, activationNumber, activationSlopeReference } from '../pointwise.ts';
import { type Attributes, defineBuiltInKernel, type Gradients, type Inputs, recording, run } from '../registry.ts';
import { linearInputGradientWebgpu, linearWebgpu, linearWeightGradientWebgpu } from './webgpu.ts';

/** Of a product of M x K with the transpose of N x K, or of its gradients. */
const productNumbers = {
  M: 'size',
  N: 'size',
  K: 'size',
  activation: activationNumber,
  precision: precisionNumber,
} as const;

function productWork({ numbers: { M, N, K } }: NamedNumbers<typeof productNumbers>): KernelWork {
  return { shape: `${M}x${N}x${K}`, flops: 2 * M * N * K };
}

/** Every number of rows goes the same way, so that a row's result has the same bits beside any others. */
const linearCall = nativeCall({
  kernel: 'linear',
  buffers: {
    x: reads('M * K'),
    weight: reads('N * K'),
    bias: optional(reads('N')),
    residual: optional(reads('M * N')),
    y: writes('M * N'),
    pre: optional(writes('M * N')),
  },
  numbers: productNumbers,
  work: productWork,
});

const linearInputGradientCall = nativeCall({
  kernel: 'linearInputGradient',
  buffers: { dy: reads('M * N'), weight: reads('N * K'), pre: optional(reads('M * N')), dx: writes('M * K') },
  numbers: productNumbers,
  work: productWork,
});

const linearWeightGradientCall = nativeCall({
  kernel: 'linearWeightGradient',
  buffers: {
    dy: reads('M * N'),
    x: reads('M * K'),
    pre: optional(reads('M * N')),
    dWeight: writes('N * K'),
    dBias: optional(writes('N')),
  },
  numbers: productNumbers,
  work: productWork,
});

/** dy times the activation's slope, where there was one. */
export function throughActivation({ dy, pre }: Inputs, activation: Activation): Tensor {
  return pre === undefined ? dy : tf.mul(dy, activationSlopeReference(pre, activation));
}

/** A product of rows (all axes but the last) with a weight [N, K], or a gradient of it, as the C++ kernels are told. */
function problemOf(rows: TensorInfo, weight: TensorInfo, { activation }: Attributes, { precision }: NativeBackend) {
  const [N, K] = weight.shape;
  const M = tf.util.sizeFromShape(rows.shape.slice(0, -1));
  return { M, N, K, activation: activation as Activation, precision };
}

function flatten(x: Tensor): Tensor {
  const columns = x.shape[x.shape.length - 1];
  return tf.reshape(x, [columns === 0 ? 0 : x.size / columns, columns]);
}

function linearReference({ x, weight, bias, residual }: Inputs, { activation }: Attributes): Tensor[] {
  const shape = [...x.shape.slice(0, -1), weight.shape[0]];
  let pre: Tensor = tf.reshape(tf.matMul(flatten(x), weight, false, true), shape);
  if (bias !== undefined) pre = tf.add(pre, bias);
  const y = activateReference(pre, activation as Activation);
  return [residual === undefined ? y : tf.add(y, residual), pre];
}

function linearNative(inputs: InputInfos, attributes: Attributes, backend: NativeBackend, keepPre: boolean) {
  const { x, weight, bias, residual } = inputs;
  const problem = problemOf(x, weight, attributes, backend);
  const shape = [...x.shape.slice(0, -1), problem.N];
  const outputs = [backend.output(shape), ...(keepPre ? [backend.output(shape)] : [])];
  const [y, pre] = outputs;
  backend.call(linearCall, { x, weight, bias, residual, y, pre }, problem);
  return outputs;
}

/** A product with a weight whose activation is fused into it. */
interface FusedProduct {
  /** Plain tfjs operations; returns y and the pre-activation. */
  readonly reference: (inputs: Inputs, attributes: Attributes) => Tensor[];
  /** The C++ kernel; returns y, and the pre-activation if that is to be kept. */
  readonly native: (
    inputs: InputInfos,
    attributes: Attributes,
    backend: NativeBackend,
    keepPre: boolean,
  ) => TensorInfo[];
  /** The WGSL kernel, likewise. */
  readonly webgpu?: (inputs: InputInfos, attributes: Attributes, backend: GpuBackend, keepPre: boolean) => TensorInfo[];
  /** `saved.y1` is the pre-activation, absent where there is no activation. */
  readonly gradient: (dy: Tensor, saved: Inputs, attributes: Attributes) => Gradients;
}

/**
 * Defines a product twice: as `name`, with y alone, and as `nameActivation` for an activation on a tape, where the
 * pre-activation is a second output that is saved for the backward pass.
 */
export function defineProduct(name: string, { reference, native, webgpu, gradient }: FusedProduct): void {
  for (const keepPre of [false, true]) {
    defineBuiltInKernel({
      name: keepPre ? `${name}Activation` : name,
      reference: (inputs, attributes) => reference(inputs, attributes).slice(0, keepPre ? 2 : 1),
      native: (inputs, attributes, backend) => native(inputs, attributes, backend, keepPre),
      webgpu: webgpu && ((inputs, attributes, backend) => webgpu(inputs, attributes, backend, keepPre)),
      gradient: {
        saveInputs: ['x', 'weight'],
        saveOutputs: [false, keepPre],
        run: ([dy], saved, attributes) => {
          if (dy === null) throw new Error(`${name}: no gradient for its only output`);
          return gradient(dy, saved, attributes);
        },
      },
    });
  }
}

/**
 * What is made the first time it is asked for, and again should it have been disposed since, as tfjs's own backward loop
 * does after each input. A gradient by the input alone need not pay for the weights'.
 */
export function once(make: () => Tensor[]): () => Tensor[] {
  let made: Tensor[] | undefined;
  return () => {
    if (made === undefined || made.some(tensor => tensor.isDisposed)) made = make();
    return made;
  };
}

defineProduct('Linear', {
  reference: linearReference,
  native: linearNative,
  webgpu: linearWebgpu,
  gradient: (dy, { x, weight, y1: pre }, attributes) => {
    const both = once(() => run('LinearWeightGradient', { dy, x, pre }, { ...attributes, units: weight.shape[0] }));
    const dx = () => run('LinearInputGradient', { dy, weight, pre }, attributes)[0];
    return { x: dx, weight: () => both()[0], bias: () => both()[1], residual: dy };
  },
});

defineBuiltInKernel({
  name: 'LinearInputGradient',
  reference: (inputs, { activation }) => {
    const { weight } = inputs;
    const g = throughActivation(inputs, activation as Activation);
    return [tf.reshape(tf.matMul(flatten(g), weight), [...g.shape.slice(0, -1), weight.shape[1] as number])];
  },
  native: ({ dy, weight, pre }, attributes, backend) => {
    const problem = problemOf(dy, weight, attributes, backend);
    const dx = backend.output([...dy.shape.slice(0, -1), problem.K]);
    backend.call(linearInputGradientCall, { dy, weight, pre, dx }, problem);
    return [dx];
  },
  webgpu: linearInputGradientWebgpu,
});

defineBuiltInKernel({
  name: 'LinearWeightGradient',
  reference: (inputs, { activation }) => {
    const g = flatten(throughActivation(inputs, activation as Activation));
    return [tf.matMul(g, flatten(inputs.x), true), tf.sum(g, 0)];
  },
  native: ({ dy, x, pre }, attributes, backend) => {
    const N = attributes.units as number;
    const K = x.shape[x.shape.length - 1];
    const M = tf.util.sizeFromShape(dy.shape.slice(0, -1));
    const dW = backend.output([N, K]);
    const db = backend.output([N]);
    const { precision } = backend;
    const problem = { M, N, K, activation: attributes.activation as Activation, precision };
    backend.call(linearWeightGradientCall, { dy, x, pre, dWeight: dW, dBias: db }, problem);
    return [dW, db];
  },
  webgpu: linearWeightGradientWebgpu,
});

/**
 * A linear layer, act(x W^T + bias) + residual.
 * @param x [..., K] float32. On native, up to 16 rows of [rows, K] or [B, T, K] are summed in another order than more are:
 *   whoever wants the same bits for any number of them takes the same number always, or gives x more axes
 * @param weight [N, K], a row for each output as in PyTorch
 * @param options `bias` [N]; `activation`, gelu in its tanh form; `residual` [..., N], added after the activation
 * @returns [..., N], owned by the caller
 * @throws ShapeError if the shapes do not fit
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  options: { readonly bias?: Tensor; readonly activation?: Activation; readonly residual?: Tensor } = {},
): Tensor {
  const { bias, activation = 'none', residual } = options;
  const bound = expectShape('linear: weight', weight.shape, ['N', 'K']);
  if (x.shape.length === 0 || x.shape[x.shape.length - 1] !== bound.K) {
    throw new ShapeError(`linear: x: expected [..., ${bound.K}], got [${x.shape.join(', ')}]`);
  }
  if (bias !== undefined) expectShape('linear: bias', bias.shape, ['N'], bound);
  if (residual !== undefined) expectShape('linear: residual', residual.shape, [...x.shape.slice(0, -1), bound.N]);
  const name = activation !== 'none' && recording() ? 'LinearActivation' : 'Linear';
  const [y, pre] = run(name, { x, weight, bias, residual }, { activation });
  pre?.dispose();
  return y;
}
