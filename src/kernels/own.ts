/** @file Sole ownership of a variable's memory, which whoever writes into it must have. */
import type { Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../device/native/native.ts';
import type { GpuBackend } from '../device/webgpu/webgpu.ts';
import { copyWebgpu } from './adamw/webgpu.ts';

/** Data that `own` has made and that nothing else can refer to but by the variable. */
const owned = new WeakSet<object>();

/**
 * Makes sure that writing into a variable's memory is seen by nobody else: not by a clone, and not by the array that the
 * variable was made of. Views of a variable (tf.slice) must not outlive the step.
 */
export function own(variable: Variable, backend: NativeBackend): Variable {
  if (owned.has(variable.dataId) && backend.refCount(variable.dataId) === 1) return variable;
  const info = backend.output(variable.shape);
  (backend.values(info) as Float32Array).set(backend.values(variable) as Float32Array);
  take(variable, info);
  owned.add(variable.dataId);
  return variable;
}

/** As `own`, on the GPU, whose buffers are copies of the arrays that they were made of, and which has no views. */
export function ownOnDevice(variable: Variable, backend: GpuBackend): Variable {
  if (backend.refCount(variable.dataId) !== 1) take(variable, copyWebgpu(variable, backend));
  return variable;
}

function take(variable: Variable, info: tf.TensorInfo): void {
  const copy = tf.engine().makeTensorFromTensorInfo(info);
  variable.assign(copy);
  copy.dispose();
}
