/** @file The decision about an optimizer step on the GPU: one workgroup, from the blocks' sums of squares. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { f32, read, update, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { sumWorkgroup } from '../wgsl/reduce.ts';

const SIZE = 256;

export interface PlanTensors {
  /** Sums of squares: those of the gradients, then those of the losses. */
  readonly partials: TensorInfo;
  /** int32 [updates, good steps since the loss scale changed]. */
  readonly counts: TensorInfo;
  /** The loss scale, a scalar; undefined is 1. */
  readonly scale: TensorInfo | undefined;
}

export interface PlanNumbers {
  /** How many of the partial sums are gradients', and how many there are. */
  readonly gradients: number;
  readonly all: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly clip: number;
  readonly ema: number;
  readonly growAfter: number;
  readonly mostScale: number;
}

/** ln(beta), or what has the same effect where beta is 0. */
function logarithm(beta: number): number {
  return beta === 0 ? -100 : Math.log(beta);
}

/** @returns the plan, and the report [norm, loss scale of this step] */
export function planWebgpu(
  { partials, counts, scale }: PlanTensors,
  numbers: PlanNumbers,
  backend: GpuBackend,
): { readonly plan: TensorInfo; readonly report: TensorInfo } {
  const { gradients, all, beta1, beta2, clip, ema, growAfter, mostScale } = numbers;
  const plan = backend.output([5]);
  const report = backend.output([2]);
  backend.dispatch({
    name: 'stepPlan',
    bindings: [
      read('partials', partials),
      update('counts', counts),
      ...(scale === undefined ? [] : [update('scale', scale)]),
      write('plan', plan),
      write('report', report, 'u32'),
    ],
    uniforms: {
      gradients,
      all,
      log_beta1: f32(logarithm(beta1)),
      log_beta2: f32(logarithm(beta2)),
      clip: f32(clip),
      ema: f32(ema),
      grow_after: growAfter,
      most_scale: f32(mostScale),
    },
    size: SIZE,
    groups: 1,
    declarations: () => `
      ${sumWorkgroup(SIZE)}
      // By the bits: WGSL lets compilers assume that comparisons never see infinity or NaN.
      fn is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }
      // 1 - exp(x) for x <= 0, by its series where the difference would cancel.
      fn one_less_exp(x: f32) -> f32 {
        let series = -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0)))));
        return select(1.0 - exp(x), series, x > -0.25);
      }`,
    body: () => `
      var squares = 0.0;
      for (var i = lane; i < u.gradients; i += ${SIZE}u) { squares += partials[i]; }
      let total = sum_workgroup(squares, lane);
      var bad = 0.0;
      for (var i = u.gradients + lane; i < u.all; i += ${SIZE}u) { bad += select(1.0, 0.0, is_finite(partials[i])); }
      let bad_losses = sum_workgroup(bad, lane);
      if (lane != 0u || block != 0u) { return; }
      let now = ${scale === undefined ? '1.0' : 'scale[0]'};
      let loss_is_finite = bad_losses == 0.0;
      let finite = is_finite(total);
      let go = loss_is_finite && finite;
      let norm = sqrt(select(0.0, total, finite)) / now;
      let updates = counts[0] + select(0, 1, go);
      counts[0] = updates;
      ${scale === undefined ? '' : followScale}
      let t = f32(max(1, updates));
      plan[0] = select(0.0, 1.0, go);
      plan[1] = select(1.0, u.clip / norm, norm > u.clip) / now;
      plan[2] = 1.0 / one_less_exp(t * u.log_beta1);
      plan[3] = inverseSqrt(one_less_exp(t * u.log_beta2));
      plan[4] = min(u.ema, (1.0 + t) / (10.0 + t)); // early averages would otherwise remember the random start
      report[0] = select(0x7fc00000u, bitcast<u32>(norm), go); // NaN where the step was skipped
      report[1] = bitcast<u32>(now);`,
  });
  return { plan, report };
}

/** A loss that is not finite is none of the scale's making. */
const followScale = `
      if (loss_is_finite) {
        let good = select(0, counts[1] + 1, finite);
        let grow = good >= i32(u.grow_after);
        counts[1] = select(good, 0, grow);
        scale[0] = select(max(1.0, 0.5 * now), select(now, min(u.most_scale, 2.0 * now), grow), finite);
      }`;
