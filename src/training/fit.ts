/** @file How many steps a training makes that has a time to keep to, once it is known how long its steps take. */

/** Where a training with a time to keep to stands. */
export interface Pace {
  /** Steps done, and steps in all. */
  readonly step: number;
  readonly steps: number;
  /** Seconds since the first step, with everything between steps. */
  readonly spent: number;
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

/** Share of its time that a training may overrun before it is shortened. */
const TOLERANCE = 0.1;

/**
 * The steps of a training that keeps to its seconds: as planned, unless at the pace so far it would take a tenth longer; then as
 * many as fit, at least one more than are done.
 */
export function stepsThatFit({ step, steps, spent }: Pace, seconds: number): number {
  if (step === 0 || step >= steps || (spent / step) * steps <= (1 + TOLERANCE) * seconds) return steps;
  return Math.min(steps, Math.max(step + 1, Math.floor((seconds * step) / spent)));
}
