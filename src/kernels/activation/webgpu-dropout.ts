/** @file Dropout on the GPU: an invocation draws one block of Philox and uses its four words for four numbers. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { f32, read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { PHILOX } from '../wgsl/philox.ts';

/** Which elements to drop, as in activation.ts. */
type Options = Readonly<Record<'rate' | 'seed' | 'stream', number>>;

/** @param residual added afterwards, or undefined */
export function dropoutWebgpu(
  x: TensorInfo,
  residual: TensorInfo | undefined,
  { rate, seed, stream }: Options,
  backend: GpuBackend,
): TensorInfo[] {
  const y = backend.output(x.shape);
  const size = tf.util.sizeFromShape(x.shape);
  if (size === 0) return [y];
  const whole = size % 4 === 0;
  const element = whole ? 'vec4f' : 'f32';
  const blocks = Math.ceil(size / 4);
  const added = (at: string) => (residual === undefined ? '' : `+ residual[${at}]`);
  backend.dispatch({
    name: residual === undefined ? 'dropout' : 'dropoutAdd',
    bindings: [
      read('x', x, element),
      ...(residual === undefined ? [] : [read('residual', residual, element)]),
      write('y', y, element),
    ],
    uniforms: { size, blocks, seed, stream, threshold: Math.floor(rate * 2 ** 32), scale: f32(1 / (1 - rate)) },
    groups: Math.ceil(blocks / 256),
    declarations: () => PHILOX,
    body: () => `
      let i = block * 256u + lane;
      if (i >= u.blocks) { return; }
      let words = philox(i, vec2u(u.seed, u.stream));
      let factor = select(vec4f(0.0), vec4f(u.scale), words >= vec4u(u.threshold));
      ${
        whole
          ? `y[i] = x[i] * factor ${added('i')};`
          : `
      for (var j = 0u; j < 4u; j++) {
        let at = 4u * i + j;
        if (at < u.size) { y[at] = x[at] * factor[j] ${added('at')}; }
      }`
      };`,
  });
  return [y];
}
