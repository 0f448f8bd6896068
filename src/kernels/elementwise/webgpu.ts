/** @file Functions of single numbers on the GPU, in packs of four where the size allows it: as fast as memory. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { overrideWebgpu } from '../../device/webgpu/override.ts';
import { read, update, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { activate, slope } from '../activation/webgpu.ts';
import type { Activation } from '../pointwise.ts';
import { each, packingOf } from '../wgsl/packing.ts';

/**
 * y = value(x, ...) of the numbers at the same place of all inputs, which have one shape.
 * @param value WGSL expression of the inputs' names; @param functions what it calls
 */
function pointwise(
  backend: GpuBackend,
  name: string,
  inputs: InputInfos,
  { value, functions }: { readonly value: string; readonly functions: () => string },
): TensorInfo[] {
  const names = Object.keys(inputs);
  const { shape } = inputs[names[0]];
  const y = backend.output(shape);
  const size = tf.util.sizeFromShape(shape);
  if (size === 0) return [y];
  const packing = packingOf(size);
  const { width, element } = packing;
  backend.dispatch({
    name,
    bindings: [...names.map(key => read(key, inputs[key], element)), write('y', y, element)],
    uniforms: { count: size / width },
    groups: Math.ceil(size / width / 256),
    declarations: () => `
      ${functions()}
      fn evaluate(${names.map(key => `${key}: f32`).join(', ')}) -> f32 { return ${value}; }`,
    body: () => `
      let i = block * 256u + lane;
      if (i >= u.count) { return; }
      ${names.map(key => `let ${key}_pack = ${key}[i];`).join(' ')}
      y[i] = ${each(packing, at => `evaluate(${names.map(key => `${key}_pack${at}`).join(', ')})`)};`,
  });
  return [y];
}

export function activationWebgpu(x: TensorInfo, activation: Activation, backend: GpuBackend): TensorInfo[] {
  return pointwise(backend, activation, { x }, { value: 'activate(x)', functions: () => activate(activation) });
}

/** dy times the activation's slope at x. */
export function slopeWebgpu(x: TensorInfo, dy: TensorInfo, activation: Activation, backend: GpuBackend): TensorInfo[] {
  const functions = () => slope(activation);
  return pointwise(backend, `${activation}Gradient`, { x, dy }, { value: 'dy * slope(x)', functions });
}

/** Halves of rows: packs of a half, and the whole's place of the pack that this invocation deals with. */
function halves(x: TensorInfo) {
  const H = x.shape[x.shape.length - 1] / 2;
  const packing = packingOf(H);
  return { packing, columns: H / packing.width, count: tf.util.sizeFromShape(x.shape) / 2 / packing.width };
}

const PLACE = `
      let i = block * 256u + lane;
      if (i >= u.count) { return; }
      let first = i + i / u.columns * u.columns; // of a; b lies a row of packs further
      let a = x[first];
      let b = x[first + u.columns];`;

/** silu(a) * b of x [rows, 2H] = [a | b]. */
export function swigluWebgpu(x: TensorInfo, backend: GpuBackend): TensorInfo[] {
  const { packing, columns, count } = halves(x);
  const y = backend.output([...x.shape.slice(0, -1), x.shape[x.shape.length - 1] / 2]);
  if (count === 0) return [y];
  backend.dispatch({
    name: 'swiglu',
    bindings: [read('x', x, packing.element), write('y', y, packing.element)],
    uniforms: { columns, count },
    groups: Math.ceil(count / 256),
    declarations: () => activate('silu'),
    body: () => `${PLACE}
      y[i] = ${each(packing, at => `activate(a${at})`)} * b;`,
  });
  return [y];
}

/** @param dy [rows, H]; @returns like x */
export function swigluGradientWebgpu(x: TensorInfo, dy: TensorInfo, backend: GpuBackend): TensorInfo[] {
  const { packing, columns, count } = halves(x);
  const dx = backend.output(x.shape);
  if (count === 0) return [dx];
  backend.dispatch({
    name: 'swigluGradient',
    bindings: [read('x', x, packing.element), read('dy', dy, packing.element), write('dx', dx, packing.element)],
    uniforms: { columns, count },
    groups: Math.ceil(count / 256),
    declarations: () => `${activate('silu')} ${slope('silu')}`,
    body: () => `${PLACE}
      let d = dy[i];
      dx[first] = d * b * ${each(packing, at => `slope(a${at})`)};
      dx[first + u.columns] = d * ${each(packing, at => `activate(a${at})`)};`,
  });
  return [dx];
}

/** x times a scalar that is on the GPU, in x's own memory where nothing else refers to it. */
export function scaleWebgpu(x: TensorInfo, factor: TensorInfo, backend: GpuBackend): TensorInfo[] {
  const mine = backend.refCount(x.dataId) === 1;
  const size = tf.util.sizeFromShape(x.shape);
  const y = mine ? { dataId: x.dataId, shape: x.shape, dtype: x.dtype } : backend.output(x.shape);
  if (mine) backend.incRef(x.dataId);
  if (size === 0) return [y];
  const { width, element } = packingOf(size);
  const bindings = mine ? [update('y', y, element)] : [read('x', x, element), write('y', y, element)];
  backend.dispatch({
    name: 'scale',
    bindings: [...bindings, read('factor', factor)],
    uniforms: { count: size / width },
    groups: Math.ceil(size / width / 256),
    body: () => `
      let i = block * 256u + lane;
      if (i < u.count) { y[i] = ${mine ? 'y' : 'x'}[i] * factor[0]; }`,
  });
  return [y];
}

/** A tensor of zeros, for what has no rows to sum over: uploaded, so not for large ones. */
export function zeros(backend: GpuBackend, shape: number[]): TensorInfo {
  return backend.makeTensorInfo(shape, 'float32', new Float32Array(tf.util.sizeFromShape(shape)));
}

/**
 * Puts a kernel of ours before tfjs's sum of two tensors of one shape, which joins residuals and gradients: sending tfjs's
 * takes the CPU some five times as long.
 */
export function overrideAdd(): void {
  overrideWebgpu('Add', ({ a, b }, _, backend) => {
    const alike = a.dtype === 'float32' && b.dtype === 'float32' && tf.util.arraysEqual(a.shape, b.shape);
    return alike && a.shape.length > 0
      ? pointwise(backend, 'add', { a, b }, { value: 'a + b', functions: () => '' })[0]
      : undefined;
  });
}
