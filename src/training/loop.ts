/**
 * @file One training loop for every model: a `Task` gives batches, losses and checks; the loop lets every player move in turn
 * (a model that minimises one loss is a game of one), measures, keeps the best on validation, saves, and resumes as if it
 * had never stopped. A step's randomness and data depend only on the seed and the step's number (or on a cursor that the
 * task saves), so that a killed and resumed run ends bit for bit where an unbroken one does. Knows nothing of captions,
 * images or files but its own state.
 */
import { join } from 'node:path';
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import type { Tensor } from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { isStop } from '../core/stopping.ts';
import { activeDevice } from '../device/device.ts';
import { readSafetensors } from '../io/files.ts';
import { encodeSafetensors, firstNotFinite, type TensorData, toFloat32 } from '../io/safetensors.ts';
import { loadState, type SavedState, saveState } from '../io/state.ts';
import { Checkpoint, type NamedValues, type Parameters } from '../nn/module.ts';
import { type Look, looks, readLoopState } from './loop-state.ts';
import { addTo, emptyWindow, type KeptWindow, keepWindow, type Metrics, meanOf, restoreWindow } from './measured.ts';
import {
  type BatchOf,
  discardMoves,
  type Losses,
  type Move,
  type Player,
  playRound,
  readOutcomes,
  type Side,
} from './moves.ts';
import { learningRate, Optimizer, type OptimizerConfig } from './optimizer.ts';

export type { BatchOf, Losses, Metrics, Player };

/** What a task has to remember beyond parameters. */
export interface TaskState {
  readonly arrays: ReadonlyMap<string, TensorData>;
  /** Small, and fit for JSON. */
  readonly values: unknown;
}

/** What the loop must know of a model and its data. */
export interface Task {
  /** All that is saved and resumed. */
  readonly parameters: Parameters;
  /** What the rate counts, and how many of them a step has. */
  readonly unit: 'tokens' | 'images';
  readonly unitsPerStep: number;
  /** Images shown in a step, and operations that its forward and backward passes need, for the log. */
  readonly imagesPerStep?: number;
  readonly flopsPerStep?: number;
  /** Batches of a model that minimises one loss; left out by a game, which has `players`. */
  readonly batch?: BatchOf;
  readonly players?: readonly Player[];
  /** Called once before the first step of a fresh run, not of a resumed one. */
  begin?(random: Random): Promise<void>;
  /** Called after every update, e.g. to revive unused codes. */
  afterStep?(step: number, random: Random): Promise<void>;
  /**
   * Measures on held-out data with the weights as they are; the lowest `loss` is the best. In the log names get `val_`
   * before them, unless they begin with `check_` (metrics/collapse.ts). Undefined: it has nothing to measure by.
   * @param signal aborted where the training is to stop: then it may reject with the signal's reason, and is called again at
   *   the same step when the training goes on
   */
  evaluate(signal?: AbortSignal): Promise<(Metrics & { readonly loss: number }) | undefined>;
  /** State beyond parameters and optimizer: arrays, and small values that fit JSON. */
  save?(): TaskState | Promise<TaskState>;
  /** @param where the file of the arrays, for errors. @throws UserError if they are not what `save` gave */
  restore?(arrays: ReadonlyMap<string, TensorData>, values: unknown, where: string): void;
  /** What is worth a line each when the training ends, e.g. how many captions were cut. */
  remarks?(): readonly string[];
  /** Frees what it holds beside the model. */
  dispose?(): void;
}

export interface LoopConfig extends OptimizerConfig {
  readonly steps: number;
  readonly accumulate: number;
  readonly lr: number;
  readonly warmup: number;
  readonly finalLr: number;
  /** See `learningRate`. */
  readonly decay?: number;
  /** Validations without a better loss after which the learning rate halves, five times at most; 0 (default): never. */
  readonly plateau?: number;
  readonly evalEvery: number;
  readonly sampleEvery: number;
  readonly saveEvery: number;
  readonly logEvery: number;
  readonly seed: number;
}

/** Weights worth keeping, as they are offered to the caller, who writes them. */
export type Weights = Awaited<ReturnType<Parameters['values']>>;

