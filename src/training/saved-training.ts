/**
 * @file A training on disk: what the loop saves, what it goes on with, and what others ask of a folder before they train in
 * it or load from it.
 */
import { join } from 'node:path';
import type { Random } from '../core/random.ts';
import { readSafetensors } from '../io/files.ts';
import { encodeSafetensors } from '../io/safetensors.ts';
import { loadState, type SavedState, saveState } from '../io/state.ts';
import { Checkpoint } from '../nn/module.ts';
import type { Pace } from './fit.ts';
import { type Look, readLoopState } from './loop-state.ts';
import type { KeptWindow } from './measured.ts';
import type { Side } from './moves.ts';
import { asTensors, namedValues } from './named-values.ts';
import type { LoopConfig, Task, Watcher, Weights } from './task.ts';

/** What the loop itself must remember. */
export interface LoopState {
  step: number;
  best: number;
  skipped: number;
  /** How often the learning rate was halved, and validations since the last that was the best or after which it was. */
  halvings: number;
  stale: number;
  /** Validations since the best. */
  waited: number;
  /** Time spent in steps, those before a resume included. */
  seconds: number;
  /** Seconds since the first step, looks and saved states included; those before a resume too, but not the pause. */
  spent: number;
  /** Steps in all, of a training with a time to keep to: they may have become others than it began with. */
  steps?: number;
  /** What was known of its speed when its steps were fitted last. */
  pace?: Pace;
  /** What of the looks at this step is still to be had, because the training was stopped before: this one and those after. */
  owed?: Look;
}

/** What says how long a training is. */
type Length = Pick<LoopConfig, 'steps' | 'patience'>;

/** Whether so many evaluations in a row were no better that no more is hoped for. */
export function isOutOfPatience({ waited = 0 }: { readonly waited?: number }, { patience = 0 }: Length): boolean {
  return patience > 0 && waited >= patience;
}

/** Whether no step is left to be made. */
export function isOver(state: { readonly step: number; readonly waited?: number }, config: Length): boolean {
  return state.step >= config.steps || isOutOfPatience(state, config);
}

/** Whether nothing is left to do. */
export function isFinished(
  state: { readonly step: number; readonly waited?: number; readonly owed?: Look },
  config: Length,
): boolean {
  return isOver(state, config) && state.owed === undefined;
}

/** A training as it is saved and resumed. */
export interface Progress {
  readonly task: Task;
  readonly sides: readonly Side[];
  readonly state: LoopState;
}

/** Saves a training as one atomic step, after the watcher has written what others read. */
export async function saveTraining(
  folder: string,
  { task, sides, state }: Progress,
  { watcher, window }: { readonly watcher: Watcher; readonly window: KeptWindow },
): Promise<void> {
  const weights = await task.parameters.values();
  const extra = await task.save?.();
  // First what others read, then the state that calls it done: killed between the two, the steps since are made again.
  await watcher.onSave?.(weights, await averagedWeights(sides), state.step);
  const moments = await Promise.all(sides.map(({ optimizer }) => optimizer.state()));
  const progress = await Promise.all(sides.map(({ optimizer }) => optimizer.progress()));
  await saveState(folder, {
    'weights.safetensors': encodeSafetensors(asTensors(weights)),
    'optimizer.safetensors': encodeSafetensors(asTensors(new Map(moments.flatMap(part => [...part])))),
    'task.safetensors': encodeSafetensors(extra?.arrays ?? new Map()),
    'state.json': JSON.stringify({
      ...state,
      best: Number.isFinite(state.best) ? state.best : null,
      window,
      updates: progress.map(({ updates }) => updates),
      ...(sides.some(({ optimizer }) => optimizer.scaling) && {
        lossScales: progress.map(({ lossScale }) => lossScale ?? null),
      }),
      task: extra?.values ?? null,
    }),
  });
}

/** The averaged weights of all players, in one map. */
export async function averagedWeights(sides: readonly Side[]): Promise<Weights> {
  const parts = await Promise.all(sides.map(({ optimizer }) => optimizer.average()));
  return new Map(parts.flatMap(part => [...part]));
}

/**
 * Takes over what was saved.
 * @returns the sums of the steps since the last record of the log
 * @throws UserError naming the file that does not fit
 */
export async function resumeTraining(
  saved: SavedState,
  { task, sides, state }: Progress,
): Promise<KeptWindow | undefined> {
  const file = (name: string) => join(saved.path, name);
  const stored = await readLoopState(saved, sides.length);
  const values = async (name: string) => namedValues((await readSafetensors(file(name))).tensors, file(name));
  task.parameters.load(await values('weights.safetensors'), file('weights.safetensors'));
  const moments = await values('optimizer.safetensors');
  sides.forEach(({ optimizer }, i) => {
    const progress = { updates: stored.updates[i], lossScale: stored.lossScales?.[i] ?? undefined };
    optimizer.load(moments, progress, file('optimizer.safetensors'));
  });
  const own = file('task.safetensors');
  task.restore?.((await readSafetensors(own)).tensors, stored.task, own);
  state.step = stored.step;
  state.skipped = stored.skipped;
  state.halvings = stored.halvings ?? 0;
  state.stale = stored.stale ?? 0;
  state.waited = stored.waited ?? 0;
  state.seconds = stored.seconds;
  state.best = stored.best ?? Number.POSITIVE_INFINITY;
  state.owed = stored.owed;
  state.spent = stored.spent ?? stored.seconds;
  if (state.steps !== undefined) {
    state.steps = stored.steps ?? state.steps;
    state.pace = stored.pace;
  }
  return stored.window;
}

/** The step that a run's folder would resume at; 0 where there is none. */
export async function savedStep(folder: string): Promise<number> {
  return (await savedProgress(folder)).step;
}

/** How far the training in a run's folder is: its step, and the seconds spent in steps so far. */
export async function savedProgress(folder: string): Promise<Pick<LoopState, 'step' | 'seconds'>> {
  const saved = await loadState(folder);
  if (saved === undefined) return { step: 0, seconds: 0 };
  const { step, seconds } = await readLoopState(saved);
  return { step, seconds };
}

/** Whether a resumed training will write a record of its step again, because it owes the evaluation of that step. */
export async function owesEvaluation(folder: string): Promise<boolean> {
  const saved = await loadState(folder);
  return saved !== undefined && (await readLoopState(saved)).owed === 'evaluation';
}

/** Whether a folder's state is that of a training of so many steps that has nothing left to do. */
export async function isTrained(folder: string, config: Length): Promise<boolean> {
  const saved = await loadState(folder);
  return saved !== undefined && isFinished(await readLoopState(saved), config);
}

/** The step at which a training in a folder ended before its last, because nothing became better; undefined if it did not. */
export async function endedEarly(folder: string, config: Length): Promise<number | undefined> {
  const saved = await loadState(folder);
  if (saved === undefined) return undefined;
  const state = await readLoopState(saved);
  return state.step < config.steps && isOutOfPatience(state, config) ? state.step : undefined;
}

/**
 * Where the first values of a model come from that is trained in a folder: of a training that goes on, the saved weights,
 * which it will be loaded with.
 * @throws UserError if the weights are damaged
 */
export async function sourceOf(folder: string, random: Random): Promise<Random | Checkpoint> {
  const saved = await loadState(folder);
  if (saved === undefined) return random;
  const path = join(saved.path, 'weights.safetensors');
  return new Checkpoint(namedValues((await readSafetensors(path)).tensors, path), path);
}
