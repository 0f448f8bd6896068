/** @file The pixel losses on the GPU: parts of the images are summed side by side, then the parts, always in one order. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { f32, read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import type { Attributes } from '../registry.ts';
import { divisors } from '../wgsl/divide.ts';
import { mapElements } from '../wgsl/elements.ts';

const LANES = 256;
/** Workgroups of the first pass at most, and elements that a lane adds at least. */
const MOST_GROUPS = 1024;
const FEWEST = 8;

const error = 'fn error(i: u32) -> f32 { return output[i] - images[i]; }';

/** How many terms each mean has, as their inverses. */
function inverses([B, H, W, C]: readonly number[]): Record<'all' | 'across' | 'down', number> {
  return { all: 1 / (B * H * W * C), across: 0.5 / (B * H * (W - 1) * C), down: 0.5 / (B * (H - 1) * W * C) };
}

/** Sums of four values over a workgroup of LANES; `sums` holds what each lane has. */
const sumFour = `
  for (var half = ${LANES / 2}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }`;

const declareSums = `var<workgroup> sums: array<vec4f, ${LANES}>;`;

export function pixelLossesWebgpu({ output, images }: InputInfos, _: Attributes, backend: GpuBackend): TensorInfo[] {
  const [, H, W, C] = output.shape;
  const count = output.shape.reduce((a, b) => a * b, 1);
  const groups = Math.max(1, Math.min(MOST_GROUPS, Math.ceil(count / (LANES * FEWEST))));
  const parts = backend.output([groups, 4]);
  const { variant, uniforms, functions } = divisors({ row: W * C, height: H });
  backend.dispatch({
    name: 'pixelLosses',
    variant,
    bindings: [read('output', output), read('images', images), write('parts', parts, 'vec4f')],
    uniforms: { ...uniforms, channels: C, count, groups },
    size: LANES,
    groups,
    declarations: () => `${functions} ${error} ${declareSums}`,
    body: () => `
      var sum = vec4f(); // l1, l2, across, down
      for (var i = block * ${LANES}u + lane; i < u.count; i += u.groups * ${LANES}u) {
        let line = over_row(i);
        let e = error(i);
        sum += vec4f(abs(e), e * e, 0.0, 0.0);
        if (i - line * u.row >= u.channels) { sum.z += abs(e - error(i - u.channels)); }
        if (line != over_height(line) * u.height) { sum.w += abs(e - error(i - u.row)); }
      }
      sums[lane] = sum;
      ${sumFour}
      if (lane == 0u) { parts[block] = sums[0]; }`,
  });
  const [l1, l2, edges] = [backend.output([]), backend.output([]), backend.output([])];
  const { all, across, down } = inverses(output.shape);
  backend.dispatch({
    name: 'pixelLossesSum',
    bindings: [read('parts', parts, 'vec4f'), write('l1', l1), write('l2', l2), write('edges', edges)],
    uniforms: { groups, all: f32(all), across: f32(across), down: f32(down) },
    size: LANES,
    groups: 1,
    declarations: () => declareSums,
    body: () => `
      var sum = vec4f();
      for (var i = lane; i < u.groups; i += ${LANES}u) { sum += parts[i]; }
      sums[lane] = sum;
      ${sumFour}
      if (lane == 0u) {
        l1[0] = sums[0].x * u.all;
        l2[0] = sums[0].y * u.all;
        edges[0] = sums[0].z * u.across + sums[0].w * u.down;
      }`,
  });
  backend.disposeData(parts.dataId);
  return [l1, l2, edges];
}

export function pixelLossesGradientWebgpu(
  { output, images, dl1, dl2, dedges }: InputInfos,
  _: Attributes,
  backend: GpuBackend,
): TensorInfo[] {
  const [, H, W, C] = output.shape;
  const dOutput = backend.output([...output.shape]);
  const { all, across, down } = inverses(output.shape);
  const { variant, uniforms, functions } = divisors({ row: W * C, height: H });
  mapElements(backend, {
    ...{ name: 'pixelLossesGradient', variant, output: dOutput },
    uniforms: { ...uniforms, channels: C, all: f32(all), across: f32(across), down: f32(down) },
    bindings: [
      ...[read('output', output), read('images', images)],
      ...[read('dl1', dl1), read('dl2', dl2), read('dedges', dedges)],
    ],
    functions: `
      ${functions}
      ${error}
      fn gradient(i: u32) -> f32 {
        let line = over_row(i);
        let along = i - line * u.row;
        let height = line - over_height(line) * u.height;
        let e = error(i);
        var horizontal = 0.0;
        if (along >= u.channels) { horizontal += sign(e - error(i - u.channels)); }
        if (along + u.channels < u.row) { horizontal += sign(e - error(i + u.channels)); }
        var vertical = 0.0;
        if (height > 0u) { vertical += sign(e - error(i - u.row)); }
        if (height + 1u < u.height) { vertical += sign(e - error(i + u.row)); }
        return u.all * (dl1[0] * sign(e) + 2.0 * dl2[0] * e)
          + dedges[0] * (u.across * horizontal + u.down * vertical);
      }`,
    value: 'gradient(i)',
  });
  return [dOutput];
}
