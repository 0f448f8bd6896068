/**
 * @file What a step of an optimizer does, decided on the device so that nothing has to be read back: whether the gradient is
 * finite, how it is clipped, the bias corrections and the decay of the average, which count real updates only. The same
 * decision moves the loss scale: gradients that f16 products would lose are made larger by it on their way back and
 * smaller again in the update; it halves where they are not finite and doubles after a thousand good steps (Micikevicius
 * et al. 2018, section 3.2, arXiv:1710.03740).
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { defineUnrecorded } from '../unrecorded.ts';
import { planWebgpu } from './webgpu.ts';
import { squaresWebgpu } from './webgpu-sums.ts';

const FIRST_SCALE = 2 ** 16;
const MOST_SCALE = 2 ** 24;
const GROW_AFTER = 1000;

/** How far an optimizer has come, as it is saved. */
export interface Progress {
  /** Updates made so far; skipped ones do not count. */
  readonly updates: number;
  /** Where losses are scaled. */
  readonly lossScale?: { readonly scale: number; readonly good: number };
}

export interface StepRules {
  readonly beta1: number;
  readonly beta2: number;
  /** Largest norm of the gradient. */
  readonly clip: number;
  /** Largest decay of the average. */
  readonly ema: number;
}

/** An optimizer's progress on the device. */
export class DeviceProgress {
  /** [updates, good steps since the scale changed] */
  private readonly counts: tf.Variable;
  private readonly scale: tf.Variable | undefined;

  /** @param scaling whether losses are scaled */
  constructor(scaling: boolean) {
    this.counts = variableOf(tf.tensor1d([0, 0], 'int32'));
    this.scale = scaling ? variableOf(tf.scalar(FIRST_SCALE)) : undefined;
  }

  get scaling(): boolean {
    return this.scale !== undefined;
  }

  /** What a loss is multiplied by, as a gradient to begin with; owned by the caller. Undefined is 1. */
  initialGradient(): Tensor | undefined {
    return this.scale === undefined ? undefined : tf.clone(this.scale as Tensor);
  }

  /**
   * Decides about the next step and counts it.
   * @param gradients of the scaled loss
   * @param losses scalars; the step is skipped also where one of them is not finite
   * @returns `plan` for the optimizers and `report`, both owned by the caller: the report is the
   *   norm of the gradient without scale (NaN where the step is skipped) and the scale
   */
  decide(
    gradients: readonly Tensor[],
    losses: readonly Tensor[],
    rules: StepRules,
  ): { readonly plan: Tensor; readonly report: Tensor } {
    return decideStep({ gradients, losses, rules, counts: this.counts, scale: this.scale });
  }

  async read(): Promise<Progress> {
    const [updates, good] = await this.counts.data();
    if (this.scale === undefined) return { updates };
    const [scale] = await this.scale.data();
    return { updates, lossScale: { scale, good } };
  }

  load({ updates, lossScale = { scale: FIRST_SCALE, good: 0 } }: Progress): void {
    tf.tidy(() => {
      this.counts.assign(tf.tensor1d([updates, lossScale.good], 'int32'));
      this.scale?.assign(tf.scalar(lossScale.scale));
    });
  }

  dispose(): void {
    this.counts.dispose();
    this.scale?.dispose();
  }
}

/** The same plan from numbers that the CPU knows. */
export interface KnownPlan {
  readonly clipScale: number;
  readonly emaDecay: number;
  /** 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t). */
  readonly corrections?: readonly [first: number, second: number];
}

/** @returns the plan, to be disposed by `backend.disposeData` */
export function knownPlan({ clipScale, emaDecay, corrections = [1, 1] }: KnownPlan, backend: GpuBackend): TensorInfo {
  return backend.makeTensorInfo([5], 'float32', Float32Array.of(1, clipScale, ...corrections, emaDecay));
}

interface Decision {
  readonly plan: Tensor;
  readonly report: Tensor;
}

interface StepRequest {
  readonly gradients: readonly Tensor[];
  readonly losses: readonly Tensor[];
  readonly rules: StepRules;
  readonly counts: tf.Variable;
  readonly scale: tf.Variable | undefined;
}

