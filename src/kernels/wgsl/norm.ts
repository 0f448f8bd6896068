/** @file RMS and layer norm on the GPU: a workgroup a row. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../backends/native.ts';
import { f32, read, write } from '../../backends/webgpu/program.ts';
import type { GpuBackend } from '../../backends/webgpu/webgpu.ts';
import type { Attributes } from '../registry.ts';
import { sumWorkgroup } from './reduce.ts';

const SIZE = 64;

/** Rows and columns of x seen as a matrix. */
function matrix({ shape }: TensorInfo): { rows: number; C: number } {
  return { rows: tf.util.sizeFromShape(shape.slice(0, -1)), C: shape[shape.length - 1] };
}

export function rmsNormWebgpu({ x, gain }: InputInfos, { eps }: Attributes, backend: GpuBackend): TensorInfo[] {
  const { rows, C } = matrix(x);
  const y = backend.output(x.shape);
  if (rows === 0) return [y];
  backend.dispatch({
    name: 'rmsNorm',
    bindings: [read('x', x), read('gain', gain), write('y', y)],
    uniforms: { rows, C, eps: f32(eps as number) },
    size: SIZE,
    groups: rows,
    declarations: () => sumWorkgroup(SIZE),
    body: () => `
      let row = min(block, u.rows - 1u); // groups past the end do the last row again: barriers want all of a group
      let first = row * u.C;
      var squares = 0.0;
      for (var c = lane; c < u.C; c += ${SIZE}u) { squares += x[first + c] * x[first + c]; }
      let scale = inverseSqrt(sum_workgroup(squares, lane) / f32(u.C) + u.eps);
      for (var c = lane; c < u.C; c += ${SIZE}u) { y[first + c] = x[first + c] * scale * gain[c]; }`,
  });
  return [y];
}
