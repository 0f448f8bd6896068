/**
 * @file Convolutions on the GPU as matrix products (gemm.ts) that find the pixels of their patches while they stage them,
 * so that no matrix of patches is ever in memory. Channels are the fast index everywhere: neighbouring lanes read
 * neighbouring addresses. What a strided input gradient needs is split by the parity of the pixel, of which only some taps
 * reach it; a weight gradient has few results and sums over all pixels, so parts of the pixels are summed side by side.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../backends/native.ts';
import { read, write } from '../../backends/webgpu/program.ts';
import type { GpuBackend } from '../../backends/webgpu/webgpu.ts';
import type { Activation } from '../pointwise.ts';
import { activate, slope } from './activation.ts';
import { type Divisors, divisors, smallDivisor } from './divide.ts';
import { fillZeros, mapElements } from './elements.ts';
import { multiply } from './gemm.ts';
import { ENOUGH_GROUPS, partialColumnSums, sumParts } from './partsums.ts';

type Image = readonly [batch: number, height: number, width: number, channels: number];

/** What a convolution is, besides its tensors. */
export interface Convolution {
  readonly x: Image;
  readonly y: Image;
  readonly weight: readonly [outputs: number, kernelHeight: number, kernelWidth: number, channels: number];
  readonly stride: number;
  readonly activation: Activation;
}

/** The same in the words of its product: rows are output pixels. */
function sizesOf({ y, weight }: Convolution): { rows: number; outputs: number; patch: number; taps: number } {
  const [outputs, kernelHeight, kernelWidth, channels] = weight;
  const taps = kernelHeight * kernelWidth;
  return { rows: y[0] * y[1] * y[2], outputs, taps, patch: taps * channels };
}

const isEmpty = (shape: readonly number[]) => shape.includes(0);

/** Pixels before the image that a kernel of that size reaches. */
const before = (kernel: number) => Math.floor((kernel - 1) / 2);

function combine(parts: readonly Divisors[], more: Readonly<Record<string, number>>): Divisors {
  return {
    variant: parts.map(({ variant }) => variant).join(),
    uniforms: Object.assign({ ...more }, ...parts.map(({ uniforms }) => uniforms)),
    functions: parts.map(({ functions }) => functions).join('\n'),
  };
}

/** What finding an output pixel takes: its number is (image * grid_height + line) * grid_width + column. */
const gridOf = ({ y }: Convolution) => divisors({ grid_height: y[1], grid_width: y[2] });

/** Declares `fn patch_at(pixel: u32, at: u32) -> f32`: what an output pixel sees at number `at` of its patch. */
function patches(convolution: Convolution): Divisors {
  const { x, weight, stride } = convolution;
  const [, kernelHeight, kernelWidth, channels] = weight;
  if (kernelHeight * kernelWidth * stride === 1) {
    const functions = 'fn patch_at(pixel: u32, at: u32) -> f32 { return pixels[pixel * u.channels + at]; }';
    return { variant: 'pointwise', uniforms: { channels }, functions };
  }
  const numbers = { height: x[1], width: x[2], top: before(kernelHeight), left: before(kernelWidth), stride };
  const parts = [gridOf(convolution), divisors({ channels }), smallDivisor('kernel_width', kernelWidth)];
  const { functions, ...sizes } = combine(parts, numbers);
  return {
    ...sizes,
    functions: `
      ${functions}
      fn patch_at(pixel: u32, at: u32) -> f32 {
        let line = over_grid_width(pixel);
        let image = over_grid_height(line);
        let tap = over_channels(at);
        let tap_line = over_kernel_width(tap);
        // Above and left of the image the numbers wrap around, to far beyond it.
        let y = (line - image * u.grid_height) * u.stride + tap_line - u.top;
        let x = (pixel - line * u.grid_width) * u.stride + tap - tap_line * u.kernel_width - u.left;
        if (y >= u.height || x >= u.width) { return 0.0; }
        return pixels[((image * u.height + y) * u.width + x) * u.channels + at - tap * u.channels];
      }`,
  };
}

