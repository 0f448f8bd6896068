/**
 * @file How many steps a training makes that has a time to keep to, once it is known how long its steps take: fewer on a machine
 * that turns out slower; more, up to the most that it may have, on one that turns out quicker, or was slow for a while. Pure.
 */

/** What is known of the speed of a training, from one saved state to the next. */
export interface Pace {
  /** Steps done, and seconds since the first one, with everything between steps. */
  readonly step: number;
  readonly spent: number;
  /** What a step takes by now. */
  readonly secondsAStep: number;
}

/** A rhythm that goes with a number of steps. */
export interface PlannedRhythm {
  readonly steps: number;
  readonly sampleEvery: number;
}

/** Steps between samples of a training of so many steps: of fewer than were planned as much sooner, so that as many are seen. */
export function sampleEveryOf(planned: PlannedRhythm, steps: number): number {
  return Math.max(1, Math.round(planned.sampleEvery * Math.min(1, steps / planned.steps)));
}

/**
 * The pace after some more steps. What they took counts half, and what was known before the other half: one slow stretch, with a
 * sheet of samples in it, is not taken for the speed of the machine, and one that is over is forgotten after a few states.
 * @param before undefined at the first state
 */
export function paceAfter({ step, spent }: Omit<Pace, 'secondsAStep'>, before: Pace | undefined): Pace {
  if (before === undefined || step <= before.step) return { step, spent, secondsAStep: spent / Math.max(1, step) };
  const recent = (spent - before.spent) / (step - before.step);
  return { step, spent, secondsAStep: (recent + before.secondsAStep) / 2 };
}

/** Share of its time by which a training may miss it, either way, before it gets other steps. */
const TOLERANCE = 0.1;
/** Share of a lengthened training that must be left. */
const LEFT = 0.2;

/**
 * The steps of a training that keeps to its seconds: as they are, unless at its pace it would take a tenth longer; then as many as
 * fit, at least one more than are done. And unless it would be done a tenth sooner; then as many as fit again, up to the most.
 * In between nothing changes, so that a pace that wavers does not make the steps
 * waver: after a change the training takes what it may, and the next needs a tenth of all the time again.
 *
 * The learning rate follows the steps: it jumps back up, to where that of the longer training is at this step. What the small
 * rates of the shorter one had settled is stirred up again, and takes steps at small rates once more to settle; so it is never
 * lengthened by a handful of steps at its end. It is lengthened where a fifth or more of the longer training is left. A cosine
 * is at a tenth of its peak there, or above, so that the weights still move, and has time to come down: the end is that of a training
 * of so many steps of which some were made at too small a rate, which are the only ones that are lost.
 * @param most steps that it may have: where nobody asked for the time, those that were planned
 */
export function stepsThatFit(
  { step, spent, secondsAStep }: Pace,
  { steps, most = steps, seconds }: { readonly steps: number; readonly most?: number; readonly seconds: number },
): number {
  if (step === 0 || step >= steps || !(secondsAStep > 0)) return steps; // a clock may stand still
  const whole = spent + (steps - step) * secondsAStep;
  const fitting = step + Math.floor((seconds - spent) / secondsAStep);
  if (whole > (1 + TOLERANCE) * seconds) return Math.min(steps, Math.max(step + 1, fitting));
  const longer = Math.min(most, fitting);
  const isWorthIt = whole < (1 - TOLERANCE) * seconds && longer - step >= LEFT * longer;
  return isWorthIt ? Math.max(steps, longer) : steps;
}