/** What the loop tells whoever watches. All of it optional. */
export interface Watcher {
  /** After every step: the mean loss since the last call of `onLog` and the units done so far. */
  readonly onStep?: (progress: { step: number; steps: number; loss: number; units: number }) => void;
  /** Every `logEvery` steps, and at evaluations: a record for metrics.jsonl. */
  readonly onLog?: (record: Metrics) => void;
  /** When to look at pictures; runs with the averaged weights in place. @param signal as for `Task.evaluate` */
  readonly onSample?: (step: number, signal?: AbortSignal) => Promise<void>;
  /** A better validation loss than any before: the averaged weights. */
  readonly onBest?: (weights: Weights, metrics: Metrics) => Promise<void>;
  /** With every saved state: the weights and their average. */
  readonly onSave?: (weights: Weights, average: Weights, step: number) => Promise<void>;
  /** Something worth a line: a resumed run, a skipped step. */
  readonly onMessage?: (message: string) => void;
}

export interface TrainResult {
  readonly step: number;
  readonly finished: boolean;
  readonly best: number;
}

const MOST_SKIPPED = 10;
/** Steps that a GPU is sent before their outcomes are read at the latest: further ahead of it the CPU should not run. */
const MOST_SENT = 64;

/** What the loop itself must remember. */
interface LoopState {
  step: number;
  best: number;
  skipped: number;
  /** How often the learning rate was halved, and validations since the last that was the best or after which it was. */
  halvings: number;
  stale: number;
  /** Time spent in steps, those before a resume included. */
  seconds: number;
  /** What of the looks at this step is still to be had, because the training was stopped before: this one and those after. */
  owed?: Look;
}

/** The players of a task; a model that minimises one loss is a game of one. */
function sidesOf(task: Task, config: LoopConfig): Side[] {
  const { players, batch, parameters } = task;
  const { lossScaling } = activeDevice();
  const alone = batch === undefined ? [] : [{ name: '', parameters: parameters.list(), batch: batch.bind(task) }];
  return (players ?? alone).map((player: Player) => ({
    player,
    variables: player.parameters.map(({ variable }) => variable as Tensor),
    optimizer: new Optimizer(player.parameters, { ...config, ...player.optimizer }, { lossScaling }),
  }));
}

/**
 * Trains until `config.steps`, or until `signal` asks it to stop, which saves and returns.
 * @param folder where the state is kept; a state that is there is resumed
 * @param now milliseconds, for the logged rate
 * @throws UserError after ten steps in a row whose loss or gradient was not finite
 */
export async function train(
  task: Task,
  config: LoopConfig,
  options: {
    readonly folder: string;
    readonly watcher?: Watcher;
    readonly signal?: AbortSignal;
    readonly now: () => number;
    /** Whether there is held-out data to measure on; default true. Without, the task's `evaluate` is never called. */
    readonly validates?: boolean;
  },
): Promise<TrainResult> {
  const { folder, watcher = {}, signal, now, validates = true } = options;
  const random = new Random(config.seed);
  const state: LoopState = { step: 0, best: Number.POSITIVE_INFINITY, skipped: 0, halvings: 0, stale: 0, seconds: 0 };
  const saved = await loadState(folder);
  if (saved === undefined) await task.begin?.(random.fork('begin')); // before the averages copy the weights
  const sides = sidesOf(task, config);
  for (const { player, optimizer } of sides) {
    if ({ ...config, ...player.optimizer }.optimizer !== 'muon' || optimizer.muonCount > 0) continue;
    watcher.onMessage?.(`${player.name || 'model'}: no matrix is marked as inner, so that AdamW updates all, not Muon`);
  }
  const sent: SentStep[] = [];
  try {
    const resumed = saved === undefined ? undefined : await resume(saved, task, sides, state);
    if (resumed !== undefined) watcher.onMessage?.(`resumed at step ${state.step}`);
    let window = restoreWindow(resumed?.window, now());
    let loss = Number.NaN;
    let savedAt = state.step;
    /** Takes in what has become of the steps sent so far. */
    const takeOutcomes = async () => {
      const outcomes = await readOutcomes(sent.flatMap(({ moves }) => moves));
      let at = 0;
      for (const { step, moves } of sent.splice(0)) {
        const ofStep = outcomes.slice(at, at + moves.length);
        at += moves.length;
        const verdicts = ofStep.map(({ verdict }) => verdict);
        if (verdicts.every(verdict => verdict === 'done')) {
          state.skipped = 0;
          addTo(window, Object.assign({}, ...ofStep.map(({ metrics }) => metrics)) as Metrics);
        } else if (verdicts.includes('skipped')) {
          state.skipped++;
          reportSkipped(step, state.skipped, watcher);
        }
      }
      if (window.steps > 0) loss = shownLoss(sides, meanOf(window));
    };

    const saveNow = async () => {
      await save(folder, task, sides, { state, watcher, window: keepWindow(window, now()) });
      savedAt = state.step;
    };
    const looking = { config, state, watcher, signal, validates };
    const { owed } = state;
    if (owed !== undefined) await look(task, sides, looking);
    if (state.owed !== owed) await saveNow(); // what was had now is not owed any more
    while (state.step < config.steps && signal?.aborted !== true) {
      await turnOfEventLoop(); // a step awaits nothing else that lets signals and decoded images in
      const lr = learningRate(config, state.step) * 0.5 ** state.halvings;
      const started = now();
      const moves = await playRound(sides, { random, step: state.step, lr, accumulate: config.accumulate });
      const step = ++state.step;
      sent.push({ step, moves });
      if (!sides.some(({ optimizer }) => optimizer.onDevice) || isLooked(step, config) || sent.length >= MOST_SENT) {
        await takeOutcomes();
      }
      await task.afterStep?.(step, random.fork('after', step));
      state.seconds += (now() - started) / 1000;
      watcher.onStep?.({ step, steps: config.steps, loss, units: step * task.unitsPerStep });
      if (isDue(step, config.logEvery, config)) {
        const rate = (window.steps * task.unitsPerStep * 1000) / Math.max(1e-9, now() - window.since);
        watcher.onLog?.({ step, ...meanOf(window), lr, [`${task.unit}PerSecond`]: rate, ...spent(task, state) });
        window = emptyWindow(now());
      }
      state.owed = nextLook(step, config, looks);
      await look(task, sides, looking);
      if (state.owed === undefined && isDue(step, config.saveEvery, config)) await saveNow();
    }
    if (sent.length > 0) {
      const started = now();
      await takeOutcomes();
      state.seconds += (now() - started) / 1000;
    }
    if (savedAt !== state.step) await saveNow();
    return { step: state.step, finished: isFinished(state, config), best: state.best };
  } finally {
    discardMoves(sent.flatMap(({ moves }) => moves));
    for (const { optimizer } of sides) optimizer.dispose();
  }
}

