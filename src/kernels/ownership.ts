/**
 * @file Sole ownership of a variable's memory, which whoever writes into it must have (unrecorded.ts): a clone, or the
 * array that the variable was made of, must not see the update. Views of a variable (tf.slice) must not outlive the step.
 */
import type { Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../device/native/native.ts';
import type { GpuBackend } from '../device/webgpu/webgpu.ts';
import { copyWebgpu } from './wgsl/copy.ts';

/** Data that was made here, and that nothing else can refer to but by the variable. */
const owned = new WeakSet<object>();

/** Copies a variable's memory unless it is its alone. */
export function takeMemoryOnNative(variable: Variable, backend: NativeBackend): void {
  if (owned.has(variable.dataId) && backend.refCount(variable.dataId) === 1) return;
  const info = backend.output(variable.shape);
  (backend.values(info) as Float32Array).set(backend.values(variable) as Float32Array);
  replaceMemory(variable, info);
  owned.add(variable.dataId);
}

/** As `takeMemoryOnNative`, on the GPU, whose buffers are copies of the arrays that they were made of, and which has no views. */
export function takeMemoryOnDevice(variable: Variable, backend: GpuBackend): void {
  if (backend.refCount(variable.dataId) !== 1) replaceMemory(variable, copyWebgpu(variable, backend));
}

function replaceMemory(variable: Variable, info: tf.TensorInfo): void {
  const copy = tf.engine().makeTensorFromTensorInfo(info);
  variable.assign(copy);
  copy.dispose();
}
