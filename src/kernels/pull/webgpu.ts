/** @file The pull towards given weights on the GPU, in place: a dispatch a parameter, where the step's plan says that it is taken. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { f32, read, update } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';

const SIZE = 256;

export interface Pulled {
  readonly value: TensorInfo;
  readonly anchor: TensorInfo;
  readonly share: number;
  readonly plan: TensorInfo;
}

export function pullWebgpu({ value, anchor, share, plan }: Pulled, backend: GpuBackend): void {
  const size = tf.util.sizeFromShape(value.shape);
  if (size === 0) return;
  const width = size % 4 === 0 ? 4 : 1;
  const element = width === 4 ? 'vec4f' : 'f32';
  backend.dispatch({
    name: 'pull',
    bindings: [update('value', value, element), read('anchor', anchor, element), read('plan', plan)],
    uniforms: { count: size / width, share: f32(share) },
    size: SIZE,
    groups: Math.ceil(size / width / SIZE),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i >= u.count || plan[0] == 0.0) { return; }
      let now = value[i];
      value[i] = now + u.share * (anchor[i] - now);`,
  });
}
