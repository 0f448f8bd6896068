/**
 * @file What a step of an optimizer does, decided on the GPU so that nothing has to be read back: whether the gradient is
 * finite, how it is clipped, the bias corrections and the decay of the average, which count real updates only. The same
 * decision moves the loss scale: gradients that f16 products would lose are made larger by it on their way back and
 * smaller again in the update; it halves where they are not finite and doubles after a thousand good steps (Micikevicius
 * et al. 2018, section 3.2, arXiv:1710.03740).
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { activeGpu, type GpuBackend } from '../../device/webgpu/webgpu.ts';
import { ownOnDevice } from '../own.ts';
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
    const backend = gpu();
    const { partials, ends } = squaresWebgpu([...gradients, ...losses], backend);
    const tensors = {
      partials,
      counts: ownOnDevice(this.counts, backend),
      scale: this.scale === undefined ? undefined : ownOnDevice(this.scale, backend),
    };
    const numbers = {
      gradients: gradients.length === 0 ? 0 : ends[gradients.length - 1],
      all: ends.at(-1) ?? 0,
      growAfter: GROW_AFTER,
      mostScale: MOST_SCALE,
      ...rules,
    };
    const { plan, report } = planWebgpu(tensors, numbers, backend);
    backend.disposeData(partials.dataId);
    return {
      plan: tf.engine().makeTensorFromTensorInfo(plan),
      report: tf.engine().makeTensorFromTensorInfo(report),
    };
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

function gpu(): GpuBackend {
  const backend = activeGpu();
  if (backend === undefined) throw new Error('DeviceProgress: the active backend is not webgpu');
  return backend;
}

function variableOf(initial: Tensor): tf.Variable {
  const variable = tf.variable(initial, false);
  initial.dispose();
  return variable;
}
