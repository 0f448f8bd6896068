/**
 * @file A compute kernel as data: what it binds, which numbers it is given, and its WGSL without the boilerplate, which is
 * put together here.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';

/** How a kernel uses a buffer. `update` reads and writes it in place. */
export type Access = 'read' | 'write' | 'update';

export interface Binding {
  /** What the WGSL calls it: an array of its elements. */
  readonly name: string;
  readonly tensor: TensorInfo;
  readonly access: Access;
  /** WGSL's type of an element; default by the tensor's: f32, or i32 for int32 and bool. */
  readonly element?: string;
}

/** A number that may differ from call to call; the WGSL reads it as `u.name`. */
export type UniformType = 'u32' | 'i32' | 'f32';

/** Lines of `name: value`; u32 unless the value is wrapped. */
export type Uniforms = Readonly<Record<string, number | { readonly f32: number } | { readonly i32: number }>>;

export interface Dispatch {
  /** Names the kernel in profiles. */
  readonly name: string;
  /** Everything that `code` depends on, beyond names, access and elements of bindings and the names of uniforms. */
  readonly variant?: string;
  readonly bindings: readonly Binding[];
  readonly uniforms?: Uniforms;
  /** Invocations of a workgroup; at most 256, which every GPU has. Default 256. */
  readonly size?: number;
  /** Workgroups: a number for a line of them (as long as you like), or up to three axes of at most 65,535. */
  readonly groups: number | readonly [x: number, y: number, z?: number];
  /** Functions, constants and workgroup variables before main; called only if the kernel is not compiled yet. */
  readonly declarations?: () => string;
  /**
   * The body of main, which sees `block` (the number of the workgroup along x and its continuation), `group: vec3u`,
   * `lane: u32` (the invocation in its workgroup), the bindings, and `u`.
   */
  readonly body: () => string;
  /** WGSL extensions, e.g. `subgroups`, which adds `subgroup_lane` and `subgroup_size` to what the body sees. */
  readonly enable?: readonly string[];
  /** Size of a subgroup to ask for, where the GPU has several and `subgroup-size-control`. */
  readonly subgroupSize?: number;
}

export function read(name: string, tensor: TensorInfo, element?: string): Binding {
  return { name, tensor, access: 'read', element };
}

export function write(name: string, tensor: TensorInfo, element?: string): Binding {
  return { name, tensor, access: 'write', element };
}

/** A tensor that is overwritten: nobody else may hold its data (kernels/ownership.ts). */
export function update(name: string, tensor: TensorInfo, element?: string): Binding {
  return { name, tensor, access: 'update', element };
}

export const f32 = (value: number) => ({ f32: value });
export const i32 = (value: number) => ({ i32: value });

export function uniformType(value: Uniforms[string]): UniformType {
  return typeof value === 'number' ? 'u32' : 'f32' in value ? 'f32' : 'i32';
}

/** One key, one pipeline. */
export function programKey(program: Dispatch): string {
  const { name, variant = '', bindings, uniforms = {}, size, enable = [], subgroupSize = '' } = program;
  const bound = bindings.map(b => `${b.name}${b.access[0]}${b.element ?? b.tensor.dtype[0]}`).join();
  const numbers = Object.entries(uniforms).map(([key, value]) => key + uniformType(value)[0]);
  return `${name}|${variant}|${bound}|${numbers.join()}|${size}|${enable.join()}${subgroupSize}`;
}

function elementOf({ element, tensor }: Binding): string {
  return element ?? (tensor.dtype === 'float32' ? 'f32' : 'i32');
}

/** The whole shader. */
export function assemble(program: Dispatch): string {
  const { bindings, uniforms = {}, size = 256, enable = [], subgroupSize, declarations, body } = program;
  const fields = Object.entries(uniforms).map(([name, value]) => `  ${name}: ${uniformType(value)},`);
  const subgroups = enable.includes('subgroups');
  return [
    ...enable.map(extension => `enable ${extension};`),
    subgroupSize === undefined ? '' : 'enable subgroup_size_control;',
    // Subgroup operations below are in control flow that is uniform, which WGSL cannot always prove.
    ...(subgroups
      ? ['diagnostic(off, subgroup_uniformity);', 'diagnostic(off, chromium.subgroup_matrix_uniformity);']
      : []),
    ...bindings.map(
      (b, i) =>
        `@group(0) @binding(${i}) var<storage, ${b.access === 'read' ? 'read' : 'read_write'}> ${b.name}: array<${elementOf(b)}>;`,
    ),
    ...(fields.length > 0
      ? ['struct Uniforms {', ...fields, '}', `@group(0) @binding(${bindings.length}) var<uniform> u: Uniforms;`]
      : []),
    declarations?.() ?? '',
    `@compute @workgroup_size(${size})${subgroupSize === undefined ? '' : ` @subgroup_size(${subgroupSize})`}`,
    'fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) group_counts: vec3u,',
    `  @builtin(local_invocation_index) lane: u32${
      subgroups
        ? ', @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32'
        : ''
    }) {`,
    '  let block = group.x + group.y * group_counts.x;',
    body(),
    '}',
  ].join('\n');
}
