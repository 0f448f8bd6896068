/**
 * @file Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): momentum whose matrix is replaced by the
 * nearest one with orthonormal rows or columns, so that a step moves every direction of the gradient alike, not only the
 * strongest. In place on the native backend and on WebGPU, where matrices of one shape are multiplied side by side.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { activeDevice } from '../../device/device.ts';
import { nativeCall, optional, precisionNumber, reads, writes } from '../../device/native/calls.ts';
import type { NativeBackend } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { knownPlan } from '../stepplan/stepplan.ts';
import { defineUnrecorded } from '../unrecorded.ts';
import { muonWebgpu } from './webgpu.ts';

export interface MuonSlot {
  /** [rows, ...]: all axes but the first are taken as columns, so a filter bank is a matrix too. */
  readonly value: Variable;
  readonly gradient: Tensor;
  /** Starts as zeros. */
  readonly momentum: Variable;
  /** Exponential moving average of `value`. */
  readonly ema?: Variable;
  readonly weightDecay: number;
}

export interface MuonOptions {
  readonly lr: number;
  /** Decay of the momentum, which is Nesterov's. */
  readonly beta: number;
  /** Multiplies every gradient; default 1. */
  readonly clipScale?: number;
  readonly emaDecay?: number;
  /** On webgpu, in the place of clipScale and emaDecay: what the device has decided (stepplan.ts). */
  readonly plan?: Tensor;
}

/** The quintic A x + B x³ + C x⁵ drives singular values in (0, 1] to about 1 (0.7 to 1.2) in five steps. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ITERATIONS = 5;
const SLOTS_A_CALL = 8;

/** Constants of one update, and a slot for each matrix. */
const muonCall = nativeCall({
  kernel: 'muon',
  buffers: {},
  numbers: { precision: precisionNumber, beta: 'float', clipScale: 'float', emaDecay: 'float' },
  slots: {
    most: SLOTS_A_CALL,
    buffers: {
      value: writes('rows * columns'),
      gradient: reads('rows * columns'),
      momentum: writes('rows * columns'),
      ema: optional(writes('rows * columns')),
    },
    numbers: { rows: 'size', columns: 'size', stepSize: 'float', keep: 'float' },
  },
  work: ({ slots }) => ({ shape: '', flops: slots.reduce((sum, { numbers }) => sum + orthogonalizeFlops(numbers), 0) }),
});

/** x xT, its square, and that times x, in every iteration. */
function orthogonalizeFlops({ rows, columns }: { readonly rows: number; readonly columns: number }): number {
  const [m, n] = [Math.min(rows, columns), Math.max(rows, columns)];
  return ITERATIONS * 2 * (m * m * n + m * m * m + m * m * n);
}

/** Elements of matrices that are orthogonalized side by side; three times as much is needed for a while. */
const BATCH_ELEMENTS = 2 ** 26;

/**
 * One update of every matrix: m = beta m + g; value -= lr (s orthogonalize(g + beta m) + weightDecay value), where
 * s = 0.2 sqrt(max(rows, columns)) gives the step the size of AdamW's, so that both share a learning rate (Liu et al.
 * 2025, arXiv:2502.16982, section 2.2).
 * @throws ShapeError if a slot's tensors differ in shape
 */
export function muonStep(slots: readonly MuonSlot[], options: MuonOptions): void {
  for (const { value, gradient, momentum, ema } of slots) {
    for (const other of [gradient, momentum, ...(ema === undefined ? [] : [ema])]) {
      expectShape('muonStep: slot', other.shape, value.shape);
    }
  }
  if (options.plan !== undefined && !activeDevice().decidesSteps) throw new Error('muonStep: a plan is for webgpu');
  update({ slots, options });
}

interface Update {
  readonly slots: readonly MuonSlot[];
  readonly options: MuonOptions;
}

