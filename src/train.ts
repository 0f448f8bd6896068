/**
 * @file One training loop for every model: a `Task` gives batches, losses and checks; the loop steps the optimizer (or,
 * in a game, every player's optimizer in turn), measures, keeps the best on validation, saves, and resumes as if it had never stopped. A step's randomness and data
 * depend only on the seed and the step's number (or on a cursor that the task saves), so that a killed and resumed run
 * ends bit for bit where an unbroken one does. Knows nothing of captions, images or files but its own state.
 */
import { join } from 'node:path';
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { loadState, readJson, readSafetensors, type SavedState, saveState } from './checkpoint.ts';
import { UserError } from './errors.ts';
import { valueAndGradients } from './kernels/autodiff.ts';
import type { NamedValues, Parameter, Parameters } from './nn/module.ts';
import { learningRate, Optimizer, type OptimizerConfig } from './optim.ts';
import { Random } from './random.ts';
import { encodeSafetensors, type TensorData, toFloat32 } from './safetensors.ts';

/** Named numbers, as they go into metrics.jsonl. */
export type Metrics = Readonly<Record<string, number>>;

/** A forward pass: the loss to minimise and further scalars to report, by name. */
export interface Losses {
  readonly loss: Tensor;
  readonly metrics: Readonly<Record<string, Tensor>>;
}

/**
 * Fetches the data of one part of a step.
 * @param part from 0 to accumulate - 1
 * @returns builds the losses; called once, inside a tidy, with the step's own randomness
 */
export type BatchOf = (step: number, part: number) => Promise<(random: Random) => Losses>;

/** One side of a game: parameters with a loss of their own. In every step the players move in turn. */
export interface Player {
  /** Goes before the names of its metrics. */
  readonly name: string;
  readonly parameters: readonly Parameter[];
  /** Where its optimizer differs from the loop's. */
  readonly optimizer?: Partial<OptimizerConfig>;
  /** Its learning rate over the scheduled one; default 1. */
  readonly lr?: number;
  readonly batch: BatchOf;
  /** Around its forward and backward pass, after its batch has been fetched, e.g. to move the opponent and back. */
  readonly before?: () => void;
  readonly after?: () => void;
  /** After its parameters have moved. */
  readonly updated?: () => void;
}

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
   * before them, unless they begin with `check_` (metrics/collapse.ts).
   */
  evaluate(): Promise<Metrics & { readonly loss: number }>;
  /** State beyond parameters and optimizer: arrays, and small values that fit JSON. */
  save?(): TaskState | Promise<TaskState>;
  restore?(arrays: ReadonlyMap<string, TensorData>, values: unknown): void;
}

