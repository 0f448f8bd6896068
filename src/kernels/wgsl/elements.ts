/** @file Kernels of one element an invocation, which neighbours read and write side by side. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Binding, type Uniforms, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';

const LANES = 256;

export interface ElementMap {
  /** Names the kernel in profiles. */
  readonly name: string;
  /** Whatever `value` and `functions` depend on beyond bindings and uniforms' names. */
  readonly variant?: string;
  /** What is filled. */
  readonly output: TensorInfo;
  /** Channels that an invocation handles together: 1, or 4 where they always lie together; of a vec4f then. Default 1. */
  readonly channels?: 1 | 4;
  /** A WGSL expression of element `i: u32` of the output, which may call `functions`. */
  readonly value: string;
  readonly bindings: readonly Binding[];
  readonly uniforms?: Uniforms;
  readonly functions?: string;
}

/** Fills a tensor element by element. Nothing happens to one that has none. */
export function mapElements(backend: GpuBackend, map: ElementMap): void {
  const { name, variant = '', output, channels = 1, value, bindings, uniforms, functions = '' } = map;
  const count = output.shape.reduce((a, b) => a * b, 1) / channels;
  if (count === 0) return;
  backend.dispatch({
    name,
    variant,
    bindings: [...bindings, write('made', output, elementOf(channels))],
    uniforms: { ...uniforms, count },
    size: LANES,
    groups: Math.ceil(count / LANES),
    declarations: () => functions,
    body: () => `
      let i = block * ${LANES}u + lane;
      if (i < u.count) { made[i] = ${value}; }`,
  });
}

/** How many neighbouring values of a run of that many are handled together. */
export function together(run: number): 1 | 4 {
  return run % 4 === 0 ? 4 : 1;
}

/** The WGSL type of so many values. */
export function elementOf(channels: 1 | 4): 'f32' | 'vec4f' {
  return channels === 4 ? 'vec4f' : 'f32';
}

/** Where element number `at` is in an array of `elementOf(channels)`. */
export function index(at: string, channels: 1 | 4): string {
  return channels === 4 ? `(${at}) / 4u` : at;
}

/** Declares NAME4, a function of one number for four. */
export function byFour(name: string): string {
  return `fn ${name}4(x: vec4f) -> vec4f { return vec4f(${name}(x.x), ${name}(x.y), ${name}(x.z), ${name}(x.w)); }`;
}

/** @returns the tensor, all zeros */
export function fillZeros(backend: GpuBackend, output: TensorInfo): TensorInfo {
  mapElements(backend, { name: 'zeros', output, bindings: [], value: '0.0' });
  return output;
}
