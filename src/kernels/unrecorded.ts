/**
 * @file Operations that leave nothing on the tape: they update variables in place (an optimizer's step) or return what is
 * no tensor (a draw, a norm). Defined as kernels are (registry.ts): a reference of plain tfjs operations runs wherever a
 * backend has nothing of its own; `native` calls C++, `webgpu` sends WGSL. Before either of these writes into a variable,
 * the variable is given memory that is its alone (ownership.ts).
 */
import type { Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { NativeBackend } from '../device/native/native.ts';
import { GpuBackend } from '../device/webgpu/webgpu.ts';
import { takeMemoryOnDevice, takeMemoryOnNative } from './ownership.ts';

export interface UnrecordedDefinition<Request, Result> {
  readonly name: string;
  /** The variables that the operation writes; default none. */
  readonly writes?: (request: Request) => readonly (Variable | undefined)[];
  /** Plain tfjs operations; variables are assigned. */
  readonly reference: (request: Request) => Result;
  /** Writes straight into the memory of what `writes` names. */
  readonly native?: (request: Request, backend: NativeBackend) => Result;
  readonly webgpu?: (request: Request, backend: GpuBackend) => Result;
}

const names = new Set<string>();

/**
 * Defines an operation.
 * @returns the function that runs it on the active backend
 */
export function defineUnrecorded<Request, Result = void>(
  definition: UnrecordedDefinition<Request, Result>,
): (request: Request) => Result {
  const { name, writes, reference, native, webgpu } = definition;
  if (names.has(name)) throw new Error(`operation ${name} is defined twice`);
  names.add(name);
  return request => {
    const backend: unknown = tf.backend();
    if (backend instanceof NativeBackend && native !== undefined) {
      for (const variable of writes?.(request) ?? []) if (variable !== undefined) takeMemoryOnNative(variable, backend);
      return native(request, backend);
    }
    if (backend instanceof GpuBackend && webgpu !== undefined) {
      for (const variable of writes?.(request) ?? []) if (variable !== undefined) takeMemoryOnDevice(variable, backend);
      return webgpu(request, backend);
    }
    return reference(request);
  };
}
