/**
 * @file One stage of a training: announced, trained or gone on with, logged, saved so that the next start knows what is
 * done, and cleaned up however it ends. What is trained and what its files are is the caller's.
 */
import { existsSync } from 'node:fs';
import type { RunConfig } from '../../config/run.ts';
import type { NamedValues } from '../../nn/module.ts';
import { train } from '../../training/loop.ts';
import type { Metrics } from '../../training/measured.ts';
import { isTrained, savedProgress, savedStep } from '../../training/saved-training.ts';
import type { LoopConfig, Task, Watcher, Weights } from '../../training/task.ts';
import { type HeldOutJudge, type Judging, openJudge } from './held-out.ts';
import { type Job, loggedBefore } from './job.ts';
import { expectRoom } from './room.ts';
import type { SampleWatch } from './watch.ts';

/** What a stage is called and where it stands. */
export interface Stage {
  /** In the progress of the training, e.g. `patch tokenizer`. */
  readonly title: string;
  /** In the log, e.g. `patch`. */
  readonly name: string;
  /** The folder of its state. */
  readonly state: string;
  /** A file that it leaves. */
  readonly file: string;
  readonly loop: LoopConfig;
  /** What its rate counts. */
  readonly unit: Task['unit'];
}

/** What a stage needs once its data is there. */
export interface Trainee {
  readonly task: Task;
  /** Held-out images that it is measured on; where there are none, nothing is measured, and no weights are the best. */
  readonly heldOut: number;
  /** A few words about a record of the log, which stand beside the progress; undefined: the record says nothing. */
  readonly describe: (record: Metrics) => string | undefined;
  /** Keeps what else was measured on held-out data. */
  readonly keepMeasured?: (step: number) => Promise<void>;
  /** Looks at pictures, with the averaged weights in place. @param note what `describe` said last */
  readonly showSamples?: (step: number, note: string, signal?: AbortSignal) => Promise<void>;
  /** Writes the averaged weights of the lowest validation loss. */
  readonly saveBest?: (average: Weights, step: number) => Promise<void>;
  /** Writes the weights that others read. */
  readonly saveWeights: (weights: Weights, average: Weights, step: number) => Promise<void>;
  /** Watches the samples for collapse. */
  readonly watch?: SampleWatch;
  /** How its held-out loss is judged; left out where that measures nothing. */
  readonly judging?: Judging;
  /** What the log is told at its beginning, e.g. why something is not measured. */
  readonly notes?: readonly string[];
  /** Frees what the stage has made, also where it fails. */
  readonly dispose: () => void;
  /** Whether it begins with trained weights, which are looked at before the first step. */
  readonly startsTrained?: boolean;
  /** The weights that it is pulled to, by name. */
  readonly anchors?: NamedValues;
}

/** Whether a file of a run is what it took over from the one that it was started from: nothing has been trained here. */
export function isTakenOver({ from }: RunConfig, { file, state }: Pick<Stage, 'file' | 'state'>): boolean {
  return from !== undefined && existsSync(file) && !existsSync(state);
}

/** Whether a stage has nothing left to do. */
export async function isStageDone({ file, state, loop }: Stage): Promise<boolean> {
  return existsSync(file) && (await isTrained(state, loop));
}

/** Bytes a parameter of what is saved, at the least: weights, average and moments of the state, and the weights that others read. */
const STATE_BYTES = 16;

/** A stage that came to its end: what was said last about it, its last step, and how its losses went. */
export interface StageResult {
  readonly note: string;
  readonly step: number;
  readonly judge: HeldOutJudge;
}

/**
 * Trains a stage to its end, or goes on with it.
 * @param prepare makes the trainee; called after the stage is announced, since decoding images takes its time
 * @returns undefined if it was stopped
 */
