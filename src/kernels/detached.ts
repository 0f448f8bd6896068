/** @file Values without gradients: what runs in `detached` leaves no trace on the tape. Uses the engine of tfjs-core 4.22.0. */
import * as tf from '@tensorflow/tfjs-core';

interface EngineInternals {
  readonly state: { kernelDepth: number };
}

/**
 * Runs `f` unrecorded, so that what it returns counts as constant: a straight-through estimate is
 * `x + detached(() => rounded - x)`. tfjs has no stop-gradient operation; it records nothing inside a kernel, and this
 * is what it is made to believe.
 * @returns what `f` returns; its tensors belong to the enclosing tidy as usual
 */
export function detached<T>(f: () => T): T {
  const { state } = tf.engine() as unknown as EngineInternals;
  state.kernelDepth++;
  try {
    return f();
  } finally {
    state.kernelDepth--;
  }
}
