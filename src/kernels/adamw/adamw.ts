/**
 * @file AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101) over all parameters at once, in place: one pass over memory
 * updates both moments, the parameter and its moving average. No gradient.
 */
import type { Tensor, TensorInfo, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { activeNative, type NativeBackend } from '../../device/native/native.ts';
import { activeGpu, type GpuBackend } from '../../device/webgpu/webgpu.ts';
import { own, ownOnDevice } from '../own.ts';
import { knownPlan } from '../stepplan/stepplan.ts';
import { squaresWebgpu } from '../stepplan/webgpu-sums.ts';
import { adamwWebgpu } from './webgpu.ts';

/** A call of the addon takes 32 buffers. */
const SLOTS_A_CALL = 6;
const TENSORS_A_CALL = 31;

/** Where squaredNorm's kernel leaves its result. */
const sum = new Float64Array(1);

/** One parameter and what goes with it; all of one shape. */
export interface AdamwSlot {
  readonly value: Variable;
  readonly gradient: Tensor;
  /** Moments; start as zeros. */
  readonly m: Variable;
  readonly v: Variable;
  /** Exponential moving average of `value`. */
  readonly ema?: Variable;
  readonly weightDecay: number;
}

export interface AdamwOptions {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Number of this update, from 1: for the bias correction. */
  readonly step: number;
  /** Multiplies every gradient, e.g. to clip the global norm; default 1. */
  readonly clipScale?: number;
  /** ema = emaDecay * ema + (1 - emaDecay) * value, after the update. */
  readonly emaDecay?: number;
  /** On webgpu, in the place of step, clipScale and emaDecay: what the device has decided (stepplan.ts). */
  readonly plan?: TensorInfo;
}

/**
 * One update of every parameter: m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; value -= lr (mhat / (sqrt(vhat) + eps) +
 * weightDecay * value), with mhat = m / (1 - b1^step) and vhat = v / (1 - b2^step).
 * @throws ShapeError if a slot's tensors differ in shape
 */
export function adamwStep(slots: readonly AdamwSlot[], options: AdamwOptions): void {
  for (const { value, gradient, m, v, ema } of slots) {
    for (const other of [gradient, m, v, ...(ema === undefined ? [] : [ema])]) {
      expectShape(`adamwStep: ${value.name}`, other.shape, value.shape);
    }
  }
  const gpu = activeGpu();
  if (gpu !== undefined) {
    webgpuStep(slots, options, gpu);
    return;
  }
  const backend = activeNative();
  if (backend === undefined) {
    for (const slot of slots) referenceStep(slot, options);
    return;
  }
  for (let i = 0; i < slots.length; i += SLOTS_A_CALL) nativeStep(slots.slice(i, i + SLOTS_A_CALL), options, backend);
}

/**
 * The sum of squares of all elements of all tensors, in double precision where the backend has it.
 * The global norm is its square root.
 */
export async function squaredNorm(tensors: readonly Tensor[]): Promise<number> {
  if (tensors.length === 0) return 0;
  const backend = activeNative();
  if (backend !== undefined) {
    let total = 0;
    for (let i = 0; i < tensors.length; i += TENSORS_A_CALL) {
      backend.call('squaredNorm', [...tensors.slice(i, i + TENSORS_A_CALL), sum], []);
      total += sum[0];
    }
    return total;
  }
  const gpu = activeGpu();
  const sums =
    gpu !== undefined
      ? tf.engine().makeTensorFromTensorInfo(squaresWebgpu(tensors, gpu).partials)
      : tf.tidy(() => tf.stack(tensors.map(x => tf.sum(tf.square(x)))));
  const values: ArrayLike<number> = await sums.data();
  sums.dispose();
  return Array.from(values).reduce((a, b) => a + b, 0);
}

function nativeStep(slots: readonly AdamwSlot[], options: AdamwOptions, backend: NativeBackend): void {
  const { lr, beta1, beta2, eps, step, clipScale = 1, emaDecay = 0 } = options;
  const buffers = slots.flatMap(({ value, gradient, m, v, ema }) => {
    const average = ema === undefined ? null : own(ema, backend);
    return [own(value, backend), gradient, own(m, backend), own(v, backend), average];
  });
  const rates = slots.flatMap(({ weightDecay }) => [lr, weightDecay]);
  backend.call('adamw', buffers, [beta1, beta2, eps, step, clipScale, emaDecay, ...rates]);
}

function webgpuStep(slots: readonly AdamwSlot[], options: AdamwOptions, backend: GpuBackend): void {
  const { beta1, beta2, step, clipScale = 1, emaDecay = 0 } = options;
  const corrections = [1 / (1 - beta1 ** step), 1 / Math.sqrt(1 - beta2 ** step)] as const;
  const plan = options.plan ?? knownPlan({ clipScale, emaDecay, corrections }, backend);
  for (const { value, gradient, m, v, ema, weightDecay } of slots) {
    for (const written of [value, m, v, ema]) if (written !== undefined) ownOnDevice(written, backend);
    adamwWebgpu({ value, gradient, m, v, ema, plan }, { ...options, weightDecay }, backend);
  }
  if (options.plan === undefined) backend.disposeData(plan.dataId);
}

function referenceStep(slot: AdamwSlot, options: AdamwOptions): void {
  const { value, gradient, m, v, ema, weightDecay } = slot;
  const { lr, beta1, beta2, eps, step, clipScale = 1, emaDecay = 0 } = options;
  tf.tidy(() => {
    const g = tf.mul(gradient, clipScale);
    m.assign(tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1)));
    v.assign(tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2)));
    const root = tf.sqrt(tf.mul(v, 1 / (1 - beta2 ** step)));
    const direction = tf.div(tf.mul(m, 1 / (1 - beta1 ** step)), tf.add(root, eps));
    value.assign(tf.sub(tf.mul(value, 1 - lr * weightDecay), tf.mul(direction, lr)));
    ema?.assign(tf.add(tf.mul(ema, emaDecay), tf.mul(value, 1 - emaDecay)));
  });
}