export async function runStage(
  job: Job,
  stage: Stage,
  prepare: () => Promise<Trainee>,
): Promise<StageResult | undefined> {
  const { session } = job;
  await announce(job, stage);
  const trainee = await prepare();
  const { task, watch, heldOut } = trainee;
  const said = { note: '' };
  let result: StageResult;
  try {
    await expectRoom(job.paths.folder, STATE_BYTES * task.parameters.count(), `saving the ${stage.title}`);
    const watcher = await watcherOf(job, stage, trainee);
    const judge = await openJudge(job, stage, trainee.judging);
    said.note = await lastNote(job, stage, trainee);
    const { finished, step } = await train(watch === undefined ? task : watch.watched(task), stage.loop, {
      folder: stage.state,
      now: session.now,
      signal: session.signal,
      validates: heldOut > 0,
      startsTrained: trainee.startsTrained,
      anchors: trainee.anchors,
      fit: await job.timeOf(stage.title),
      watcher: { ...watcher, ...handOn(job, stage, { trainee, judge, said }) },
    });
    job.reportLastPictures();
    for (const remark of task.remarks?.() ?? []) session.reporter.message(remark);
    if (!finished) return job.stopped(stage.title);
    result = { note: said.note, step, judge };
  } finally {
    watch?.dispose();
    task.dispose?.();
    trainee.dispose();
  }
  session.reporter.done(said.note);
  return result;
}

/** What was said last of a stage that goes on: a sheet that a stop left owing says what it would have said. */
async function lastNote(job: Job, stage: Stage, { describe }: Trainee): Promise<string> {
  const notes = (await loggedBefore(job, stage)).map(record => describe(record)).filter(note => note !== undefined);
  return notes.at(-1) ?? '';
}

/** What becomes of what the loop tells. @param to.said the note that the progress line shows */
function handOn(
  job: Job,
  stage: Stage,
  to: { readonly trainee: Trainee; readonly judge: HeldOutJudge; readonly said: { note: string } },
): Watcher {
  const { reporter } = job.session;
  const { trainee, judge, said } = to;
  return {
    onStep: ({ step, steps, loss, units }) => {
      const total = steps === stage.loop.steps ? {} : { total: steps };
      reporter.update({ step, loss, amount: units, note: said.note, ...total });
    },
    onFit: (steps, before) => job.setSteps(stage.title, steps, before),
    onLog: record => {
      job.log(stage.name, record);
      said.note = trainee.describe(record) ?? said.note;
      trainee.watch?.log(record);
      for (const remark of judge.add(record)) {
        const isWarning = Object.keys(remark.record).length > 0;
        if (isWarning) job.log(stage.name, { step: record.step, ...remark.record });
        reporter.message(remark.text, { isWarning });
      }
    },
    onEvaluation: async step => trainee.keepMeasured?.(step),
    onSample: async (step, signal) => trainee.showSamples?.(step, said.note, signal),
    onBest: async (average, { step }) => trainee.saveBest?.(average, step),
    onSave: async (weights, average, step) => {
      await job.syncLog(); // the log must not be behind the weights
      await trainee.saveWeights(weights, average, step);
    },
  };
}

/** Begins a stage where it stands: what was done before tells how long the rest takes. */
async function announce(job: Job, { title, unit, state, loop }: Stage): Promise<void> {
  const { steps: total } = loop;
  const { step, seconds } = await savedProgress(state);
  const left = step === 0 ? job.secondsOf(title) : (seconds / step) * Math.max(0, total - step);
  job.begin(title, { total, unit, seconds: left, ...(step > 0 && { step }) });
}

/** Opens the log of a stage, which says so where nothing can be measured. */
async function watcherOf(job: Job, { name, state, loop }: Stage, { heldOut, notes = [] }: Trainee): Promise<Watcher> {
  const watcher = await job.watcher(name, state);
  const all = heldOut > 0 ? notes : ['nothing is held out', ...notes];
  if ((await savedStep(state)) === 0) for (const note of all) job.log(name, { step: 0, note });
  if (heldOut > 0) return watcher;
  const { plateau = 0, patience = 0 } = loop;
  if (plateau > 0) job.session.reporter.message('plateau has no effect: nothing is held out');
  // Nobody but a rule has asked for that of the other stages and starts.
  const asks = name === job.config.family && job.request.asked?.includes('train.patience') === true;
  if (patience > 0 && asks) job.session.reporter.message('patience has no effect: nothing is held out');
  return watcher;
}
