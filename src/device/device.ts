/**
 * @file What a program may ask of the place where tensors live, whichever it is. Kernels know their backend
 * (native/native.ts, webgpu/webgpu.ts); everything above them knows this contract alone.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { OperandPrecision } from './precision.ts';

export interface Device {
  /** The backend's name, as in `backendNames`. */
  readonly name: string;
  /** Operands of matrix products now; sums, norms, softmax and parameters are fp32 everywhere. */
  readonly precision: OperandPrecision;
  /** What `precision` can be on this hardware, the slower first. */
  readonly precisions: readonly OperandPrecision[];
  /** Whether losses are to be scaled, because gradients would underflow in `precision` (f16). */
  readonly lossScaling: boolean;
  /** Whether an optimizer's step decides on the device whether it is taken, so that nothing has to be read back. */
  readonly decidesSteps: boolean;
  /** Whether work is only sent when a call returns, so that reading a tensor waits for all that was sent before it. */
  readonly readsWait: boolean;
  /** Whether a row of a product has the same bits whatever rows are beside it, and however many. */
  readonly rowsApart: boolean;
  /** Frees the memory that no tensor uses. */
  trim(): void;
  /** Bytes that tensors use now, and the most that they used at once; undefined where the device does not count them. */
  memoryUse(): { readonly used: number; readonly peak: number } | undefined;
}

/** The device of the active backend. */
export function activeDevice(): Device {
  const backend: object = tf.backend();
  return isDevice(backend) ? backend : plainDevice(tf.getBackend());
}

/** Our own backends are devices themselves. */
function isDevice(backend: object): backend is Device {
  return 'decidesSteps' in backend;
}

/** A backend that comes with tfjs: cpu, wasm, tensorflow. */
function plainDevice(name: string): Device {
  return {
    name,
    precision: 'fp32',
    precisions: ['fp32'],
    lossScaling: false,
    decidesSteps: false,
    readsWait: false,
    rowsApart: false,
    trim() {},
    memoryUse: () => undefined,
  };
}
