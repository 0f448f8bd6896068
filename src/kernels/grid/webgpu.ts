/** @file The changes of an image's grid on the GPU: doubling by repetition, cutting into patches, putting together. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { read } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import type { Attributes } from '../registry.ts';
import { divisors } from '../wgsl/divide.ts';
import { elementOf, mapElements, together } from '../wgsl/elements.ts';

export function upsample2xWebgpu({ x }: InputInfos, _: Attributes, backend: GpuBackend): TensorInfo[] {
  const [B, H, W, C] = x.shape;
  const y = backend.output([B, 2 * H, 2 * W, C]);
  const channels = together(C);
  const { variant, uniforms, functions } = divisors({ channels: C / channels, wide: 2 * W });
  mapElements(backend, {
    ...{ name: 'upsample2x', variant, output: y, channels, uniforms: { ...uniforms, width: W } },
    bindings: [read('x', x, elementOf(channels))],
    functions: `
      ${functions}
      fn source(i: u32) -> u32 {
        let pixel = over_channels(i);
        let line = over_wide(pixel); // of all images: two to each old one
        return (line / 2u * u.width + (pixel - line * u.wide) / 2u) * u.channels + i - pixel * u.channels;
      }`,
    value: 'x[source(i)]',
  });
  return [y];
}

export function upsample2xGradientWebgpu({ dy }: InputInfos, _: Attributes, backend: GpuBackend): TensorInfo[] {
  const [B, H2, W2, C] = dy.shape;
  const dx = backend.output([B, H2 / 2, W2 / 2, C]);
  const channels = together(C);
  const type = elementOf(channels);
  const { variant, uniforms, functions } = divisors({ channels: C / channels, width: W2 / 2 });
  mapElements(backend, {
    ...{ name: 'upsample2xGradient', variant, output: dx, channels, uniforms },
    bindings: [read('dy', dy, type)],
    functions: `
      ${functions}
      fn four(i: u32) -> ${type} {
        let pixel = over_channels(i);
        let line = over_width(pixel);
        let row = 2u * u.width * u.channels;
        let at = 2u * line * row + 2u * (pixel - line * u.width) * u.channels + i - pixel * u.channels;
        return (dy[at] + dy[at + u.channels]) + (dy[at + row] + dy[at + row + u.channels]);
      }`,
    value: 'four(i)',
  });
  return [dx];
}

/** [lines, first, second, run] as [lines, second, first, run]. */
function swapMiddle(
  backend: GpuBackend,
  [x, y]: readonly [TensorInfo, TensorInfo],
  sizes: { readonly first: number; readonly second: number; readonly run: number },
): void {
  const channels = together(sizes.run);
  const { variant, uniforms, functions } = divisors({ ...sizes, run: sizes.run / channels });
  mapElements(backend, {
    ...{ name: 'patchify', variant, output: y, channels, uniforms },
    bindings: [read('x', x, elementOf(channels))],
    functions: `
      ${functions}
      fn source(i: u32) -> u32 {
        let left = over_run(i); // all indices but the last: (line, second, first)
        let pair = over_first(left);
        let line = over_second(pair);
        let first = left - pair * u.first;
        let second = pair - line * u.second;
        return ((line * u.first + first) * u.second + second) * u.run + i - left * u.run;
      }`,
    value: 'x[source(i)]',
  });
}

export function patchifyWebgpu({ x }: InputInfos, { p }: Attributes, backend: GpuBackend): TensorInfo[] {
  const [B, H, W, C] = x.shape;
  const side = p as number;
  const y = backend.output([B, H / side, W / side, side * side * C]);
  swapMiddle(backend, [x, y], { first: side, second: W / side, run: side * C });
  return [y];
}

export function unpatchifyWebgpu({ x }: InputInfos, { p }: Attributes, backend: GpuBackend): TensorInfo[] {
  const [B, h, w, D] = x.shape;
  const side = p as number;
  const y = backend.output([B, h * side, w * side, D / side / side]);
  swapMiddle(backend, [x, y], { first: w, second: side, run: D / side });
  return [y];
}
