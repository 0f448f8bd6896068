/** @file Smooth doubling of images on the GPU, and its adjoint: all four or sixteen pixels of a result in one pass. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { f32, read } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import type { Attributes } from '../registry.ts';
import { divisors } from '../wgsl/divide.ts';
import { elementOf, mapElements, together } from '../wgsl/elements.ts';

export function smoothDoubleWebgpu({ x }: InputInfos, { scale }: Attributes, backend: GpuBackend): TensorInfo[] {
  const [B, H, W, C] = x.shape;
  const y = backend.output([B, 2 * H, 2 * W, C]);
  const channels = together(C);
  const type = elementOf(channels);
  const { variant, uniforms, functions } = divisors({ channels: C / channels, wide: 2 * W, high: 2 * H });
  mapElements(backend, {
    ...{ name: 'smoothDouble', variant, output: y, channels },
    uniforms: { ...uniforms, height: H, width: W, scale: f32(scale as number) },
    bindings: [read('x', x, type)],
    functions: `
      ${functions}
      /// The old line that the new line r takes a quarter of.
      fn far_line(r: u32, lines: u32) -> u32 {
        return u32(clamp(i32(r / 2u) + select(1, -1, r % 2u == 0u), 0, i32(lines) - 1));
      }
      fn blend(line: u32, near: u32, far: u32) -> ${type} { return 0.75 * x[line + near] + 0.25 * x[line + far]; }
      fn double(i: u32) -> ${type} {
        let pixel = over_channels(i);
        let line = over_wide(pixel);
        let image = over_high(line);
        let row = line - image * u.high;
        let column = pixel - line * u.wide;
        let channel = i - pixel * u.channels;
        let near = column / 2u * u.channels + channel;
        let far = far_line(column, u.width) * u.channels + channel;
        let length = u.width * u.channels;
        let first = image * u.height;
        return u.scale * (0.75 * blend((first + row / 2u) * length, near, far)
          + 0.25 * blend((first + far_line(row, u.height)) * length, near, far));
      }`,
    value: 'double(i)',
  });
  return [y];
}

export function smoothFoldWebgpu({ x }: InputInfos, { scale }: Attributes, backend: GpuBackend): TensorInfo[] {
  const [B, H2, W2, C] = x.shape;
  const y = backend.output([B, H2 / 2, W2 / 2, C]);
  const channels = together(C);
  const type = elementOf(channels);
  const { variant, uniforms, functions } = divisors({ channels: C / channels, width: W2 / 2, height: H2 / 2 });
  mapElements(backend, {
    ...{ name: 'smoothFold', variant, output: y, channels },
    uniforms: { ...uniforms, scale: f32(scale as number) },
    bindings: [read('x', x, type)],
    functions: `
      ${functions}
      /// The new lines that the old line i is a part of: a quarter of the outer two, three quarters of the inner two.
      fn taking(i: u32, lines: u32) -> vec4u {
        return vec4u(max(2u * i, 1u) - 1u, 2u * i, 2u * i + 1u, min(2u * lines - 1u, 2u * i + 2u));
      }
      fn fold_line(line: u32, at: vec4u) -> ${type} {
        return 0.75 * (x[line + at.y] + x[line + at.z]) + 0.25 * (x[line + at.x] + x[line + at.w]);
      }
      fn fold(i: u32) -> ${type} {
        let pixel = over_channels(i);
        let line = over_width(pixel);
        let image = over_height(line);
        let at = taking(pixel - line * u.width, u.width) * u.channels + i - pixel * u.channels;
        let lines = (taking(line - image * u.height, u.height) + 2u * image * u.height) * 2u * u.width * u.channels;
        return u.scale * (0.75 * (fold_line(lines.y, at) + fold_line(lines.z, at))
          + 0.25 * (fold_line(lines.x, at) + fold_line(lines.w, at)));
      }`,
    value: 'fold(i)',
  });
  return [y];
}