const update = defineUnrecorded<Update>({
  name: 'Muon',
  writes: ({ slots }) => slots.flatMap(({ value, momentum, ema }) => [value, momentum, ema]),
  reference: ({ slots, options }) => {
    for (const slot of slots) referenceStep(slot, options);
  },
  native: ({ slots, options }, backend) => {
    for (let i = 0; i < slots.length; i += SLOTS_A_CALL) nativeStep(slots.slice(i, i + SLOTS_A_CALL), options, backend);
  },
  webgpu: ({ slots, options }, backend) => webgpuStep(slots, options, backend),
});

/**
 * Approximately U Vᵀ of x = U S Vᵀ, by Newton-Schulz iteration.
 * @param x [rows, columns]; @returns alike
 */
export function orthogonalize(x: Tensor): Tensor {
  return tf.tidy(() => {
    const [rows, columns] = x.shape;
    const wide = rows <= columns ? x : tf.transpose(x);
    let y: Tensor = tf.div(wide, tf.add(tf.sqrt(tf.sum(tf.square(wide))), 1e-7));
    for (let i = 0; i < ITERATIONS; i++) {
      const gram = tf.matMul(y, y, false, true);
      const polynomial = tf.add(tf.mul(gram, B), tf.mul(tf.matMul(gram, gram), C));
      y = tf.add(tf.mul(y, A), tf.matMul(polynomial, y));
    }
    return rows <= columns ? y : tf.transpose(y);
  });
}

function matrixShape({ shape, size }: Variable): [rows: number, columns: number] {
  return [shape[0], size / shape[0]];
}

function stepSize(lr: number, shape: readonly number[]): number {
  return lr * 0.2 * Math.sqrt(Math.max(...shape));
}

function nativeStep(slots: readonly MuonSlot[], options: MuonOptions, backend: NativeBackend): void {
  const { lr, beta, clipScale = 1, emaDecay = 0 } = options;
  const given = slots.map(({ value, gradient, momentum, ema, weightDecay }) => {
    const [rows, columns] = matrixShape(value);
    return {
      buffers: { value, gradient, momentum, ema },
      numbers: { rows, columns, stepSize: stepSize(lr, [rows, columns]), keep: 1 - lr * weightDecay },
    };
  });
  backend.call(muonCall, {}, { precision: backend.precision, beta, clipScale, emaDecay }, given);
}

function webgpuStep(slots: readonly MuonSlot[], options: MuonOptions, backend: GpuBackend): void {
  const { lr, beta, clipScale = 1, emaDecay = 0 } = options;
  const plan = options.plan ?? knownPlan({ clipScale, emaDecay }, backend);
  const byShape = new Map<string, MuonSlot[]>();
  for (const slot of slots) {
    const key = matrixShape(slot.value).join();
    byShape.set(key, [...(byShape.get(key) ?? []), slot]);
  }
  for (const alike of byShape.values()) {
    const shape = matrixShape(alike[0].value);
    const most = Math.max(1, Math.floor(BATCH_ELEMENTS / (shape[0] * shape[1])));
    const rules = { beta, stepSize: stepSize(lr, shape), iterations: ITERATIONS, polynomial: [A, B, C] } as const;
    for (let i = 0; i < alike.length; i += most) {
      const matrices = alike.slice(i, i + most).map(slot => ({ ...slot, keep: 1 - lr * slot.weightDecay }));
      muonWebgpu(matrices, { shape, plan, ...rules }, backend);
    }
  }
  if (options.plan === undefined) backend.disposeData(plan.dataId);
}

function referenceStep(slot: MuonSlot, { lr, beta, clipScale = 1, emaDecay = 0 }: MuonOptions): void {
  const { value, gradient, momentum, ema, weightDecay } = slot;
  tf.tidy(() => {
    const g = tf.mul(gradient, clipScale);
    momentum.assign(tf.add(tf.mul(momentum, beta), g));
    const shape = matrixShape(value);
    const direction = orthogonalize(tf.reshape(tf.add(g, tf.mul(momentum, beta)), shape));
    const kept = tf.mul(value, 1 - lr * weightDecay);
    value.assign(tf.sub(kept, tf.reshape(tf.mul(direction, stepSize(lr, shape)), value.shape)));
    ema?.assign(tf.add(tf.mul(ema, emaDecay), tf.mul(value, 1 - emaDecay)));
  });
}
