/**
 * @file The linear layer and its two gradients on the GPU. Operands and results are read and written by four wherever
 * their rows allow it; the activation's slope is applied while dy is loaded; and the bias gradient is summed from the
 * tiles that the weight gradient stages anyway, so that a backward pass is two dispatches, or three where a weight is so
 * small that its gradient is summed in parts.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { type Binding, read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { activate, slope } from '../activation/webgpu.ts';
import { multiply } from '../gemm/gemm.ts';
import { chooseParts, sumParts } from '../gemm/split-k.ts';
import type { Activation } from '../pointwise.ts';
import type { Attributes } from '../registry.ts';
import { byFour, elementOf, index, together } from '../wgsl/elements.ts';

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
  const [width, storeWidth] = [together(K), together(N)];
  const [operand, result] = [elementOf(width), elementOf(storeWidth)];
  const act = storeWidth === 4 ? 'activate4' : 'activate';
  multiply(backend, {
    name: 'linear',
    variant: `${activation}`,
    ...{ M, N, K, storeWidth },
    a: { load: `return x[${index('row * u.K + k', width)}];`, fast: 'k', width },
    b: { load: `return weight[${index('row * u.K + k', width)}];`, fast: 'k', width },
    bindings: [
      read('x', x, operand),
      read('weight', weight, operand),
      write('y', y, result),
      ...(pre === undefined ? [] : [write('pre', pre, result)]),
      ...(bias === undefined ? [] : [read('bias', bias, result)]),
      ...(residual === undefined ? [] : [read('residual', residual, result)]),
    ],
    functions: `${activate(activation)} ${byFour('activate')}`,
    store: `
      let at = ${index('row * u.N + column', storeWidth)};
      let sum = value ${bias === undefined ? '' : `+ bias[${index('column', storeWidth)}]`};
      ${pre === undefined ? '' : 'pre[at] = sum;'}
      y[at] = ${act}(sum) ${residual === undefined ? '' : '+ residual[at]'};`,
  });
  return outputs;
}

/** The gradient before the activation, at an index of dy: what loads it, and what that needs. */
function gradientOf({ dy, pre }: InputInfos, activation: Activation, width: 1 | 4) {
  const bindings: Binding[] = [read('dy', dy, elementOf(width))];
  if (pre === undefined) return { bindings, functions: '', load: (at: string) => `return dy[${index(at, width)}];` };
  bindings.push(read('pre', pre, elementOf(width)));
  return {
    bindings,
    functions: `${slope(activation)} ${byFour('slope')}`,
    load: (at: string) => `let at = ${index(at, width)}; return dy[at] * ${width === 4 ? 'slope4' : 'slope'}(pre[at]);`,
  };
}

/** dx = (dy act'(pre)) W: sums over the units. */
export function linearInputGradientWebgpu(
  inputs: InputInfos,
  attributes: Attributes,
  backend: GpuBackend,
): TensorInfo[] {
  const { dy, weight } = inputs;
  const [units, columns] = weight.shape;
  const dx = backend.output([...dy.shape.slice(0, -1), columns]);
  const activation = attributes.activation as Activation;
  const [along, across] = [together(units), together(columns)];
  const gradient = gradientOf(inputs, activation, along);
  multiply(backend, {
    name: 'linearInputGradient',
    variant: activation,
    ...{ M: tf.util.sizeFromShape(dy.shape.slice(0, -1)), N: columns, K: units, storeWidth: across },
    a: { load: gradient.load('row * u.K + k'), fast: 'k', width: along },
    b: { load: `return weight[${index('k * u.N + row', across)}];`, fast: 'row', width: across },
    bindings: [...gradient.bindings, read('weight', weight, elementOf(across)), write('dx', dx, elementOf(across))],
    functions: gradient.functions,
    store: `dx[${index('row * u.N + column', across)}] = value;`,
  });
  return [dx];
}

/** dW = (dy act'(pre))^T x and db, its sum: sums over the rows of x, in parts if there are few weights. */
export function linearWeightGradientWebgpu(
  inputs: InputInfos,
  attributes: Attributes,
  backend: GpuBackend,
): TensorInfo[] {
  const { dy, x } = inputs;
  const units = attributes.units as number;
  const columns = x.shape[x.shape.length - 1];
  const rows = tf.util.sizeFromShape(dy.shape.slice(0, -1));
  const activation = attributes.activation as Activation;
  const [dW, db] = [backend.output([units, columns]), backend.output([units])];
  const sizes = { M: units, N: columns, K: rows };
  const parts = chooseParts(sizes);
  // Parts hold the weights' sums, then the biases', and begin where a vector can.
  const stride = Math.ceil((units * columns + units) / 4) * 4;
  const partials = parts === 1 ? undefined : backend.output([parts, stride]);
  const [down, across] = [together(units), together(columns)];
  const gradient = gradientOf(inputs, activation, down);
  const width = partials === undefined ? across : 1;
  multiply(backend, {
    name: 'linearWeightGradient',
    variant: `${activation}${partials === undefined ? '' : ' in parts'}`,
    ...{ ...sizes, parts, storeWidth: width },
    a: { load: gradient.load('k * u.M + row'), fast: 'row', width: down },
    b: { load: `return x[${index('k * u.N + row', across)}];`, fast: 'row', width: across },
    bindings: [
      ...gradient.bindings,
      read('x', x, elementOf(across)),
      ...(partials === undefined
        ? [write('dW', dW, elementOf(width)), write('db', db)]
        : [write('partials', partials, elementOf(width))]),
    ],
    uniforms: { stride },
    functions: gradient.functions,
    store:
      partials === undefined
        ? `dW[${index('row * u.N + column', width)}] = value;`
        : `partials[part * u.stride + row * u.N + column] = value;`,
    storeRowSum: partials === undefined ? 'db[row] = value;' : 'partials[part * u.stride + u.M * u.N + row] = value;',
  });
  if (partials !== undefined) {
    sumParts(backend, partials, [dW, db], { parts, stride });
    backend.disposeData(partials.dataId);
  }
  return [dW, db];
}
