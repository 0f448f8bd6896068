/**
 * @file One training loop for every model: a `Task` gives batches, losses and checks; the loop lets every player move in turn
 * (a model that minimises one loss is a game of one), measures, keeps the best on validation, saves, and resumes as if it
 * had never stopped. A step's randomness and data depend only on the seed and the step's number (or on a cursor that the
 * task saves), so that a killed and resumed run ends bit for bit where an unbroken one does. Knows nothing of captions,
 * images or files but its own state.
 */

import type { Tensor } from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { turnOfEventLoop } from '../core/platform/platform.ts';
import { Random } from '../core/random.ts';
import { activeDevice } from '../device/device.ts';
import { loadState, type SavedState } from '../io/state.ts';
import type { NamedValues } from '../nn/module.ts';
import { type PlannedRhythm, paceAfter, sampleEveryOf, stepsThatFit } from './fit.ts';
import { isDue, isLooked, type Looking, look, nextLook } from './looking.ts';
import { looks } from './loop-state.ts';
import { addTo, emptyWindow, keepWindow, type Metrics, meanOf, restoreWindow, type Window } from './measured.ts';
import { discardMoves, type Move, type Player, playRound, readOutcomes, type Side } from './moves.ts';
import { learningRate, Optimizer } from './optimizer.ts';
import { isFinished, isOver, type LoopState, type Progress, resumeTraining, saveTraining } from './saved-training.ts';
import type { LoopConfig, Task, TrainResult, Watcher } from './task.ts';

const MOST_SKIPPED = 10;
/** Steps that a GPU is sent before their outcomes are read at the latest: further ahead of it the CPU should not run. */
const MOST_SENT = 64;

export interface TrainOptions {
  /** Where the state is kept; a state that is there is resumed. */
  readonly folder: string;
  readonly watcher?: Watcher;
  /** Asks the training to stop, which saves and returns. */
  readonly signal?: AbortSignal;
  /** Milliseconds, for the logged rate. */
  readonly now: () => number;
  /** Weights by name that `config.pull` pulls to. */
  readonly anchors?: NamedValues;
  /** Whether it begins with weights that were trained before: these are looked at, too. Default false. */
  readonly startsTrained?: boolean;
  /**
   * Seconds that all of it may take: a training that turns out slower makes fewer steps, and shows samples as much sooner as it
   * has fewer than were planned. When it is quicker again it makes more, never more than `most`, by default `config.steps`.
   */
  readonly fit?: { readonly seconds: number; readonly most?: number; readonly planned?: PlannedRhythm };
  /** Whether there is held-out data to measure on; default true. Without, the task's `evaluate` is never called. */
  readonly validates?: boolean;
}

/**
 * Trains until `config.steps`, or until the signal asks it to stop.
 * @throws UserError after ten steps in a row whose loss or gradient was not finite
 */
export async function train(task: Task, config: LoopConfig, options: TrainOptions): Promise<TrainResult> {
  const random = new Random(config.seed);
  const saved = await loadState(options.folder);
  if (saved === undefined) await task.begin?.(random.fork('begin')); // before the averages copy the weights
  const training = new Training(task, { ...options, config, random });
  try {
    if (saved !== undefined) await training.resume(saved);
    else if (options.startsTrained === true) training.state.owed = looks[0];
    await training.lookAgain();
    while (!training.isOver) await training.step();
    return await training.end();
  } finally {
    training.dispose();
  }
}

/** A step whose outcome has not been taken in yet. */
interface SentStep {
  readonly step: number;
  readonly moves: readonly Move[];
}

/** A training under way. */
class Training implements Progress {
  readonly task: Task;
  readonly sides: readonly Side[];
  readonly state: LoopState;
  private readonly folder: string;
  private readonly random: Random;
  private readonly now: () => number;
  private readonly fit: TrainOptions['fit'];
  /** Steps that it was to make when it began. */
  private readonly asked: number;
  private looking: Looking;
  private readonly sent: SentStep[] = [];
  private window: Window;
  /** The loss that a progress line shows. */
  private loss = Number.NaN;
  private savedAt = 0;
  /** Up to when what the training takes has been counted. */
  private countedTo: number;

