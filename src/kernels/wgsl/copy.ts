/** @file A copy of a tensor on the GPU, bit for bit. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';

const SIZE = 256;

/** A copy with data of its own. */
export function copyWebgpu(x: TensorInfo, backend: GpuBackend): TensorInfo {
  const y = backend.output(x.shape, x.dtype === 'float32' ? 'float32' : 'int32');
  const count = tf.util.sizeFromShape(x.shape);
  if (count === 0) return y;
  backend.dispatch({
    name: 'copy',
    // As bits: nothing of a number may change on the way.
    bindings: [read('x', x, 'u32'), write('y', y, 'u32')],
    uniforms: { count },
    size: SIZE,
    groups: Math.ceil(count / SIZE),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i < u.count) { y[i] = x[i]; }`,
  });
  return y;
}
