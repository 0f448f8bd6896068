/**
 * @file AdamW on the GPU, in place: one pass over memory, a dispatch a parameter, four neighbouring elements an invocation
 * where the size allows. What the step's plan says (stepplan.ts) is read on the device.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { f32, read, update } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';

const SIZE = 256;

export interface AdamwTensors {
  readonly value: TensorInfo;
  readonly gradient: TensorInfo;
  readonly m: TensorInfo;
  readonly v: TensorInfo;
  readonly ema: TensorInfo | undefined;
  readonly plan: TensorInfo;
}

export interface AdamwNumbers {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

export function adamwWebgpu(tensors: AdamwTensors, numbers: AdamwNumbers, backend: GpuBackend): void {
  const { value, gradient, m, v, ema, plan } = tensors;
  const { lr, beta1, beta2, eps, weightDecay } = numbers;
  const size = tf.util.sizeFromShape(value.shape);
  if (size === 0) return;
  const width = size % 4 === 0 ? 4 : 1;
  const element = width === 4 ? 'vec4f' : 'f32';
  backend.dispatch({
    name: 'adamw',
    bindings: [
      update('value', value, element),
      read('gradient', gradient, element),
      update('m', m, element),
      update('v', v, element),
      ...(ema === undefined ? [] : [update('ema', ema, element)]),
      read('plan', plan),
    ],
    uniforms: {
      count: size / width,
      lr: f32(lr),
      beta1: f32(beta1),
      rest1: f32(1 - beta1),
      beta2: f32(beta2),
      rest2: f32(1 - beta2),
      eps: f32(eps),
      keep: f32(1 - lr * weightDecay),
    },
    size: SIZE,
    groups: Math.ceil(size / width / SIZE),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i >= u.count || plan[0] == 0.0) { return; }
      let g = gradient[i] * plan[1];
      let m_now = m[i] * u.beta1 + g * u.rest1;
      let v_now = v[i] * u.beta2 + g * g * u.rest2;
      m[i] = m_now;
      v[i] = v_now;
      let now = value[i] * u.keep - m_now * (u.lr * plan[2]) / (sqrt(v_now) * plan[3] + u.eps);
      value[i] = now;
      ${ema === undefined ? '' : 'ema[i] = ema[i] * plan[4] + now * (1.0 - plan[4]);'}`,
  });
}
