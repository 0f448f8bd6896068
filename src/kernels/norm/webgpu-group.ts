/**
 * @file Group norm on the GPU. Where there are groups enough, a workgroup has one of its own and does everything in one
 * dispatch. Where they are few and large (or of one channel, as in batch norm, so that their rows are hardly coherent in
 * memory), strips of channels and parts of the pixels are summed side by side first, a second kernel brings the parts of a
 * group together, and a third goes over the pixels. Lanes keep their channel, so all that depends on it is found once.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { type Binding, f32, read, type Uniforms, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { activate, slope } from '../activation/webgpu.ts';
import type { Activation } from '../pointwise.ts';
import type { Attributes } from '../registry.ts';
import { LANES, partsOf, type Strips, stripsOf, sumDown } from '../wgsl/column-strips.ts';
import { sumColumns } from '../wgsl/columnsums.ts';

/** Groups that keep a GPU busy with a workgroup each, channels of a group that are worth reading, and a small group. */
const ENOUGH = 128;
const WIDE = 4;
const SMALL = 4096;

interface Layout {
  /** Of the pixels of an image in a workgroup of their own; 0 where groups have a workgroup each. */
  readonly parts: number;
  readonly B: number;
  readonly groups: number;
  /** Lanes over the channels of a group, and over all channels. */
  readonly group: Strips;
  readonly all: Strips;
  readonly uniforms: Readonly<Record<string, number>>;
}

function layoutOf(x: TensorInfo, gain: TensorInfo, groups: number): Layout {
  const [B, H, W, C] = x.shape;
  const [pixels, width] = [H * W, C / groups];
  const group = stripsOf(width, LANES);
  const all = stripsOf(C);
  const whole = group.strips === 1 && ((B * groups >= ENOUGH && width >= WIDE) || pixels * width <= SMALL);
  const parts = whole ? 0 : partsOf(pixels, all, B);
  return {
    ...{ parts, B, groups, group, all },
    uniforms: {
      ...{ pixels, channels: C, groups, width },
      /** Between the gains of two images. */
      own: gain.shape.length === 2 ? C : 0,
      ...(whole ? {} : { parts, part_pixels: Math.ceil(pixels / parts) }),
    },
  };
}

/** Who a lane is in a workgroup of one group (which `block` numbers): a channel, and every so many pixels of it. */
const inGroup = `
  if (block >= u.images * u.groups) { return; }
  let image = block / u.groups;
  let inside = lane & (u.across - 1u);
  let channel = block % u.groups * u.width + inside;
  let down = lane / u.across;
  let end = select(0u, u.pixels, inside < u.width);
  let first = image * u.pixels * u.channels + channel;`;

/** The same in a workgroup of a strip of channels and a part of the pixels. */
const inStrip = `
  let image = group.z;
  let channel = group.x * u.across + (lane & (u.across - 1u));
  let here = channel < u.channels;
  let begin = group.y * u.part_pixels + lane / u.across;
  let end = select(0u, min(u.pixels, (group.y + 1u) * u.part_pixels), here);
  let first = image * u.pixels * u.channels + channel;`;

/** All that depends on image and channel; lanes without a channel read what they do not use. */
const constants = `
  let which = min(channel, u.channels - 1u);
  let of_group = image * u.groups + which / u.width;
  let factor = gain[image * u.own + which];
  let shift = bias[image * u.own + which];`;

const readMoments = `
  let mean = moments[of_group];
  let scale = moments[u.images * u.groups + of_group];`;

const pixelLoop = (from: string, body: string) => `
  for (var p = ${from}; p < end; p += u.rows_at_once) { let at = first + p * u.channels; ${body} }`;

const geometry = ({ across, rowsAtOnce }: Strips) => ({ across, rows_at_once: rowsAtOnce });

export function groupNormWebgpu(
  { x, gain, bias }: InputInfos,
  { groups, eps, activation: name }: Attributes,
  backend: GpuBackend,
): TensorInfo[] {
  const activation = name as Activation;
  const layout = layoutOf(x, gain, groups as number);
  const { B, parts } = layout;
  const [y, moments] = [backend.output([...x.shape]), backend.output([2, B, layout.groups])];
  if (x.shape.includes(0)) return [y, moments];
  const uniforms = { ...layout.uniforms, images: B, eps: f32(eps as number) };
  if (parts > 0) {
    findMoments(backend, [x, moments], layout, uniforms);
    backend.dispatch({
      name: 'groupNormApply',
      variant: activation,
      bindings: [read('x', x), read('gain', gain), read('bias', bias), read('moments', moments), write('y', y)],
      uniforms: { ...uniforms, ...geometry(layout.all) },
      size: LANES,
      groups: [layout.all.strips, parts, B],
      declarations: () => activate(activation),
      body: () => `${inStrip} ${constants} ${readMoments}
        ${pixelLoop('begin', 'y[at] = activate((x[at] - mean) * scale * factor + shift);')}`,
    });
    return [y, moments];
  }
  backend.dispatch({
    name: 'groupNorm',
    variant: activation,
    bindings: [read('x', x), read('gain', gain), read('bias', bias), write('moments', moments), write('y', y)],
    uniforms: { ...uniforms, ...geometry(layout.group) },
    size: LANES,
    groups: B * layout.groups,
    declarations: () => `${activate(activation)} ${sumDown('f32')}`,
    body: () => `${inGroup} ${constants}
      let count = f32(u.pixels * u.width);
      var sum = 0.0;
      ${pixelLoop('down', 'sum += x[at];')}
      let mean = sum_down(sum, lane, 1u) / count;
      var squares = 0.0;
      ${pixelLoop('down', 'let d = x[at] - mean; squares += d * d;')}
      let scale = inverseSqrt(sum_down(squares, lane, 1u) / count + u.eps);
      if (lane == 0u) {
        moments[block] = mean;
        moments[u.images * u.groups + block] = scale;
      }
      ${pixelLoop('down', 'y[at] = activate((x[at] - mean) * scale * factor + shift);')}`,
  });
  return [y, moments];
}

