/**
 * @file Pictures between pictures, of families that make a whole image of noise and of the features of a caption: both are moved
 * from those of one picture to those of the next, along the sphere that they lie on.
 */
import {
  booleanCheck,
  checkOptions,
  checkValue,
  listCheck,
  objectCheck,
  seedCheck,
  textCheck,
  wholeCheck,
} from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { ordersOf, type Painted } from './orders.ts';
import type { InterpolateOptions, Keyframe } from './painter.ts';
import type { Order } from './queue.ts';

/** Most pictures of one interpolation. */
const MOST_FRAMES = 10_000;

const keyframesCheck = listCheck('keyframes, { caption, seed }', objectCheck, { least: 2 });
const keyframeChecks = { caption: textCheck, seed: seedCheck, number: wholeCheck({ least: 0 }) };

/**
 * The orders of an interpolation: as many as `frames`, evenly spread over the way, each keyframe among them as it is.
 * @throws UserError naming the first argument that does not fit
 */
export function framesOf(
  painter: Painted,
  keyframes: readonly Keyframe[],
  { frames, loop = false, ...options }: InterpolateOptions,
): Order[] {
  checkValue('interpolate: keyframes', keyframes, keyframesCheck);
  for (const keyframe of keyframes) checkOptions('interpolate: keyframe', keyframe, keyframeChecks, ['caption']);
  const least = keyframes.length + (loop ? 1 : 0);
  checkValue('interpolate: frames', frames, wholeCheck({ least, most: MOST_FRAMES }));
  checkValue('interpolate: loop', loop, booleanCheck);
  if (new Set(keyframes.map(({ caption }) => caption === '')).size > 1) {
    throw new UserError('interpolate', "nothing lies between a caption and none: expected captions, or '' alone");
  }
  const ends = keyframes.flatMap(({ caption, seed = 0, number = 0 }) =>
    ordersOf(painter, [caption], { ...options, seed, numbers: [number] }),
  );
  return between(ends, { frames, loop });
}

/** See `framesOf`; of pictures whose arguments are checked. */
function between(
  ends: readonly Order[],
  { frames, loop }: { readonly frames: number; readonly loop: boolean },
): Order[] {
  const segments = loop ? ends.length : ends.length - 1;
  const steps = loop ? frames : frames - 1;
  const places = Array.from({ length: segments + 1 }, (_, i) => Math.round((i * steps) / segments));
  const orders = ends.slice(0, segments).flatMap((end, i) => {
    const [count, next] = [places[i + 1] - places[i], ends[(i + 1) % ends.length]];
    return Array.from({ length: count }, (_, k) =>
      k === 0 ? end : { ...end, towards: { order: next, share: k / count } },
    );
  });
  return loop ? orders : [...orders, ends[ends.length - 1]];
}

/**
 * Spherical interpolation (Shoemake 1985; of noise: White 2016, arXiv:1609.04468): a share of the way from a to b along the arc
 * between them, so that what lies between is as long as they are. Without an angle between them the way is straight.
 * @param ends a and b, of one length; @param share in [0, 1]
 * @returns a new array, a copy of a where both are equal
 */
export function slerp([a, b]: readonly [Float32Array, Float32Array], share: number): Float32Array {
  if (a.every((value, i) => value === b[i])) return a.slice();
  const product = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  const lengths = Math.sqrt(product(a, a) * product(b, b));
  const angle = lengths === 0 ? 0 : Math.acos(Math.min(1, Math.max(-1, product(a, b) / lengths)));
  const sine = Math.sin(angle);
  const straight = sine < 1e-6;
  const p = straight ? 1 - share : Math.sin((1 - share) * angle) / sine;
  const q = straight ? share : Math.sin(share * angle) / sine;
  return a.map((value, i) => p * value + q * b[i]);
}
