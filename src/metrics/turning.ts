/**
 * @file Whether a loss on held-out data has turned for good, so that what a training learns from there on it learns by
 * heart: by a rule that was fixed before any run, from the losses alone. A few held-out items make a curve that jumps; it
 * tells how much it jumps by itself.
 */
import { median } from '../core/numbers.ts';

/** A loss, of held-out data or of training steps. */
export interface LossAt {
  readonly step: number;
  readonly value: number;
}

/** Evaluations in a row, the last one among them, that must lie above the lowest. */
const IN_A_ROW = 3;
/** By more than so many standard deviations of the jumps, and more than this share of the lowest. */
const DEVIATIONS = 4;
const LEAST_SHARE = 0.01;

/**
 * The lowest loss, where the last three all lie above it by more than noise: four standard deviations of the curve's jumps,
 * and a hundredth of the lowest loss. Of forty values that only jump, the lowest lies two deviations below the mean, and three
 * in a row two above it are rare: of trainings without any rise, two in a hundred are told to have turned.
 * @param losses in the order of steps; those that are not finite count for nothing
 * @returns undefined while the loss has not turned
 */
export function turningOf(losses: readonly LossAt[]): LossAt | undefined {
  const known = losses.filter(({ value }) => Number.isFinite(value));
  const lowest = lowestOf(known);
  if (lowest === undefined) return undefined;
  const at = known.indexOf(lowest);
  const later = known.slice(at + 1);
  if (later.length < IN_A_ROW) return undefined;
  const values = known.map(({ value }) => value);
  const jumps = Math.max(jumpOf(values), jumpOf(values.slice(Math.max(0, at - 1)))); // few values may lie smooth by chance
  const noise = Math.max(DEVIATIONS * jumps, LEAST_SHARE * Math.abs(lowest.value));
  return later.slice(-IN_A_ROW).every(({ value }) => value > lowest.value + noise) ? lowest : undefined;
}

/**
 * The lowest held-out loss where it has turned and the training loss has gone on falling since: what is learnt from there on is
 * learnt by heart. Where both rise, something else is wrong.
 * @param training losses of training steps, in their order; without any no more is known than that it has turned
 */
export function learntByHeartSince(heldOut: readonly LossAt[], training: readonly LossAt[]): LossAt | undefined {
  const turned = turningOf(heldOut);
  if (turned === undefined || training.length === 0) return turned;
  const known = training.filter(({ value }) => Number.isFinite(value));
  const then = known.findLast(({ step }) => step <= turned.step) ?? known[0];
  const now = known.at(-1);
  return now !== undefined && now.step > then.step && now.value < then.value ? turned : undefined;
}

/** The first of the lowest losses; undefined of none. */
export function lowestOf(losses: readonly LossAt[]): LossAt | undefined {
  return losses.reduce<LossAt | undefined>(
    (least, loss) => (least === undefined || loss.value < least.value ? loss : least),
    undefined,
  );
}

/**
 * Standard deviation of the noise on a smooth curve, from the median of its second differences, in which slopes cancel: of
 * independent noise of deviation s they have sqrt(6) s, and half of a normal variable's values lie within 0.6745 deviations.
 */
function jumpOf(values: readonly number[]): number {
  const second = values.slice(2).map((value, i) => Math.abs(value - 2 * values[i + 1] + values[i]));
  return median(second) / (0.6745 * Math.sqrt(6));
}
