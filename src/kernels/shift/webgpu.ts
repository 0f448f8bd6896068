/** @file Images moved by whole pixels on the GPU. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { read } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { divisors } from '../wgsl/divide.ts';
import { elementOf, mapElements, together } from '../wgsl/elements.ts';

/** @param shifts [2 B], how far each image moves down and right */
export function shiftWebgpu(x: TensorInfo, shifts: readonly number[], backend: GpuBackend): TensorInfo[] {
  const [, H, W, C] = x.shape;
  const y = backend.output([...x.shape]);
  if (x.shape.includes(0)) return [y];
  // Far enough is out of the image, and keeps sums below far from the ends of an i32.
  const bounded = shifts.map((shift, n) => Math.max(-[H, W][n % 2], Math.min(shift, [H, W][n % 2])));
  const by = backend.makeTensorInfo([shifts.length], 'int32', Int32Array.from(bounded));
  const channels = together(C);
  const type = elementOf(channels);
  const { variant, uniforms, functions } = divisors({ channels: C / channels, width: W, height: H });
  mapElements(backend, {
    ...{ name: 'shift', variant, output: y, channels, uniforms },
    bindings: [read('x', x, type), read('by', by)],
    functions: `
      ${functions}
      fn moved(i: u32) -> ${type} {
        let pixel = over_channels(i);
        let line = over_width(pixel);
        let image = over_height(line);
        let row = i32(line - image * u.height) - by[2u * image];
        let column = i32(pixel - line * u.width) - by[2u * image + 1u];
        if (row < 0 || row >= i32(u.height) || column < 0 || column >= i32(u.width)) { return ${type}(0.0); }
        return x[((image * u.height + u32(row)) * u.width + u32(column)) * u.channels + i - pixel * u.channels];
      }`,
    value: 'moved(i)',
  });
  backend.disposeData(by.dataId);
  return [y];
}
