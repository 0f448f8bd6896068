/**
 * @file AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101) over all parameters at once, in place: one pass over memory
 * updates both moments, the parameter and its moving average. No gradient.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { activeNative, type NativeBackend } from '../backends/native.ts';
import { expectShape } from '../errors.ts';

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
  const sums = tf.tidy(() => tf.stack(tensors.map(x => tf.sum(tf.square(x)))));
  const values: ArrayLike<number> = await sums.data();
  sums.dispose();
  return Array.from(values).reduce((a, b) => a + b, 0);
}

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
  const copy = tf.engine().makeTensorFromTensorInfo(info);
  variable.assign(copy);
  copy.dispose();
  owned.add(variable.dataId);
  return variable;
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
