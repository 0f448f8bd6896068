/** @file The linear layer and its two gradients on the GPU. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../backends/native.ts';
import { read, write } from '../../backends/webgpu/program.ts';
import type { GpuBackend } from '../../backends/webgpu/webgpu.ts';
import type { Activation } from '../pointwise.ts';
import type { Attributes } from '../registry.ts';
import { activate } from './activation.ts';
import { multiply } from './gemm.ts';

export function linearWebgpu(
  inputs: InputInfos,
  attributes: Attributes,
  backend: GpuBackend,
  keepPre: boolean,
): TensorInfo[] {
  const { x, weight, bias, residual } = inputs;
  const [N, K] = weight.shape;
  const M = tf.util.sizeFromShape(x.shape.slice(0, -1));
  const shape = [...x.shape.slice(0, -1), N];
  const outputs = [backend.output(shape), ...(keepPre ? [backend.output(shape)] : [])];
  const [y, pre] = outputs;
  const activation = attributes.activation as Activation;
  multiply(backend, {
    name: 'linear',
    variant: `${activation}`,
    ...{ M, N, K },
    a: { load: 'return x[row * u.K + k];', fast: 'k' },
    b: { load: 'return weight[row * u.K + k];', fast: 'k' },
    bindings: [
      read('x', x),
      read('weight', weight),
      write('y', y),
      ...(pre === undefined ? [] : [write('pre', pre)]),
      ...(bias === undefined ? [] : [read('bias', bias)]),
      ...(residual === undefined ? [] : [read('residual', residual)]),
    ],
    functions: activate(activation),
    store: `
      let at = row * u.N + column;
      let sum = value ${bias === undefined ? '' : '+ bias[column]'};
      ${pre === undefined ? '' : 'pre[at] = sum;'}
      y[at] = activate(sum) ${residual === undefined ? '' : '+ residual[at]'};`,
  });
  return outputs;
}
