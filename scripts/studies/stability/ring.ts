/**
 * @file The data of tier T1, eight Gaussians on a circle, and how samples are judged: by the modes they reach and how
 * much of them is near one. The success rule was fixed before the study: all modes hold at least 1% of the samples
 * within three deviations, and more than 30% of all samples are that near to some mode.
 */
import type { Random } from '../../../src/core/random.ts';

export const MODES = 8;
const RADIUS = 1;
const DEVIATION = 0.02;

const NEAR = 3 * DEVIATION;
const LEAST_SHARE = 0.01;
const LEAST_NEAR = 0.3;

/** Where mode k is. */
export function centre(k: number): readonly [x: number, y: number] {
  const angle = (2 * Math.PI * k) / MODES;
  return [RADIUS * Math.cos(angle), RADIUS * Math.sin(angle)];
}

/** Points of the ring, [count, 2] row-major, and the mode of each. */
export function ringPoints(
  random: Random,
  count: number,
): { readonly points: Float32Array; readonly modes: Uint8Array } {
  const points = random.normals(2 * count, DEVIATION);
  const modes = Uint8Array.from({ length: count }, () => random.integer(MODES));
  for (let i = 0; i < count; i++) {
    const [x, y] = centre(modes[i]);
    points[2 * i] += x;
    points[2 * i + 1] += y;
  }
  return { points, modes };
}

export interface Judgement {
  /** All modes reached, and enough of the samples near one. */
  readonly success: boolean;
  /** Modes that hold at least 1% of the samples within three deviations, 0 to 8. */
  readonly modes: number;
  /**
   * Modes that are the nearest to at least 1% of the samples, however far: what is blurred has all, what collapsed not.
   */
  readonly drawn: number;
  /** Share of the samples within three deviations of a mode. */
  readonly near: number;
  /** KL from the shares of the modes among the near samples to the uniform ones, in nats; null if no sample is near. */
  readonly kl: number | null;
  readonly finite: boolean;
}

/** @param points [count, 2] row-major */
export function judge(points: ArrayLike<number>): Judgement {
  const counts = new Array<number>(MODES).fill(0);
  const nearest = new Array<number>(MODES).fill(0);
  const total = points.length / 2;
  let finite = true;
  for (let i = 0; i < total; i++) {
    const [x, y] = [points[2 * i], points[2 * i + 1]];
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      finite = false;
      continue;
    }
    const turn = Math.round((Math.atan2(y, x) / (2 * Math.PI)) * MODES);
    const k = (turn + MODES) % MODES;
    nearest[k]++;
    const [cx, cy] = centre(k);
    if (Math.hypot(x - cx, y - cy) <= NEAR) counts[k]++;
  }
  const close = counts.reduce((sum, count) => sum + count, 0);
  const held = (each: readonly number[]) => each.filter(count => count >= LEAST_SHARE * total).length;
  const [modes, drawn] = [held(counts), held(nearest)];
  const near = close / total;
  const shares = counts.map(count => count / close).filter(share => share > 0);
  const kl = close === 0 ? null : shares.reduce((sum, share) => sum + share * Math.log(share * MODES), 0);
  return { success: finite && modes === MODES && near > LEAST_NEAR, modes, drawn, near, kl, finite };
}
