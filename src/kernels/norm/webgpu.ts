/**
 * @file RMS and layer norm on the GPU. A workgroup holds a row in registers, so that forward and backward read each
 * number once; how many each invocation holds is part of the text. Backward, a workgroup takes a block of rows and keeps
 * the sums of its columns in registers too: gains and biases cost one short kernel more.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { f32, read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { zeros } from '../elementwise/webgpu.ts';
import type { Attributes } from '../registry.ts';
import { blocksOf, sumColumns } from '../wgsl/columnsums.ts';
import { dotPack, type Packing, packingOf, powerOfTwo, sumPack } from '../wgsl/packing.ts';
import { sumWorkgroup } from '../wgsl/reduce.ts';

interface Layout {
  readonly rows: number;
  readonly C: number;
  readonly packing: Packing;
  /** Packs of a row. */
  readonly columns: number;
  /** Invocations that share a row. */
  readonly size: number;
  /** Packs that each of them holds: number `lane + strip * size` as `[strip]`. */
  readonly strips: number;
  /** A loop over them, for `strip` and `c`. */
  readonly over: (statements: string) => string;
}

function layoutOf({ shape }: TensorInfo): Layout {
  const C = shape[shape.length - 1];
  const packing = packingOf(C);
  const columns = C / packing.width;
  const size = powerOfTwo(columns, 32, 256);
  const strips = Math.ceil(columns / size);
  return {
    rows: tf.util.sizeFromShape(shape.slice(0, -1)),
    ...{ C, packing, columns, size, strips },
    over: statements => `
      for (var strip = 0u; strip < ${strips}u; strip++) {
        let c = lane + strip * ${size}u;
        if (c < u.columns) { ${statements} }
      }`,
  };
}

/** RMS norm, or layer norm where there is a bias. */
export function rowNormWebgpu({ x, gain, bias }: InputInfos, { eps }: Attributes, backend: GpuBackend): TensorInfo[] {
  const { rows, C, packing, columns, size, strips, over } = layoutOf(x);
  const { element } = packing;
  const y = backend.output(x.shape);
  if (rows * C === 0) return [y];
  const square = dotPack(packing, 'held[strip]', 'held[strip]');
  const rms = () => `
      var sum = 0.0;
      ${over(`held[strip] = x[first + c]; sum += ${square};`)}`;
  const centered = () => `
      var sum = 0.0;
      ${over(`held[strip] = x[first + c]; sum += ${sumPack(packing, 'held[strip]')};`)}
      let mean = sum_workgroup(sum, lane) * u.inverse;
      sum = 0.0;
      ${over(`held[strip] -= mean; sum += ${square};`)}`;
  backend.dispatch({
    name: bias === undefined ? 'rmsNorm' : 'layerNorm',
    variant: `${strips}`,
    bindings: [
      read('x', x, element),
      read('gain', gain, element),
      ...(bias === undefined ? [] : [read('bias', bias, element)]),
      write('y', y, element),
    ],
    uniforms: { rows, columns, eps: f32(eps as number), inverse: f32(1 / C) },
    size,
    groups: rows,
    declarations: () => sumWorkgroup(size),
    body: () => `
      let row = min(block, u.rows - 1u); // groups past the end do the last row again: barriers want all of a group
      let first = row * u.columns;
      var held: array<${element}, ${strips}>;
      ${bias === undefined ? rms() : centered()}
      let scale = inverseSqrt(sum_workgroup(sum, lane) * u.inverse + u.eps);
      ${over(`y[first + c] = held[strip] * scale * gain[c] ${bias === undefined ? '' : '+ bias[c]'};`)}`,
  });
  return [y];
}

/**
 * dx = scale (g - mean(g) - xhat mean(g xhat)) with g = dy gain; the RMS norm has no mean. Then the gain's gradient, the
 * sum of dy xhat over all rows, and for the layer norm the bias's, the sum of dy.
 */
export function rowNormGradientWebgpu(
  { x, gain, dy }: InputInfos,
  { eps }: Attributes,
  backend: GpuBackend,
  centered: boolean,
): TensorInfo[] {
  const { rows, C, packing, columns, size, strips, over } = layoutOf(x);
  const { element } = packing;
  const dx = backend.output(x.shape);
  if (rows * C === 0) return [dx, ...(centered ? [gain, gain] : [gain]).map(({ shape }) => zeros(backend, shape))];
  const { blocks, each } = blocksOf(rows);
  const sums = centered ? 2 : 1;
  const partial = backend.output([blocks, sums * C]);
  const g = 'ds[strip] * gains[strip]';
  const load = 'let value = x[first + c]; let d = dy[first + c]; xs[strip] = value; ds[strip] = d;';
  const pair = (a: string, b: string) => `sums += vec2f(${a}, ${b});`;
  const square = dotPack(packing, 'xs[strip]', 'xs[strip]');
  const along = dotPack(packing, g, 'xs[strip]');
  const moments = centered
    ? `
        ${over(`${load} ${pair(sumPack(packing, 'value'), dotPack(packing, 'd', 'gains[strip]'))}`)}
        let means = sum_workgroup(sums, lane) * u.inverse; // of x and g
        sums = vec2f();
        ${over(`xs[strip] -= means.x; ${pair(square, along)}`)}`
    : over(`${load} ${pair(square, along)}`);
  backend.dispatch({
    name: centered ? 'layerNormGradient' : 'rmsNormGradient',
    variant: `${strips}`,
    bindings: [
      read('x', x, element),
      read('gain', gain, element),
      read('dy', dy, element),
      write('dx', dx, element),
      write('partial', partial, element),
    ],
    uniforms: { rows, each, columns, eps: f32(eps as number), inverse: f32(1 / C) },
    size,
    groups: blocks,
    declarations: () => sumWorkgroup(size, 'vec2f'),
    body: () => `
      var gains: array<${element}, ${strips}>;
      var gain_sums: array<${element}, ${strips}>;
      ${centered ? `var bias_sums: array<${element}, ${strips}>;` : ''}
      ${over('gains[strip] = gain[c];')}
      let end = min(u.rows, (block + 1u) * u.each);
      for (var row = block * u.each; row < end; row++) {
        let first = row * u.columns;
        var xs: array<${element}, ${strips}>;
        var ds: array<${element}, ${strips}>;
        var sums = vec2f();
        ${moments}
        let total = sum_workgroup(sums, lane) * u.inverse; // means of (x - mean)^2 and g (x - mean)
        let scale = inverseSqrt(total.x + u.eps);
        let slope = total.y * scale;
        ${over(`
          let normalized = xs[strip] * scale;
          dx[first + c] = (${g} ${centered ? '- means.y' : ''} - normalized * slope) * scale;
          gain_sums[strip] += ds[strip] * normalized;
          ${centered ? 'bias_sums[strip] += ds[strip];' : ''}`)}
      }
      let at = block * ${sums}u * u.columns;
      ${over(`
        partial[at + c] = gain_sums[strip];
        ${centered ? 'partial[at + u.columns + c] = bias_sums[strip];' : ''}`)}`,
  });
  const outputs = [gain, gain].slice(0, sums).map(({ shape }) => backend.output(shape));
  sumColumns(backend, partial, outputs);
  return [dx, ...outputs];
}
