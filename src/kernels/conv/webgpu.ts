/**
 * @file Convolutions on the GPU as matrix products (gemm.ts) that find the pixels of their patches while they stage them,
 * so that no matrix of patches is ever in memory. Channels are the fast index everywhere: neighbouring lanes read
 * neighbouring addresses, four values at a time where there are so many channels. What a strided input gradient needs is
 * split by the parity of the pixel, of which only some taps reach it; a weight gradient has few results and sums over all
 * pixels, so parts of the pixels are summed side by side.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { type Binding, read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { activate, slope } from '../activation/webgpu.ts';
import { multiply } from '../gemm/gemm.ts';
import { chooseParts, sumParts } from '../gemm/split-k.ts';
import type { Activation } from '../pointwise.ts';
import { type Divisors, divisors, smallDivisor } from '../wgsl/divide.ts';
import { byFour, elementOf, fillZeros, index, mapElements, together } from '../wgsl/elements.ts';

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

/** Declares `fn patch_at(pixel: u32, at: u32)`: what an output pixel sees at number `at` of its patch, or at four of them. */
function patches(convolution: Convolution): Divisors {
  const { x, weight, stride } = convolution;
  const [, kernelHeight, kernelWidth, channels] = weight;
  const width = together(channels);
  const type = elementOf(width);
  if (kernelHeight * kernelWidth * stride === 1) {
    const pixel = `pixels[${index('pixel * u.channels + at', width)}]`;
    const functions = `fn patch_at(pixel: u32, at: u32) -> ${type} { return ${pixel}; }`;
    return { variant: 'pointwise', uniforms: { channels }, functions };
  }
  const numbers = { height: x[1], width: x[2], top: before(kernelHeight), left: before(kernelWidth), stride };
  const parts = [gridOf(convolution), divisors({ channels }), smallDivisor('kernel_width', kernelWidth)];
  const { functions, ...sizes } = combine(parts, numbers);
  return {
    ...sizes,
    functions: `
      ${functions}
      fn patch_at(pixel: u32, at: u32) -> ${type} {
        let line = over_grid_width(pixel);
        let image = over_grid_height(line);
        let tap = over_channels(at);
        let tap_line = over_kernel_width(tap);
        // Above and left of the image the numbers wrap around, to far beyond it. No branches: all loads are under way at once.
        let y = (line - image * u.grid_height) * u.stride + tap_line - u.top;
        let x = (pixel - line * u.grid_width) * u.stride + tap - tap_line * u.kernel_width - u.left;
        let inside = y < u.height && x < u.width;
        let place = ((image * u.height + y) * u.width + x) * u.channels + at - tap * u.channels;
        return select(${type}(0.0), pixels[select(0u, ${index('place', width)}, inside)], inside);
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
  const [width, storeWidth] = [together(x.shape[3]), together(outputs)];
  const result = elementOf(storeWidth);
  multiply(backend, {
    name: 'conv2d',
    variant: `${activation}/${variant}`,
    ...{ M: rows, N: outputs, K: patch, storeWidth },
    a: { load: 'return patch_at(row, k);', fast: 'k', width },
    b: { load: `return weight[${index('row * u.K + k', width)}];`, fast: 'k', width },
    bindings: [
      read('pixels', x, elementOf(width)),
      read('weight', weight, elementOf(width)),
      write('y', y, result),
      ...(pre === undefined ? [] : [write('pre', pre, result)]),
      ...(bias === undefined ? [] : [read('bias', bias, result)]),
      ...(residual === undefined ? [] : [read('residual', residual, result)]),
    ],
    uniforms,
    functions: `${functions} ${activate(activation)} ${byFour('activate')}`,
    store: `
      let at = ${index('row * u.N + column', storeWidth)};
      let sum = value ${bias === undefined ? '' : `+ bias[${index('column', storeWidth)}]`};
      ${pre === undefined ? '' : 'pre[at] = sum;'}
      y[at] = ${storeWidth === 4 ? 'activate4' : 'activate'}(sum) ${residual === undefined ? '' : '+ residual[at]'};`,
  });
  return made;
}

/** What the gradients' products load: dy as it was before the activation. */
interface Incoming {
  readonly bindings: readonly Binding[];
  readonly functions: string;
  /** WGSL of its element at a place, or of four. */
  readonly at: (place: string) => string;
  /** Lets go of what was made for it. */
  readonly dispose: () => void;
}

/**
 * dy times the slope of the activation, if there was one: found while dy is loaded, or, where a product looks at each
 * element once a tap, in a pass of its own.
 * @param width how many of its values are loaded together
 */
function incoming(
  { dy, pre }: InputInfos,
  { activation, weight: [, kernelHeight, kernelWidth] }: Convolution,
  backend: GpuBackend,
  width: 1 | 4,
): Incoming {
  const at = (place: string) => `dy[${index(place, width)}]`;
  const nothing = () => {};
  const dispatched = { functions: '', at, dispose: nothing };
  if (pre === undefined) return { ...dispatched, bindings: [read('dy', dy, elementOf(width))] };
  const slopes = (channels: 1 | 4) => ({
    bindings: [read('dy', dy, elementOf(channels)), read('pre', pre, elementOf(channels))],
    functions: `${slope(activation)} ${byFour('slope')}`,
    slope: channels === 4 ? 'slope4' : 'slope',
  });
  if (kernelHeight * kernelWidth === 1) {
    const { slope: by, ...needs } = slopes(width);
    return { ...needs, at: place => `${at(place)} * ${by}(pre[${index(place, width)}])`, dispose: nothing };
  }
  const g = backend.output(dy.shape);
  const channels = together(dy.shape.reduce((a, b) => a * b, 1));
  const { slope: by, ...needs } = slopes(channels);
  const value = `dy[i] * ${by}(pre[i])`;
  mapElements(backend, { ...needs, name: 'activationGradient', variant: activation, output: g, channels, value });
  const dispose = () => void backend.disposeData(g.dataId);
  return { ...dispatched, bindings: [read('dy', g, elementOf(width))], dispose };
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
  const [width, storeWidth] = [together(outputs), together(channels)];
  const g = incoming(inputs, convolution, backend, width);
  const { variant, uniforms, functions } = combine(
    [gridOf(convolution), divisors({ outputs }), smallDivisor('across', across)],
    {
      ...{ height: x[1], width: x[2], kernel_height: kernelHeight, kernel_width: kernelWidth },
      ...{ top: before(kernelHeight), left: before(kernelWidth), stride, halve: stride - 1 },
    },
  );
  multiply(backend, {
    name: 'conv2dInputGradient',
    variant: `${variant}/${activation}/${g.functions === '' ? '' : 'slopes'}`,
    ...{ M: y[0] * y[1] * y[2], N: channels, K: down * across * outputs, storeWidth },
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
        let limits = vec4u(u.grid_height, u.grid_width, u.kernel_height, u.kernel_width);
        let hits = all(vec4u(i, j, tap) < limits);
        let place = select(0u, ((image * u.grid_height + i) * u.grid_width + j) * u.outputs + k - t * u.outputs, hits);
        return select(${elementOf(width)}(0.0), ${g.at('place')}, hits);`,
      fast: 'k',
      width,
    },
    b: {
      load: `
        let t = over_outputs(k);
        let tap = tap_of(t, batch);
        // Beyond the kernel any weight will do, for the other side is zero there.
        let place = (((k - t * u.outputs) * u.kernel_height + min(tap.x, u.kernel_height - 1u)) * u.kernel_width
          + min(tap.y, u.kernel_width - 1u)) * u.N + row;
        return weight[${index('place', storeWidth)}];`,
      fast: 'row',
      width: storeWidth,
    },
    bindings: [
      ...g.bindings,
      read('weight', inputs.weight, elementOf(storeWidth)),
      write('dx', dx, elementOf(storeWidth)),
    ],
    uniforms,
    functions: `
      ${functions}
      ${g.functions}
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
      let place = ((image * u.height + i) * u.width + j) * u.N + column;
      if (i < u.height && j < u.width) { dx[${index('place', storeWidth)}] = value; }`,
  });
  g.dispose();
  return [dx];
}