/**
 * Mean and inverse deviation of every group, from sums over parts of the pixels. Deviations are taken from the channel's
 * first pixel, so that a large mean does not swallow the variance.
 */
function findMoments(
  backend: GpuBackend,
  [x, moments]: readonly [TensorInfo, TensorInfo],
  { B, groups, group, all, parts }: Layout,
  uniforms: Uniforms,
): void {
  const sums = backend.output([B, parts, x.shape[3], 2]);
  backend.dispatch({
    name: 'groupNormSums',
    bindings: [read('x', x), write('sums', sums, 'vec2f')],
    uniforms: { ...uniforms, ...geometry(all) },
    size: LANES,
    groups: [all.strips, parts, B],
    declarations: () => sumDown('vec2f'),
    body: () => `${inStrip}
      let origin = x[image * u.pixels * u.channels + min(channel, u.channels - 1u)];
      var sum = vec2f();
      ${pixelLoop('begin', 'let d = x[at] - origin; sum += vec2f(d, d * d);')}
      let total = sum_down(sum, lane, u.across);
      if (lane < u.across && here) { sums[(image * u.parts + group.y) * u.channels + channel] = total; }`,
  });
  const overParts = (body: string) => `
    for (var c = inside; c < u.width; c += u.across) {
      let channel = block % u.groups * u.width + c;
      let origin = x[image * u.pixels * u.channels + channel];
      for (var part = down; part < u.parts; part += u.rows_at_once) {
        let s = sums[(image * u.parts + part) * u.channels + channel];
        ${body}
      }
    }`;
  backend.dispatch({
    name: 'groupNormMoments',
    bindings: [read('x', x), read('sums', sums, 'vec2f'), write('moments', moments)],
    uniforms: { ...uniforms, ...geometry(group) },
    size: LANES,
    groups: B * groups,
    declarations: () => sumDown('f32'),
    body: () => `
      if (block >= u.images * u.groups) { return; }
      let image = block / u.groups;
      let inside = lane & (u.across - 1u);
      let down = lane / u.across;
      let pixels = f32(u.pixels);
      var sum = 0.0;
      ${overParts('sum += s.x / pixels; if (part == 0u) { sum += origin; }')}
      let mean = sum_down(sum, lane, 1u) / f32(u.width);
      var squares = 0.0;
      ${overParts(`
        let shift = origin - mean;
        squares += s.y + 2.0 * shift * s.x;
        if (part == 0u) { squares += pixels * shift * shift; }`)}
      let variance = max(sum_down(squares, lane, 1u) / (pixels * f32(u.width)), 0.0);
      if (lane == 0u) {
        moments[block] = mean;
        moments[u.images * u.groups + block] = inverseSqrt(variance + u.eps);
      }`,
  });
  backend.disposeData(sums.dataId);
}

/** dy before the activation, of one element. */
const incoming = (activation: Activation) => `
  ${slope(activation)}
  fn incoming(dy: f32, xhat: f32, factor: f32, shift: f32) -> f32 {
    return ${activation === 'none' ? 'dy' : 'dy * slope(xhat * factor + shift)'};
  }`;

/** What every pass of the backward does with an element. */
const look = `
  let xhat = (x[at] - mean) * scale;
  let d = incoming(dy[at], xhat, factor, shift);`;

/** dx = scale (g - mean(g) - xhat mean(g xhat)) with g = d * gain; `means` holds the two means over the group. */
const writeDx = `${look} dx[at] = scale * (d * factor - means.x - xhat * means.y);`;