/** Forward. @param keepPre whether the pre-activation is a second output */
export function convWebgpu(
  { x, weight, bias, residual }: InputInfos,
  convolution: Convolution,
  backend: GpuBackend,
  keepPre: boolean,
): TensorInfo[] {
  const { activation, y: shape } = convolution;
  const { rows, outputs, patch } = sizesOf(convolution);
  const made = [backend.output([...shape]), ...(keepPre ? [backend.output([...shape])] : [])];
  if (isEmpty(shape)) return made;
  const [y, pre] = made;
  const { variant, uniforms, functions } = patches(convolution);
  multiply(backend, {
    name: 'conv2d',
    variant: `${activation}/${variant}`,
    ...{ M: rows, N: outputs, K: patch },
    a: { load: 'return patch_at(row, k);', fast: 'k' },
    b: { load: 'return weight[row * u.K + k];', fast: 'k' },
    bindings: [
      read('pixels', x),
      read('weight', weight),
      write('y', y),
      ...(pre === undefined ? [] : [write('pre', pre)]),
      ...(bias === undefined ? [] : [read('bias', bias)]),
      ...(residual === undefined ? [] : [read('residual', residual)]),
    ],
    uniforms,
    functions: `${functions} ${activate(activation)}`,
    store: `
      let at = row * u.N + column;
      let sum = value ${bias === undefined ? '' : '+ bias[column]'};
      ${pre === undefined ? '' : 'pre[at] = sum;'}
      y[at] = activate(sum) ${residual === undefined ? '' : '+ residual[at]'};`,
  });
  return made;
}

/** dy through the activation, where there was one; the caller's to dispose if it is not dy itself. */
function beforeActivation({ dy, pre }: InputInfos, activation: Activation, backend: GpuBackend): TensorInfo {
  if (pre === undefined) return dy;
  const g = backend.output(dy.shape);
  mapElements(backend, {
    name: 'activationGradient',
    variant: activation,
    output: g,
    bindings: [read('dy', dy), read('pre', pre)],
    functions: slope(activation),
    value: 'dy[i] * slope(pre[i])',
  });
  return g;
}

/**
 * The gradient by x. With stride 2 a pixel is reached by every other tap along each axis, by which ones its parity says:
 * the four parities are products side by side, over as many taps as the most that one of them has.
 */
export function convInputGradientWebgpu(
  inputs: InputInfos,
  convolution: Convolution,
  backend: GpuBackend,
): TensorInfo[] {
  const { x, y, weight: sizes, stride, activation } = convolution;
  const dx = backend.output([...x]);
  if (isEmpty(x)) return [dx];
  if (isEmpty(y)) return [fillZeros(backend, dx)];
  const [outputs, kernelHeight, kernelWidth, channels] = sizes;
  // Taps that reach a pixel along each axis, at most.
  const [down, across] = [kernelHeight, kernelWidth].map(side => Math.ceil(side / stride));
  // An activation's slope is worth a pass of its own where each element would be looked at once a tap.
  const g = sizesOf(convolution).taps === 1 ? undefined : beforeActivation(inputs, activation, backend);
  const { dy, weight, pre } = inputs;
  const fused = g === undefined && pre !== undefined;
  const { variant, uniforms, functions } = combine(
    [gridOf(convolution), divisors({ outputs }), smallDivisor('across', across)],
    {
      ...{ height: x[1], width: x[2], kernel_height: kernelHeight, kernel_width: kernelWidth },
      ...{ top: before(kernelHeight), left: before(kernelWidth), stride, halve: stride - 1 },
    },
  );
  multiply(backend, {
    name: 'conv2dInputGradient',
    variant: `${variant}/${fused ? activation : ''}`,
    ...{ M: y[0] * y[1] * y[2], N: channels, K: down * across * outputs },
    batch: stride * stride,
    // Rows are pixels of one parity; there are as many, give or take one a line, as output pixels.
    a: {
      load: `
        let line = over_grid_width(row);
        let image = over_grid_height(line);
        let t = over_outputs(k);
        let t_line = over_across(t);
        let parity = parity_of(batch);
        let tap = tap_of(t, batch);
        let i = line - image * u.grid_height + ((parity.x + u.top) >> u.halve) - t_line;
        let j = row - line * u.grid_width + ((parity.y + u.left) >> u.halve) + t_line * u.across - t;
        if (any(vec4u(i, j, tap) >= vec4u(u.grid_height, u.grid_width, u.kernel_height, u.kernel_width))) { return 0.0; }
        let at = ((image * u.grid_height + i) * u.grid_width + j) * u.outputs + k - t * u.outputs;
        return dy[at] ${fused ? '* slope(pre[at])' : ''};`,
      fast: 'k',
    },
    b: {
      load: `
        let t = over_outputs(k);
        let tap = tap_of(t, batch);
        if (tap.x >= u.kernel_height || tap.y >= u.kernel_width) { return 0.0; }
        let output = k - t * u.outputs;
        return weight[((output * u.kernel_height + tap.x) * u.kernel_width + tap.y) * u.N + row];`,
      fast: 'row',
    },
    bindings: [read('dy', g ?? dy), read('weight', weight), write('dx', dx), ...(fused ? [read('pre', pre)] : [])],
    uniforms,
    functions: `
      ${functions}
      ${fused ? slope(activation) : ''}
      /// Whether a pixel's line and column are odd, where that matters.
      fn parity_of(batch: u32) -> vec2u { return vec2u(batch >> u.halve, batch & u.halve); }
      /// Line and column in the kernel of the t-th tap that reaches pixels of a parity.
      fn tap_of(t: u32, batch: u32) -> vec2u {
        let t_line = over_across(t);
        let first = (parity_of(batch) + vec2u(u.top, u.left)) & vec2u(u.halve);
        return first + u.stride * vec2u(t_line, t - t_line * u.across);
      }`,
    store: `
      let line = over_grid_width(row);
      let image = over_grid_height(line);
      let parity = parity_of(batch);
      let i = (line - image * u.grid_height) * u.stride + parity.x;
      let j = (row - line * u.grid_width) * u.stride + parity.y;
      if (i < u.height && j < u.width) { dx[((image * u.height + i) * u.width + j) * u.N + column] = value; }`,
  });
  if (g !== undefined && g !== dy) backend.disposeData(g.dataId);
  return [dx];
}

