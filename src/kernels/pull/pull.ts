/**
 * @file Decay towards given weights instead of towards 0: L2-SP (Li, Grandvalet and Davoine 2018, arXiv:1802.01483), decoupled
 * from the gradient as AdamW's decay is. Over all parameters at once, in place, before the optimizer's own update. No gradient.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { activeDevice } from '../../device/device.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import type { NativeBackend } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { knownPlan } from '../stepplan/stepplan.ts';
import { defineUnrecorded } from '../unrecorded.ts';
import { pullWebgpu } from './webgpu.ts';

/** A call of the addon takes 32 buffers. */
const SLOTS_A_CALL = 16;

const pullCall = nativeCall({
  kernel: 'pull',
  buffers: {},
  numbers: {},
  slots: {
    most: SLOTS_A_CALL,
    buffers: { value: writes('size'), anchor: reads('size') },
    numbers: { size: 'size', share: 'float' },
  },
  work: () => ({ shape: '' }), // some tensors a call, of any size: the calls of a step are one row
});

/** A parameter and where it is pulled to, of one shape. */
export interface PullSlot {
  readonly value: Variable;
  readonly anchor: Tensor;
  /** Of the way to the anchor, from 0 to 1: the learning rate times the strength. */
  readonly share: number;
}

interface Pull {
  readonly slots: readonly PullSlot[];
  /** On webgpu: whether the step is taken is the device's decision (stepplan.ts). */
  readonly plan?: Tensor;
}

/**
 * value += share (anchor - value), of every slot.
 * @throws ShapeError if a slot's tensors differ in shape
 */
export function pullStep(slots: readonly PullSlot[], options: Pick<Pull, 'plan'> = {}): void {
  for (const { value, anchor } of slots) expectShape('pullStep: slot', anchor.shape, value.shape);
  if (options.plan !== undefined && !activeDevice().decidesSteps) throw new Error('pullStep: a plan is for webgpu');
  update({ slots, ...options });
}

const update = defineUnrecorded<Pull>({
  name: 'Pull',
  writes: ({ slots }) => slots.map(({ value }) => value),
  reference: ({ slots }) => {
    for (const slot of slots) referenceStep(slot);
  },
  native: ({ slots }, backend) => {
    for (let i = 0; i < slots.length; i += SLOTS_A_CALL) nativeStep(slots.slice(i, i + SLOTS_A_CALL), backend);
  },
  webgpu: (pull, backend) => webgpuStep(pull, backend),
});

function referenceStep({ value, anchor, share }: PullSlot): void {
  tf.tidy(() => value.assign(tf.add(value as Tensor, tf.mul(tf.sub(anchor, value as Tensor), share))));
}

function nativeStep(slots: readonly PullSlot[], backend: NativeBackend): void {
  const given = slots.map(({ value, anchor, share }) => ({
    buffers: { value, anchor },
    numbers: { size: value.size, share },
  }));
  backend.call(pullCall, {}, {}, given);
}

function webgpuStep({ slots, plan: given }: Pull, backend: GpuBackend): void {
  const plan = given ?? knownPlan({ clipScale: 1, emaDecay: 0 }, backend);
  for (const slot of slots) pullWebgpu({ ...slot, plan }, backend);
  if (given === undefined) backend.disposeData(plan.dataId);
}