/** A step whose outcome has not been taken in yet. */
interface SentStep {
  readonly step: number;
  readonly moves: readonly Move[];
}

/** Whether something after this step wants to know what has become of the steps so far. */
function isLooked(step: number, config: LoopConfig): boolean {
  const { logEvery, evalEvery, sampleEvery, saveEvery } = config;
  return [logEvery, evalEvery, sampleEvery, saveEvery].some(every => isDue(step, every, config));
}

/** Whether something comes after this step that comes every so many steps, and after the last. */
function isDue(step: number, every: number, { steps }: LoopConfig): boolean {
  return step === steps || step % every === 0;
}

function isFinished({ step, owed }: Pick<LoopState, 'step' | 'owed'>, { steps }: Pick<LoopConfig, 'steps'>): boolean {
  return step >= steps && owed === undefined;
}

/** The first of some looks that is due after a step. */
function nextLook(step: number, config: LoopConfig, among: readonly Look[]): Look | undefined {
  const every = { evaluation: config.evalEvery, samples: config.sampleEvery };
  return among.find(kind => isDue(step, every[kind], config));
}

/** Has the looks that are owed, until the training is to stop: then what is left stays owed, and the step can be saved. */
async function look(task: Task, sides: readonly Side[], looking: Looking): Promise<void> {
  const { config, state, watcher, signal, validates } = looking;
  while (state.owed !== undefined && signal?.aborted !== true) {
    const kind = state.owed;
    try {
      if (kind === 'samples') await withAverages(sides, async () => watcher.onSample?.(state.step, signal));
      else if (validates) await evaluate(task, sides, looking);
    } catch (error) {
      if (isStop(signal, error)) return;
      throw error;
    }
    state.owed = nextLook(state.step, config, looks.slice(looks.indexOf(kind) + 1));
  }
}

/** What a look at a step needs to know. */
interface Looking {
  readonly config: LoopConfig;
  readonly state: LoopState;
  readonly watcher: Watcher;
  readonly signal: AbortSignal | undefined;
  readonly validates: boolean;
}

/** The loss that a progress line shows: in a game the last player's, which is no measure of progress. */
function shownLoss(sides: readonly Side[], means: Metrics): number {
  const { name } = sides[sides.length - 1].player;
  return means[name === '' ? 'loss' : `${name}_loss`] ?? Number.NaN;
}

/** What the training has cost so far, on every axis by which models may be compared. */
function spent({ imagesPerStep, flopsPerStep }: Task, { step, seconds }: LoopState): Metrics {
  return {
    seconds,
    ...(imagesPerStep === undefined ? {} : { images: step * imagesPerStep }),
    ...(flopsPerStep === undefined ? {} : { flops: step * flopsPerStep }),
  };
}

