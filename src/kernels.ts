/**
 * @file What a kernel from outside is written with: a fused operation with a reference in tfjs operations, a gradient by
 * hand, and WGSL where speed asks for it. Its types are tfjs's own, so it is imported as `tesserae/tfjs` is. A C++ form has
 * to be in the addon, so it needs a build of this repository.
 */
import '@tensorflow/tfjs-layers'; // tfjs's own gradients, with which a kernel's may be compared

export {
  type BufferSpec,
  type ChoiceSpec,
  type KernelWork,
  type ListSpec,
  type NativeCall,
  type NumberSpec,
  nativeCall,
  optional,
  reads,
  writes,
} from './device/native/calls.ts';
export type { InputInfos, NativeBackend } from './device/native/native.ts';
export {
  type Access,
  type Binding,
  type Dispatch,
  f32,
  i32,
  read,
  type Uniforms,
  update,
  write,
} from './device/webgpu/program.ts';
export type { GpuBackend } from './device/webgpu/webgpu.ts';
export {
  type Attributes,
  defineKernel,
  type Gradients,
  type Inputs,
  type KernelDefinition,
  removeKernel,
  run,
} from './kernels/registry.ts';
export { defineUnrecorded, type UnrecordedDefinition } from './kernels/unrecorded.ts';
export { type ElementMap, mapElements } from './kernels/wgsl/elements.ts';