export function groupNormGradWebgpu(inputs: InputInfos, attributes: Attributes, backend: GpuBackend): TensorInfo[] {
  const { x, gain, bias, moments, dy } = inputs;
  const layout = layoutOf(x, gain, attributes.groups as number);
  const activation = attributes.activation as Activation;
  const { B, groups, parts } = layout;
  const [dx, dGain, dBias] = [x, gain, gain].map(({ shape }) => backend.output([...shape]));
  if (x.shape.includes(0)) return [dx, dGain, dBias];
  // Sums by image and channel; where each image has a gain of its own they are the result.
  const byImage = gain.shape.length === 1 && B > 1 ? backend.output([B, 2 * x.shape[3]]) : undefined;
  const given = [read('x', x), read('gain', gain), read('bias', bias), read('moments', moments), read('dy', dy)];
  const uniforms = { ...layout.uniforms, images: B };
  const sums = byImage === undefined ? [write('gains', dGain), write('biases', dBias)] : [write('by_image', byImage)];
  if (parts > 0) {
    const means = groupMeans(backend, inputs, activation, { layout, uniforms, sums });
    backend.dispatch({
      name: 'groupNormGradApply',
      variant: activation,
      bindings: [...given, read('group_means', means, 'vec2f'), write('dx', dx)],
      uniforms: { ...uniforms, ...geometry(layout.all) },
      size: LANES,
      groups: [layout.all.strips, parts, B],
      declarations: () => incoming(activation),
      body: () => `${inStrip} ${constants} ${readMoments}
        let means = group_means[of_group];
        ${pixelLoop('begin', writeDx)}`,
    });
    backend.disposeData(means.dataId);
  } else {
    backend.dispatch({
      name: 'groupNormGrad',
      variant: activation,
      bindings: [...given, write('dx', dx), ...sums],
      uniforms: { ...uniforms, ...geometry(layout.group) },
      size: LANES,
      groups: B * groups,
      declarations: () => `${incoming(activation)} ${sumDown('vec2f')}`,
      body: () => `${inGroup} ${constants} ${readMoments}
        var sum = vec2f();
        ${pixelLoop('down', `${look} sum += vec2f(d, d * xhat);`)}
        let total = sum_down(sum, lane, u.across);
        let mine = lane < u.width; // the first lane of a channel speaks for it
        if (mine) { ${writeSums(sums)} }
        let means = sum_down(select(vec2f(), factor * total, mine), lane, 1u) / f32(u.pixels * u.width);
        ${pixelLoop('down', writeDx)}`,
    });
  }
  if (byImage !== undefined) sumColumns(backend, byImage, [dGain, dBias]);
  return [dx, dGain, dBias];
}

/** Puts away `total`, the sums of d and d xhat over a channel of an image: by themselves, or one row an image. */
function writeSums(sums: readonly Binding[]): string {
  return sums.length === 1
    ? `by_image[2u * image * u.channels + channel] = total.y;
       by_image[(2u * image + 1u) * u.channels + channel] = total.x;`
    : `gains[image * u.channels + channel] = total.y;
       biases[image * u.channels + channel] = total.x;`;
}

/** Fills `sums` and returns the means of g and g xhat over each group, [B, G, 2]. */
function groupMeans(
  backend: GpuBackend,
  { x, gain, bias, moments, dy }: InputInfos,
  activation: Activation,
  { layout, uniforms, sums }: { layout: Layout; uniforms: Uniforms; sums: readonly Binding[] },
): TensorInfo {
  const { B, groups, group, all, parts } = layout;
  const partSums = backend.output([B, parts, x.shape[3], 2]);
  backend.dispatch({
    name: 'groupNormGradSums',
    variant: activation,
    bindings: [
      ...[read('x', x), read('gain', gain), read('bias', bias), read('moments', moments), read('dy', dy)],
      write('part_sums', partSums, 'vec2f'),
    ],
    uniforms: { ...uniforms, ...geometry(all) },
    size: LANES,
    groups: [all.strips, parts, B],
    declarations: () => `${incoming(activation)} ${sumDown('vec2f')}`,
    body: () => `${inStrip} ${constants} ${readMoments}
      var sum = vec2f();
      ${pixelLoop('begin', `${look} sum += vec2f(d, d * xhat);`)}
      let total = sum_down(sum, lane, u.across);
      if (lane < u.across && here) { part_sums[(image * u.parts + group.y) * u.channels + channel] = total; }`,
  });
  const means = backend.output([B, groups, 2]);
  backend.dispatch({
    name: 'groupNormGradMeans',
    bindings: [read('part_sums', partSums, 'vec2f'), read('gain', gain), ...sums, write('means', means, 'vec2f')],
    uniforms: { ...uniforms, ...geometry(group) },
    size: LANES,
    groups: B * groups,
    declarations: () => sumDown('vec2f'),
    body: () => `
      if (block >= u.images * u.groups) { return; }
      let image = block / u.groups;
      let down = lane / u.across;
      var share = vec2f();
      for (var c = 0u; c < u.width; c += u.across) {
        let inside = c + (lane & (u.across - 1u));
        let channel = block % u.groups * u.width + inside;
        var sum = vec2f();
        if (inside < u.width) {
          for (var part = down; part < u.parts; part += u.rows_at_once) {
            sum += part_sums[(image * u.parts + part) * u.channels + channel];
          }
        }
        let total = sum_down(sum, lane, u.across);
        if (down == 0u && inside < u.width) {
          ${writeSums(sums)}
          share += gain[image * u.own + channel] * total;
        }
      }
      let total = sum_down(share, lane, 1u);
      if (lane == 0u) { means[block] = total / f32(u.pixels * u.width); }`,
  });
  backend.disposeData(partSums.dataId);
  return means;
}