function reportSkipped(step: number, skipped: number, watcher: Watcher): void {
  watcher.onMessage?.(`step ${step}: the loss or its gradient is not finite; step skipped (${skipped} in a row)`);
  if (skipped >= MOST_SKIPPED) {
    watcher.onLog?.({ step, nonfinite: skipped });
    throw new UserError(
      'train',
      `${MOST_SKIPPED} steps in a row had a loss or gradient that is not finite, the last at step ${step}`,
      'the last saved state is whole: go on with --precision fp32, or train in another folder with a lower --lr',
    );
  }
}

/** Runs `body` with every player's averaged weights in place. */
function withAverages<T>(sides: readonly Side[], body: () => Promise<T>): Promise<T> {
  const [first, ...others] = sides;
  return first === undefined ? body() : first.optimizer.withAverage(() => withAverages(others, body));
}

/** The averaged weights of all players, in one map. */
async function averages(sides: readonly Side[]): Promise<Weights> {
  const parts = await Promise.all(sides.map(({ optimizer }) => optimizer.average()));
  return new Map(parts.flatMap(part => [...part]));
}

async function evaluate(
  task: Task,
  sides: readonly Side[],
  { config, state, watcher, signal }: Looking,
): Promise<void> {
  const measured = await withAverages(sides, () => task.evaluate(signal));
  if (measured === undefined) return;
  const prefixed = Object.fromEntries(
    Object.entries(measured).map(([name, value]) => [name.startsWith('check_') ? name : `val_${name}`, value]),
  );
  watcher.onLog?.({ step: state.step, ...prefixed });
  if (!(measured.loss < state.best)) waitOnPlateau(config, state, watcher);
  else {
    state.stale = 0;
    state.best = measured.loss;
    await watcher.onBest?.(await averages(sides), { step: state.step, ...measured });
  }
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

async function save(
  folder: string,
  task: Task,
  sides: readonly Side[],
  { state, watcher, window }: { readonly state: LoopState; readonly watcher: Watcher; readonly window: KeptWindow },
): Promise<void> {
  const weights = await task.parameters.values();
  const extra = await task.save?.();
  // First what others read, then the state that calls it done: killed between the two, the steps since are made again.
  await watcher.onSave?.(weights, await averages(sides), state.step);
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

/** @returns what is to be gone on with beyond `state` */
async function resume(
  saved: SavedState,
  task: Task,
  sides: readonly Side[],
  state: LoopState,
): Promise<{ readonly window?: KeptWindow }> {
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
  state.seconds = stored.seconds;
  state.best = stored.best ?? Number.POSITIVE_INFINITY;
  state.owed = stored.owed;
  return { window: stored.window };
}

/** The step that a run's folder would resume at; 0 where there is none. */
export async function savedStep(folder: string): Promise<number> {
  const saved = await loadState(folder);
  return saved === undefined ? 0 : (await readLoopState(saved)).step;
}

/** Whether a resumed training will write a record of its step again, because it owes the evaluation of that step. */
export async function owesEvaluation(folder: string): Promise<boolean> {
  const saved = await loadState(folder);
  return saved !== undefined && (await readLoopState(saved)).owed === 'evaluation';
}

/** Whether a folder's state is that of a training of so many steps that has nothing left to do. */
export async function isTrained(folder: string, config: Pick<LoopConfig, 'steps'>): Promise<boolean> {
  const saved = await loadState(folder);
  return saved !== undefined && isFinished(await readLoopState(saved), config);
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

/** Named float32 values as tensors of a safetensors file. */
export function asTensors(weights: Weights): Map<string, TensorData> {
  return new Map<string, TensorData>(
    [...weights].map(([name, { shape, values }]) => [name, { dtype: 'F32', shape, data: values }]),
  );
}

/**
 * Tensors of a safetensors file as named float32 values.
 * @param where the file, for errors
 * @throws UserError naming the first tensor that is not of floating-point numbers, or holds NaN or an infinity
 */
export function namedValues(tensors: ReadonlyMap<string, TensorData>, where: string): NamedValues {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const values = toFloat32(tensor, `${where}: ${name}`);
      const at = firstNotFinite(values);
      if (at < 0) return [name, { shape: tensor.shape, values }];
      const what = `${name}: expected finite numbers, got ${values[at]} at ${at}`;
      throw new UserError(where, what, 'the file is damaged, or of a training that diverged; take other weights');
    }),
  );
}