const decideStep = defineUnrecorded<StepRequest, Decision>({
  name: 'StepPlan',
  writes: ({ counts, scale }) => [counts, scale],
  reference: decideReference,
  webgpu: ({ gradients, losses, rules, counts, scale }, backend) => {
    const { partials, ends } = squaresWebgpu([...gradients, ...losses], backend);
    const numbers = {
      gradients: gradients.length === 0 ? 0 : ends[gradients.length - 1],
      all: ends.at(-1) ?? 0,
      growAfter: GROW_AFTER,
      mostScale: MOST_SCALE,
      ...rules,
    };
    const { plan, report } = planWebgpu({ partials, counts, scale }, numbers, backend);
    backend.disposeData(partials.dataId);
    return {
      plan: tf.engine().makeTensorFromTensorInfo(plan),
      report: tf.engine().makeTensorFromTensorInfo(report),
    };
  },
});

/** 1 where x is finite, 0 where it is not. */
function finite(x: Tensor): Tensor {
  return tf.cast(tf.less(tf.abs(x), Number.POSITIVE_INFINITY), 'float32');
}

function decideReference({ gradients, losses, rules, counts, scale }: StepRequest): Decision {
  const [plan, report] = tf.tidy(() => {
    const zero = tf.scalar(0);
    const total = gradients.reduce<Tensor>((sum, x) => tf.add(sum, tf.sum(tf.square(x))), zero);
    const lossIsFinite = losses.reduce<Tensor>((all, loss) => tf.mul(all, finite(loss)), tf.scalar(1));
    const sumIsFinite = finite(total);
    const go = tf.mul(lossIsFinite, sumIsFinite);
    const now = scale === undefined ? tf.scalar(1) : tf.clone(scale as Tensor);
    const norm = tf.div(tf.sqrt(tf.where(tf.cast(sumIsFinite, 'bool'), total, zero)), now);
    const [before, good] = tf.split(tf.cast(counts, 'float32'), 2).map(count => tf.reshape(count, []));
    const updates = tf.add(before, go);
    const counted = scale === undefined ? good : followReference({ scale, good, lossIsFinite, sumIsFinite });
    counts.assign(tf.cast(tf.stack([updates, counted]), 'int32'));
    const t = tf.maximum(updates, 1);
    // 1 - beta^t = 1 - exp(x) = -2 h / (1 - h) of h = tanh(x / 2), which does not cancel near 0.
    const lessPower = (beta: number) => {
      const h = tf.tanh(tf.mul(t, beta === 0 ? -50 : Math.log(beta) / 2));
      return tf.div(tf.mul(h, -2), tf.sub(1, h));
    };
    const clip = tf.where(tf.greater(norm, rules.clip), tf.div(rules.clip, tf.maximum(norm, rules.clip)), tf.scalar(1));
    const corrections = [tf.div(1, lessPower(rules.beta1)), tf.rsqrt(lessPower(rules.beta2))];
    const emaDecay = tf.minimum(rules.ema, tf.div(tf.add(t, 1), tf.add(t, 10)));
    const finiteNorm = tf.where(tf.cast(go, 'bool'), norm, tf.scalar(Number.NaN));
    return [tf.stack([go, tf.div(clip, now), ...corrections, emaDecay]), tf.stack([finiteNorm, now])];
  });
  return { plan, report };
}

/** Moves the loss scale, and counts the good steps since it changed. A loss that is not finite is none of its making. */
function followReference(state: {
  readonly scale: tf.Variable;
  readonly good: Tensor;
  readonly lossIsFinite: Tensor;
  readonly sumIsFinite: Tensor;
}): Tensor {
  const { scale, good, lossIsFinite, sumIsFinite } = state;
  const counted = tf.mul(tf.add(good, 1), sumIsFinite);
  const grow = tf.greaterEqual(counted, GROW_AFTER);
  const grown = tf.where(grow, tf.minimum(tf.mul(scale, 2), MOST_SCALE), scale);
  const moved = tf.where(tf.cast(sumIsFinite, 'bool'), grown, tf.maximum(tf.mul(scale, 0.5), 1));
  const follows = tf.cast(lossIsFinite, 'bool');
  scale.assign(tf.where(follows, moved, scale));
  return tf.where(follows, tf.where(grow, tf.scalar(0), counted), good);
}

function variableOf(initial: Tensor): tf.Variable {
  const variable = tf.variable(initial, false);
  initial.dispose();
  return variable;
}
