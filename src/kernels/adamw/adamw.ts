/**
 * @file AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101) over all parameters at once, in place: one pass over memory
 * updates both moments, the parameter and its moving average. No gradient.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { activeDevice } from '../../device/device.ts';
import { nativeCall, optional, reads, writes } from '../../device/native/calls.ts';
import type { NativeBackend } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { knownPlan } from '../stepplan/stepplan.ts';
import { squaresWebgpu } from '../stepplan/webgpu-sums.ts';
import { defineUnrecorded } from '../unrecorded.ts';
import { adamwWebgpu } from './webgpu.ts';

/** A call of the addon takes 32 buffers. */
const SLOTS_A_CALL = 6;
const TENSORS_A_CALL = 31;

/** Constants of one update, and a slot for each parameter. */
const adamwCall = nativeCall({
  kernel: 'adamw',
  buffers: {},
  numbers: {
    beta1: 'double',
    beta2: 'double',
    eps: 'float',
    step: 'double',
    clipScale: 'float',
    emaDecay: 'float',
    lr: 'double',
  },
  slots: {
    most: SLOTS_A_CALL,
    buffers: {
      value: writes('size'),
      gradient: reads('size'),
      m: writes('size'),
      v: writes('size'),
      ema: optional(writes('size')),
    },
    numbers: { size: 'size', weightDecay: 'double' },
  },
  work: () => ({ shape: '' }), // some tensors a call, of any size: the calls of a step are one row
});

/** Sums of pieces in double, added in the order of the pieces. */
const squaredNormCall = nativeCall({
  kernel: 'squaredNorm',
  buffers: { sum: writes('1', 'float64') },
  numbers: {},
  slots: { most: TENSORS_A_CALL, buffers: { x: reads('size') }, numbers: { size: 'size' } },
  work: () => ({ shape: '' }),
});

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
  /** In the place of step, clipScale and emaDecay, where the device decides: what it has decided (stepplan.ts). */
  readonly plan?: Tensor;
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
  if (options.plan !== undefined && !activeDevice().decidesSteps) throw new Error('adamwStep: a plan is for webgpu');
  update({ slots, options });
}

interface Update {
  readonly slots: readonly AdamwSlot[];
  readonly options: AdamwOptions;
}

const update = defineUnrecorded<Update>({
  name: 'Adamw',
  writes: ({ slots }) => slots.flatMap(({ value, m, v, ema }) => [value, m, v, ema]),
  reference: ({ slots, options }) => {
    for (const slot of slots) referenceStep(slot, options);
  },
  native: ({ slots, options }, backend) => {
    for (let i = 0; i < slots.length; i += SLOTS_A_CALL) nativeStep(slots.slice(i, i + SLOTS_A_CALL), options, backend);
  },
  webgpu: ({ slots, options }, backend) => webgpuStep(slots, options, backend),
});

/**
 * The sum of squares of all elements of all tensors, in double precision where the backend has it.
 * The global norm is its square root.
 */
export async function squaredNorm(tensors: readonly Tensor[]): Promise<number> {
  return tensors.length === 0 ? 0 : sumSquares(tensors);
}

const sumSquares = defineUnrecorded<readonly Tensor[], Promise<number>>({
  name: 'SquaredNorm',
  reference: tensors => addUp(tf.tidy(() => tf.stack(tensors.map(x => tf.sum(tf.square(x)))))),
  native: async (tensors, backend) => {
    const sum = new Float64Array(1);
    let total = 0;
    for (let i = 0; i < tensors.length; i += TENSORS_A_CALL) {
      const slots = tensors.slice(i, i + TENSORS_A_CALL).map(x => ({ buffers: { x }, numbers: { size: x.size } }));
      backend.call(squaredNormCall, { sum }, {}, slots);
      total += sum[0];
    }
    return total;
  },
  webgpu: (tensors, backend) => {
    const { partials, ends } = squaresWebgpu(tensors, backend);
    return addUp(tf.engine().makeTensorFromTensorInfo(partials), ends.at(-1));
  },
});

/** The sum of the first `count` partial sums, in the order in which they lie; disposes them. */
async function addUp(sums: Tensor, count = sums.size): Promise<number> {
  const values: ArrayLike<number> = await sums.data();
  sums.dispose();
  return Array.from(values)
    .slice(0, count)
    .reduce((a, b) => a + b, 0);
}

function nativeStep(slots: readonly AdamwSlot[], options: AdamwOptions, backend: NativeBackend): void {
  const { lr, beta1, beta2, eps, step, clipScale = 1, emaDecay = 0 } = options;
  const given = slots.map(({ value, gradient, m, v, ema, weightDecay }) => ({
    buffers: { value, gradient, m, v, ema },
    numbers: { size: value.size, weightDecay },
  }));
  backend.call(adamwCall, {}, { beta1, beta2, eps, step, clipScale, emaDecay, lr }, given);
}

function webgpuStep(slots: readonly AdamwSlot[], options: AdamwOptions, backend: GpuBackend): void {
  const { beta1, beta2, step, clipScale = 1, emaDecay = 0 } = options;
  const corrections = [1 / (1 - beta1 ** step), 1 / Math.sqrt(1 - beta2 ** step)] as const;
  const plan = options.plan ?? knownPlan({ clipScale, emaDecay, corrections }, backend);
  for (const { value, gradient, m, v, ema, weightDecay } of slots) {
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
