/** @file Values without gradients: what runs in `detached` leaves no trace on the tape. */
import { runUnrecorded } from '../device/tfjs.ts';

/**
 * Runs `f` unrecorded, so that what it returns counts as constant: a straight-through estimate is
 * `x + detached(() => rounded - x)`. tfjs has no stop-gradient operation; it records nothing inside a kernel, so
 * `f` is run as if it were one.
 * @returns what `f` returns; its tensors belong to the enclosing tidy as usual
 */
export function detached<T>(f: () => T): T {
  return runUnrecorded(f);
}