/** Sides of the product's tiles, and pixels that are worth a part of their own. */
const TILE = 64;
const PART_PIXELS = 128;
const MOST_PARTS = 128;

/** The gradients by the weight and the bias. */
export function convWeightGradientWebgpu(
  inputs: InputInfos,
  convolution: Convolution,
  backend: GpuBackend,
): TensorInfo[] {
  const { weight, activation } = convolution;
  const { rows, outputs, patch } = sizesOf(convolution);
  const [dW, db] = [backend.output([...weight]), backend.output([outputs])];
  if (isEmpty(db.shape)) return [dW, db];
  if (rows === 0) return [isEmpty(weight) ? dW : fillZeros(backend, dW), fillZeros(backend, db)];
  const { dy, x, pre } = inputs;
  // The pass over dy that sums it for the bias leaves what it was before the activation to the product.
  const g = pre === undefined ? dy : backend.output(dy.shape);
  const biasParts = partialColumnSums(backend, {
    name: 'conv2dBiasGradient',
    variant: pre === undefined ? '' : activation,
    ...{ rows, columns: outputs },
    bindings: [read('dy', dy), ...(pre === undefined ? [] : [read('pre', pre), write('g', g)])],
    functions: pre === undefined ? '' : slope(activation),
    term: `
      let at = row * u.columns + column;
      let value = dy[at] ${pre === undefined ? '' : '* slope(pre[at])'};
      ${pre === undefined ? '' : 'g[at] = value;'}
      return value;`,
  });
  const tiles = Math.ceil(outputs / TILE) * Math.ceil(patch / TILE);
  const parts = Math.min(Math.ceil(ENOUGH_GROUPS / tiles), Math.ceil(rows / PART_PIXELS), MOST_PARTS);
  const weightParts = parts === 1 ? dW : backend.output([parts, outputs, patch]);
  if (patch > 0) {
    const { variant, uniforms, functions } = patches(convolution);
    multiply(backend, {
      name: 'conv2dWeightGradient',
      variant,
      ...{ M: outputs, N: patch, K: rows, parts },
      a: { load: 'return g[k * u.M + row];', fast: 'row' },
      b: { load: 'return patch_at(k, row);', fast: 'row' },
      bindings: [read('g', g), read('pixels', x), write('dW', weightParts)],
      uniforms,
      functions,
      store: 'dW[(part * u.M + row) * u.N + column] = value;',
    });
  }
  const split = patch > 0 && parts > 1;
  sumParts(backend, [...(split ? [[weightParts, dW] as const] : []), [biasParts, db]]);
  for (const { dataId } of [biasParts, ...(split ? [weightParts] : []), ...(g === dy ? [] : [g])]) {
    backend.disposeData(dataId);
  }
  return [dW, db];
}