  constructor(task: Task, options: TrainOptions & { readonly config: LoopConfig; readonly random: Random }) {
    const { folder, config, random, now, watcher = {}, signal, validates = true, anchors, fit } = options;
    this.task = task;
    this.sides = sidesOf(task, config, anchors);
    this.state = {
      step: 0,
      best: Number.POSITIVE_INFINITY,
      skipped: 0,
      halvings: 0,
      stale: 0,
      waited: 0,
      seconds: 0,
      spent: 0,
    };
    if (fit !== undefined) this.state.steps = config.steps;
    this.folder = folder;
    this.fit = fit;
    this.asked = config.steps;
    this.random = random;
    this.now = now;
    this.looking = { config, watcher, signal, validates };
    this.countedTo = now();
    this.window = emptyWindow(this.countedTo);
    reportWithoutMuon(this.sides, config, watcher);
  }

  async resume(saved: SavedState): Promise<void> {
    const kept = await resumeTraining(saved, this);
    this.looking.watcher.onMessage?.(`resumed at step ${this.state.step}`);
    this.countedTo = this.now();
    this.window = restoreWindow(kept, this.countedTo);
    this.savedAt = this.state.step;
    if (this.state.steps !== undefined) this.setSteps(this.state.steps);
  }

  /** Makes it a training of so many steps. */
  private setSteps(steps: number): void {
    const { config } = this.looking;
    if (steps === config.steps) return;
    const { planned } = this.fit ?? {};
    const sampleEvery = planned === undefined ? config.sampleEvery : sampleEveryOf(planned, steps);
    this.looking = { ...this.looking, config: { ...config, steps, sampleEvery } };
    this.state.steps = steps;
    this.task.setSteps?.(steps);
  }

  /** Saves, and fits the steps to the time by how long they take now: what is saved is the shorter or longer training. */
  private async saveInTime(): Promise<void> {
    const { fit, state } = this;
    const { steps, sampleEvery } = this.looking.config;
    this.count();
    if (fit !== undefined) {
      state.pace = paceAfter(state, state.pace);
      this.setSteps(stepsThatFit(state.pace, { steps, most: fit.most ?? this.asked, seconds: fit.seconds }));
    }
    // The first samples would have been there by now, had it been known.
    if (state.step < sampleEvery && state.step > this.looking.config.sampleEvery) {
      state.owed = 'samples';
      await look(this, this.looking);
    }
    await this.save();
    const now = this.looking.config.steps;
    if (now !== steps) await this.looking.watcher.onFit?.(now, steps);
  }

  /** Counts the time since it was last counted. */
  private count(): void {
    const now = this.now();
    this.state.spent += (now - this.countedTo) / 1000;
    this.countedTo = now;
  }

  /** Has the looks that were owed when it was stopped. */
  async lookAgain(): Promise<void> {
    const { owed } = this.state;
    const { saveEvery } = this.looking.config;
    if (owed !== undefined) await look(this, this.looking);
    if (this.state.owed === owed) return;
    // What was had now is not owed any more; and where a state was due at this step, the steps are fitted as they would have been.
    const { step } = this.state;
    const isDueNow = step > 0 && this.state.owed === undefined && isDue(step, saveEvery, this.looking.config);
    await (isDueNow ? this.saveInTime() : this.save());
  }

  get isOver(): boolean {
    return isOver(this.state, this.looking.config) || this.looking.signal?.aborted === true;
  }

  async step(): Promise<void> {
    const { task, sides, state, random, sent } = this;
    const { config, watcher } = this.looking;
    await turnOfEventLoop(); // a step awaits nothing else that lets signals and decoded images in
    const lr = learningRate(config, state.step) * 0.5 ** state.halvings;
    const started = this.now();
    const moves = await playRound(sides, { random, step: state.step, lr, accumulate: config.accumulate });
    const step = ++state.step;
    sent.push({ step, moves });
    if (!sides.some(({ optimizer }) => optimizer.onDevice) || isLooked(step, config) || sent.length >= MOST_SENT) {
      await this.takeOutcomes();
    }
    await task.afterStep?.(step, random.fork('after', step));
    state.seconds += (this.now() - started) / 1000;
    watcher.onStep?.({ step, steps: config.steps, loss: this.loss, units: step * task.unitsPerStep });
    if (isDue(step, config.logEvery, config)) this.log(lr);
    state.owed = nextLook(step, config);
    await look(this, this.looking);
    if (state.owed === undefined && isDue(step, config.saveEvery, config)) await this.saveInTime();
  }

