/**
 * @file What a training stops to look at: held-out data, by which the best weights are known and the learning rate halves,
 * and samples. Both with the averaged weights in place. A look that a stop cuts short is owed, and had when the training
 * goes on.
 */
import { isStop } from '../core/stopping.ts';
import { type Look, looks } from './loop-state.ts';
import type { Side } from './moves.ts';
import { averagedWeights, isOutOfPatience, type LoopState, type Progress } from './saved-training.ts';
import type { LoopConfig, Watcher } from './task.ts';

/** What a look needs beside the training itself. */
export interface Looking {
  readonly config: LoopConfig;
  readonly watcher: Watcher;
  readonly signal: AbortSignal | undefined;
  /** Whether there is held-out data. */
  readonly validates: boolean;
}

/** Whether something after this step wants to know what has become of the steps so far. */
export function isLooked(step: number, config: LoopConfig): boolean {
  const { logEvery, evalEvery, sampleEvery, saveEvery } = config;
  return [logEvery, evalEvery, sampleEvery, saveEvery].some(every => isDue(step, every, config));
}

/** Whether something comes after this step that comes every so many steps, and after the last. */
export function isDue(step: number, every: number, { steps }: LoopConfig): boolean {
  return step === steps || step % every === 0;
}

/** The first look that is due after a step. @param among those that may be */
export function nextLook(step: number, config: LoopConfig, among: readonly Look[] = looks): Look | undefined {
  const every = { evaluation: config.evalEvery, samples: config.sampleEvery };
  return among.find(kind => isDue(step, every[kind], config));
}

/** Has the looks that are owed, until the training is to stop: then what is left stays owed, and the step can be saved. */
export async function look(progress: Progress, looking: Looking): Promise<void> {
  const { sides, state } = progress;
  const { config, watcher, signal, validates } = looking;
  while (state.owed !== undefined && signal?.aborted !== true) {
    const kind = state.owed;
    try {
      if (kind === 'samples') await withAverages(sides, async () => watcher.onSample?.(state.step, signal));
      else if (validates) await evaluate(progress, looking);
    } catch (error) {
      if (isStop(signal, error)) return;
      throw error;
    }
    const left = looks.slice(looks.indexOf(kind) + 1);
    // The last step is looked at, whatever its number.
    state.owed = isOutOfPatience(state, config) ? left[0] : nextLook(state.step, config, left);
  }
}

/** Runs `body` with every player's averaged weights in place. */
function withAverages<T>(sides: readonly Side[], body: () => Promise<T>): Promise<T> {
  const [first, ...others] = sides;
  return first === undefined ? body() : first.optimizer.withAverage(() => withAverages(others, body));
}

async function evaluate({ task, sides, state }: Progress, { config, watcher, signal }: Looking): Promise<void> {
  const measured = await withAverages(sides, () => task.evaluate(signal));
  if (measured === undefined) return;
  const prefixed = Object.fromEntries(
    Object.entries(measured).map(([name, value]) => [name.startsWith('check_') ? name : `val_${name}`, value]),
  );
  watcher.onLog?.({ step: state.step, ...prefixed });
  await watcher.onEvaluation?.(state.step);
  if (!(measured.loss < state.best)) {
    waitOnPlateau(config, state, watcher);
    waitForBetter(config, state, watcher);
  } else {
    state.stale = 0;
    state.waited = 0;
    state.best = measured.loss;
    await watcher.onBest?.(await averagedWeights(sides), { step: state.step, ...measured });
  }
}

/** Counts a validation that was not the best, and says so where it was one too many. */
function waitForBetter(config: LoopConfig, state: LoopState, watcher: Watcher): void {
  const { patience = 0, steps } = config;
  if (patience === 0) return;
  state.waited++;
  if (!isOutOfPatience(state, config) || state.step >= steps) return;
  watcher.onMessage?.(`step ${state.step}: no better validation in ${patience}; the training ends, the best is kept`);
}

/** Most halvings of the learning rate, as in Ramesh et al. 2021, B.2: down to a 32nd. */
const MOST_HALVINGS = 5;

/** Counts a validation that was not the best, and halves the learning rate after `plateau` of them in a row. */
function waitOnPlateau({ plateau = 0 }: LoopConfig, state: LoopState, watcher: Watcher): void {
  if (plateau === 0) return;
  state.stale++;
  if (state.stale < plateau || state.halvings === MOST_HALVINGS) return;
  state.stale = 0;
  state.halvings++;
  watcher.onMessage?.(`step ${state.step}: no better validation in ${plateau}; the learning rate is halved`);
}
