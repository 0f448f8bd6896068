/** @file How long a step of a training takes: real steps through the real optimizer, whose outcome nobody keeps. */
import { median } from '../core/numbers.ts';
import { Random } from '../core/random.ts';
import { hearSignal } from '../core/stopping.ts';
import { sidesOf } from './loop.ts';
import { playRound, readOutcomes } from './moves.ts';
import type { LoopConfig, Task } from './task.ts';

export interface TimingOptions {
  /** Milliseconds. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
  /** Seconds after which no further step is begun, once there are two. */
  readonly atMost?: number;
}

/** Steps that fetch memory and compile shaders, and most steps that are measured. */
const WARM_UP = 2;
const MOST = 8;

/**
 * Makes a few steps of a training, and changes its weights.
 * @returns the median of their times in seconds
 * @throws the signal's reason once it is aborted
 */
export async function secondsAStep(task: Task, config: LoopConfig, options: TimingOptions): Promise<number> {
  const { now, signal, atMost = 1 } = options;
  const random = new Random(0);
  const sides = sidesOf(task, config);
  const times: number[] = [];
  const one = async (step: number) => {
    await hearSignal(signal);
    const began = now();
    // A rate at which weights hardly move: what they become is thrown away, and must stay finite until then.
    const moves = await playRound(sides, { random, step, lr: config.lr * 1e-3, accumulate: config.accumulate });
    await readOutcomes(moves); // waits for a GPU
    await task.afterStep?.(step + 1, random.fork('after', step + 1));
    return (now() - began) / 1000;
  };
  try {
    for (let step = 0; step < WARM_UP; step++) await one(step);
    let all = 0;
    while (times.length < 2 || (times.length < MOST && all < atMost)) {
      times.push(await one(WARM_UP + times.length));
      all += times[times.length - 1];
    }
  } finally {
    for (const { optimizer } of sides) optimizer.dispose();
  }
  return median(times);
}