  async end(): Promise<TrainResult> {
    const { state, sent } = this;
    if (sent.length > 0) {
      const started = this.now();
      await this.takeOutcomes();
      state.seconds += (this.now() - started) / 1000;
    }
    this.count();
    if (this.savedAt !== state.step) await this.save();
    return { step: state.step, finished: isFinished(state, this.looking.config), best: state.best };
  }

  dispose(): void {
    discardMoves(this.sent.flatMap(({ moves }) => moves));
    for (const { optimizer } of this.sides) optimizer.dispose();
  }

  /** Takes in what has become of the steps sent so far. */
  private async takeOutcomes(): Promise<void> {
    const outcomes = await readOutcomes(this.sent.flatMap(({ moves }) => moves));
    let at = 0;
    for (const { step, moves } of this.sent.splice(0)) {
      const ofStep = outcomes.slice(at, at + moves.length);
      at += moves.length;
      const verdicts = ofStep.map(({ verdict }) => verdict);
      if (verdicts.every(verdict => verdict === 'done')) {
        this.state.skipped = 0;
        addTo(this.window, Object.assign({}, ...ofStep.map(({ metrics }) => metrics)) as Metrics);
      } else if (verdicts.includes('skipped')) {
        this.state.skipped++;
        reportSkipped(step, this.state.skipped, this.looking.watcher);
      }
    }
    if (this.window.steps > 0) this.loss = shownLoss(this.sides, meanOf(this.window));
  }

  /** Logs the means since the last time. @param lr of the step that was made last */
  private log(lr: number): void {
    const { task, state, window } = this;
    const rate = (window.steps * task.unitsPerStep * 1000) / Math.max(1e-9, this.now() - window.since);
    const record = { step: state.step, ...meanOf(window), lr, [`${task.unit}PerSecond`]: rate, ...costOf(task, state) };
    this.looking.watcher.onLog?.(record);
    this.window = emptyWindow(this.now());
  }

  private async save(): Promise<void> {
    const window = keepWindow(this.window, this.now());
    await saveTraining(this.folder, this, { watcher: this.looking.watcher, window });
    this.savedAt = this.state.step;
  }
}

/** The players of a task; a model that minimises one loss is a game of one. */
export function sidesOf(task: Task, config: LoopConfig, anchors?: NamedValues): Side[] {
  const { players, batch, parameters } = task;
  const { lossScaling } = activeDevice();
  const alone = batch === undefined ? [] : [{ name: '', parameters: parameters.list(), batch: batch.bind(task) }];
  return (players ?? alone).map((player: Player) => ({
    player,
    variables: player.parameters.map(({ variable }) => variable as Tensor),
    optimizer: new Optimizer(player.parameters, { ...config, ...player.optimizer }, { lossScaling, anchors }),
  }));
}

function reportWithoutMuon(sides: readonly Side[], config: LoopConfig, watcher: Watcher): void {
  for (const { player, optimizer } of sides) {
    if ({ ...config, ...player.optimizer }.optimizer !== 'muon' || optimizer.muonCount > 0) continue;
    watcher.onMessage?.(`${player.name || 'model'}: no matrix is marked as inner, so that AdamW updates all, not Muon`);
  }
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

/** The loss that a progress line shows: in a game the last player's, which is no measure of progress. */
function shownLoss(sides: readonly Side[], means: Metrics): number {
  const { name } = sides[sides.length - 1].player;
  return means[name === '' ? 'loss' : `${name}_loss`] ?? Number.NaN;
}

/** What the training has cost so far, on every axis by which models may be compared. */
function costOf({ imagesPerStep, flopsPerStep }: Task, { step, seconds }: LoopState): Metrics {
  return {
    seconds,
    ...(imagesPerStep === undefined ? {} : { images: step * imagesPerStep }),
    ...(flopsPerStep === undefined ? {} : { flops: step * flopsPerStep }),
  };
}