/** The gradients by the weight and the bias, which is summed from what the product loads anyway. */
export function convWeightGradientWebgpu(
  inputs: InputInfos,
  convolution: Convolution,
  backend: GpuBackend,
): TensorInfo[] {
  const { weight, activation, x: image } = convolution;
  const { rows, outputs, patch } = sizesOf(convolution);
  const [dW, db] = [backend.output([...weight]), backend.output([outputs])];
  if (isEmpty(weight)) return [dW, db];
  if (rows === 0) return [dW, db].map(gradient => fillZeros(backend, gradient));
  const sizes = { M: outputs, N: patch, K: rows };
  const parts = chooseParts(sizes);
  // Parts hold the weights' sums, then the biases'.
  const stride = (patch + 1) * outputs;
  const partials = parts === 1 ? undefined : backend.output([parts, stride]);
  const [width, imageWidth] = [together(outputs), together(image[3])];
  const storeWidth = partials === undefined ? together(patch) : 1;
  const g = incoming(inputs, convolution, backend, width);
  const { variant, uniforms, functions } = patches(convolution);
  multiply(backend, {
    name: 'conv2dWeightGradient',
    variant: `${variant}/${activation}/${g.functions === '' ? '' : 'slopes'}`,
    ...{ ...sizes, parts, storeWidth },
    a: { load: `return ${g.at('k * u.M + row')};`, fast: 'row', width },
    b: { load: 'return patch_at(k, row);', fast: 'row', width: imageWidth },
    bindings: [
      ...g.bindings,
      read('pixels', inputs.x, elementOf(imageWidth)),
      ...(partials === undefined
        ? [write('dW', dW, elementOf(storeWidth)), write('db', db)]
        : [write('partials', partials)]),
    ],
    uniforms: { ...uniforms, part_stride: stride },
    functions: `${functions} ${g.functions}`,
    store:
      partials === undefined
        ? `dW[${index('row * u.N + column', storeWidth)}] = value;`
        : 'partials[part * u.part_stride + row * u.N + column] = value;',
    storeRowSum:
      partials === undefined ? 'db[row] = value;' : 'partials[part * u.part_stride + u.M * u.N + row] = value;',
  });
  g.dispose();
  if (partials !== undefined) {
    sumParts(backend, partials, [dW, db], { parts, stride });
    backend.disposeData(partials.dataId);
  }
  return [dW, db];
}