export interface LoopConfig extends OptimizerConfig {
  readonly steps: number;
  readonly accumulate: number;
  readonly lr: number;
  readonly warmup: number;
  readonly finalLr: number;
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
  /** When to look at pictures; runs with the averaged weights in place. */
  readonly onSample?: (step: number) => Promise<void>;
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

/** What the loop itself must remember. */
interface LoopState {
  step: number;
  best: number;
  skipped: number;
  /** Time spent in steps, those before a resume included. */
  seconds: number;
}

/** A player and what moves it. */
interface Side {
  readonly player: Player;
  readonly variables: readonly Tensor[];
  readonly optimizer: Optimizer;
}

/** The players of a task; a model that minimises one loss is a game of one. */
function sidesOf(task: Task, config: LoopConfig): Side[] {
  const { players, batch, parameters } = task;
  const alone = batch === undefined ? [] : [{ name: '', parameters: parameters.list(), batch: batch.bind(task) }];
  return (players ?? alone).map((player: Player) => ({
    player,
    variables: player.parameters.map(({ variable }) => variable as Tensor),
    optimizer: new Optimizer(player.parameters, { ...config, ...player.optimizer }),
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
  },
): Promise<TrainResult> {
  const { folder, watcher = {}, signal, now } = options;
  const random = new Random(config.seed);
  const state: LoopState = { step: 0, best: Number.POSITIVE_INFINITY, skipped: 0, seconds: 0 };
  const saved = await loadState(folder);
  if (saved === undefined) await task.begin?.(random.fork('begin')); // before the averages copy the weights
  const sides = sidesOf(task, config);
  try {
    if (saved !== undefined) {
      await resume(saved, task, sides, state);
      watcher.onMessage?.(`resumed at step ${state.step}`);
    }
    let window = emptyWindow(now());
    let savedAt = state.step;

    while (state.step < config.steps && signal?.aborted !== true) {
      await turnOfEventLoop(); // a step awaits nothing else that lets signals and decoded images in
      const lr = learningRate(config, state.step);
      const started = now();
      const { metrics, finite } = await oneStep(sides, config, random, state.step, lr);
      state.step++;
      state.skipped = finite ? 0 : state.skipped + 1;
      if (finite) addTo(window, metrics);
      else report(state, watcher);
      await task.afterStep?.(state.step, random.fork('after', state.step));
      state.seconds += (now() - started) / 1000;
      const { step } = state;
      const last = step === config.steps;
      const loss = shownLoss(sides, meanOf(window));
      watcher.onStep?.({ step, steps: config.steps, loss, units: step * task.unitsPerStep });
      if (step % config.logEvery === 0 || last) {
        const rate = (window.steps * task.unitsPerStep * 1000) / Math.max(1e-9, now() - window.since);
        watcher.onLog?.({ step, ...meanOf(window), lr, [`${task.unit}PerSecond`]: rate, ...spent(task, state) });
        window = emptyWindow(now());
      }
      if (step % config.evalEvery === 0 || last) await evaluate(task, sides, state, watcher);
      if (step % config.sampleEvery === 0 || last) await withAverages(sides, async () => watcher.onSample?.(step));
      if (step % config.saveEvery === 0 || last) {
        await save(folder, task, sides, state, watcher);
        savedAt = step;
      }
    }
    if (savedAt !== state.step) await save(folder, task, sides, state, watcher);
    return { step: state.step, finished: state.step >= config.steps, best: state.best };
  } finally {
    for (const { optimizer } of sides) optimizer.dispose();
  }
}

/** The loss that a progress line shows: in a game the last player's, which is no measure of progress (README). */
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

/** Every player's move. A game goes on while all of it is finite: the next player sees what the last one has become. */
async function oneStep(
  sides: readonly Side[],
  config: LoopConfig,
  random: Random,
  step: number,
  lr: number,
): Promise<{ metrics: Metrics; finite: boolean }> {
  const all: Record<string, number> = {};
  for (const side of sides) {
    const { name, lr: factor = 1, updated } = side.player;
    const { metrics, finite } = await move(side, config, { random, step, lr: lr * factor });
    for (const [key, value] of Object.entries(metrics)) all[name === '' ? key : `${name}_${key}`] = value;
    if (!finite) return { metrics: all, finite };
    updated?.();
  }
  return { metrics: all, finite: true };
}

/** Forward, backward and update; where something is not finite, nothing is updated. */
async function move(
  { player, variables, optimizer }: Side,
  config: LoopConfig,
  { random, step, lr }: { readonly random: Random; readonly step: number; readonly lr: number },
): Promise<{ metrics: Metrics; finite: boolean }> {
  const total: Record<string, number> = {};
  const stream = player.name === '' ? '' : `${player.name}/`;
  let gradients: (Tensor | null)[] = variables.map(() => null);
  for (let part = 0; part < config.accumulate; part++) {
    const forward = await player.batch(step, part);
    const partRandom = random.fork(`step/${stream}${part}`, step);
    const names: string[] = [];
    player.before?.();
    const result = valueAndGradients(() => {
      const { loss, metrics } = forward(partRandom);
      names.push(...Object.keys(metrics));
      // Each part counts for its share of the batch.
      return { loss: tf.div(loss, config.accumulate), aux: Object.values(metrics) };
    }, variables);
    player.after?.();
    total.loss = (total.loss ?? 0) + (await scalar(result.loss));
    for (let i = 0; i < names.length; i++) {
      total[names[i]] = (total[names[i]] ?? 0) + (await scalar(result.aux[i])) / config.accumulate;
    }
    gradients = part === 0 ? [...result.gradients] : accumulate(gradients, result.gradients);
  }
  if (!Number.isFinite(total.loss)) {
    for (const gradient of gradients) gradient?.dispose();
    return { metrics: { ...total, norm: Number.NaN }, finite: false };
  }
  const norm = await optimizer.step(gradients, lr);
  return { metrics: { ...total, norm }, finite: Number.isFinite(norm) };
}

function accumulate(sums: readonly (Tensor | null)[], more: readonly (Tensor | null)[]): (Tensor | null)[] {
  return sums.map((sum, i) => {
    const next = more[i];
    if (sum === null || next === null) return sum ?? next;
    const result = tf.add(sum, next);
    sum.dispose();
    next.dispose();
    return result;
  });
}

async function scalar(tensor: Tensor): Promise<number> {
  const [value] = await tensor.data();
  tensor.dispose();
  return value;
}

function report(state: LoopState, watcher: Watcher): void {
  watcher.onMessage?.(
    `step ${state.step}: the loss or its gradient is not finite; step skipped (${state.skipped} in a row)`,
  );
  if (state.skipped >= MOST_SKIPPED) {
    watcher.onLog?.({ step: state.step, nonfinite: state.skipped });
    throw new UserError(
      'train',
      `${MOST_SKIPPED} steps in a row had a loss or gradient that is not finite, the last at step ${state.step}`,
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

async function evaluate(task: Task, sides: readonly Side[], state: LoopState, watcher: Watcher): Promise<void> {
  const measured = await withAverages(sides, () => task.evaluate());
  const prefixed = Object.fromEntries(
    Object.entries(measured).map(([name, value]) => [name.startsWith('check_') ? name : `val_${name}`, value]),
  );
  watcher.onLog?.({ step: state.step, ...prefixed });
  if (measured.loss < state.best) {
    state.best = measured.loss;
    await watcher.onBest?.(await averages(sides), { step: state.step, ...measured });
  }
}

interface Window {
  readonly sums: Record<string, number>;
  readonly since: number;
  steps: number;
}

function emptyWindow(since: number): Window {
  return { sums: {}, since, steps: 0 };
}

function addTo(window: Window, metrics: Metrics): void {
  window.steps++;
  for (const [name, value] of Object.entries(metrics)) window.sums[name] = (window.sums[name] ?? 0) + value;
}

function meanOf(window: Window): Record<string, number> {
  return Object.fromEntries(Object.entries(window.sums).map(([name, sum]) => [name, sum / window.steps]));
}

async function save(
  folder: string,
  task: Task,
  sides: readonly Side[],
  state: LoopState,
  watcher: Watcher,
): Promise<void> {
  const weights = await task.parameters.values();
  const extra = await task.save?.();
  // First what others read, then the state that calls it done: killed between the two, the steps since are made again.
  await watcher.onSave?.(weights, await averages(sides), state.step);
  const moments = await Promise.all(sides.map(({ optimizer }) => optimizer.state()));
  await saveState(folder, {
    'weights.safetensors': encodeSafetensors(asTensors(weights)),
    'optimizer.safetensors': encodeSafetensors(asTensors(new Map(moments.flatMap(part => [...part])))),
    'task.safetensors': encodeSafetensors(extra?.arrays ?? new Map()),
    'state.json': JSON.stringify({
      ...state,
      best: Number.isFinite(state.best) ? state.best : null,
      updates: sides.map(({ optimizer }) => optimizer.steps),
      task: extra?.values ?? null,
    }),
  });
}

async function resume(saved: SavedState, task: Task, sides: readonly Side[], state: LoopState): Promise<void> {
  const file = (name: string) => join(saved.path, name);
  const stored = (await readJson(file('state.json'))) as Omit<LoopState, 'best'> & {
    best: number | null;
    updates: readonly number[];
    task: unknown;
  };
  const values = async (name: string) => namedValues((await readSafetensors(file(name))).tensors);
  task.parameters.load(await values('weights.safetensors'), file('weights.safetensors'));
  const moments = await values('optimizer.safetensors');
  sides.forEach(({ optimizer }, i) => {
    optimizer.load(moments, stored.updates[i], file('optimizer.safetensors'));
  });
  task.restore?.((await readSafetensors(file('task.safetensors'))).tensors, stored.task);
  state.step = stored.step;
  state.skipped = stored.skipped;
  state.seconds = stored.seconds;
  state.best = stored.best ?? Number.POSITIVE_INFINITY;
}

/** The step that a run's folder would resume at; 0 where there is none. */
export async function savedStep(folder: string): Promise<number> {
  const saved = await loadState(folder);
  return saved === undefined ? 0 : ((await readJson(join(saved.path, 'state.json'))) as LoopState).step;
}

/** Named float32 values as tensors of a safetensors file. */
export function asTensors(weights: Weights): Map<string, TensorData> {
  return new Map<string, TensorData>(
    [...weights].map(([name, { shape, values }]) => [name, { dtype: 'F32', shape, data: values }]),
  );
}

/** Tensors of a safetensors file as named float32 values. */
export function namedValues(tensors: ReadonlyMap<string, TensorData>): NamedValues {
  return new Map(
    [...tensors].map(([name, tensor]) => [name, { shape: tensor.shape, values: toFloat32(tensor, name) }]),
  );
}
