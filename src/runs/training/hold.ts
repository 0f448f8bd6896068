/**
 * @file From a planned training to the job that does it: the run is held, its data is opened and is the data that the run
 * knows, and only then is anything written. Whatever is refused leaves the run as it was, byte for byte.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { Dataset } from '../../../data/dataset.ts';
import { openDataset } from '../../../data/open.ts';
import type { RunConfig } from '../../config/run.ts';
import { parseConfig } from '../../config/schema.ts';
import { UserError } from '../../core/errors.ts';
import { hearSignal, unlessStopped } from '../../core/stopping.ts';
import { activeDevice } from '../../device/device.ts';
import type { StageName } from '../../families/family.ts';
import { readJson, writeJson } from '../../io/files.ts';
import { type RunPaths, runPaths } from '../../io/runfolder.ts';
import { isTrained } from '../../training/saved-training.ts';
import { describeStart } from '../from/describe.ts';
import { isPatchReady, takesPatchOver } from '../from/patch-decision.ts';
import { takeOver } from '../from/take-over.ts';
import { keepLearnt } from '../learnt/record.ts';
import { expectFits } from '../memory.ts';
import { type KeptPlan, readPlan, writePlan } from '../plan/kept.ts';
import { refitSaved, withoutAsked } from '../plan/refit.ts';
import { withRun } from '../run.ts';
import { openRunData, type RunData } from '../run-data.ts';
import { divideData } from '../run-images.ts';
import type { Session } from '../session.ts';
import { Job } from './job.ts';
import type { TrainRequest } from './request.ts';
import { isTakenOver } from './stage.ts';
import { expectWatchable } from './watch.ts';

export interface Held<T> {
  /** The stages to do, in order; `model` is the family's own. */
  readonly stages: readonly (StageName | 'model')[];
  /** Their titles. */
  readonly titles: readonly string[];
  /** What is gone on with, e.g. `the run`. */
  readonly what: string;
  /** Undefined if it was stopped. */
  readonly work: (job: Job) => Promise<T | undefined>;
}

/**
 * Takes the run of a request for as long as its work takes.
 * @returns what the work returns; undefined if it was stopped before it began
 * @throws UserError if another process has the run, or the request or its data does not fit it; nothing is written then
 */
export async function holdRun<T>(session: Session, request: TrainRequest, held: Held<T>): Promise<T | undefined> {
  return await unlessStopped(session.signal, () => hold(session, request, held));
}

async function hold<T>(session: Session, request: TrainRequest, held: Held<T>): Promise<T | undefined> {
  const { data, out, format, strict, config, command, asked = [] } = request;
  expectFits(config);
  const { signal } = session;
  const { reporter } = session;
  const paths = runPaths(out);
  // Not even a folder is made for a new run whose data cannot be used.
  const opened = existsSync(paths.config)
    ? undefined
    : (request.opened ?? request.start?.dataset ?? (await openDataset(data, { format, strict, signal })));
  if (opened !== undefined) {
    const sides = divideData(opened, config.images);
    if (asked.includes('train.checkSamples')) expectWatchable(config.train.checkSamples, sides);
  }
  return withRun(out, { config, command }, async run => {
    const { resumed, begun } = run;
    const left = !resumed || !(await isDone(config, paths, held.stages));
    const wanted = left || request.acceptChanges === true || existsSync(paths.dataRecord);
    const dataset = opened ?? (wanted ? await openFor(session, request, left) : undefined);
    let known: RunData | undefined;
    if (dataset !== undefined) {
      known = await openRunData(session, request, { paths, images: config.images, resumed, dataset, begun });
    }
    if (left) await noteEngine(session, paths, resumed);
    if (left || request.acceptChanges === true) await known?.keep();
    const plan = resumed ? await planOfRun(paths, { config, asked }) : request.plan;
    if (plan !== undefined) await writePlan(paths.plan, plan);
    if (!resumed && request.start !== undefined) {
      await takeOver(paths, { ...request.start, config });
      reporter.message(describeStart(request.start, config));
    }
    await run.keepConfig();
    if (known !== undefined) {
      const pause = () => hearSignal(signal);
      await keepLearnt(paths.learnt, known.division.training, { data: known.captionsPrint, pause });
    }
    if (resumed) reporter.message(`${out}: going on with ${held.what} that is there`);
    if (resumed && request.preset !== undefined) {
      reporter.message(
        `preset ${request.preset} is what a new run starts from; of one that is there it changes nothing`,
      );
    }
    const job = new Job(session, request, {
      stages: held.stages.map((name, i) => ({ name, title: held.titles[i] })),
      data: known,
      plan,
    });
    return job.run(() => held.work(job));
  });
}

/** The plan of a run that is there, without what somebody has set himself by now. */
async function planOfRun(
  paths: RunPaths,
  given: { readonly config: RunConfig; readonly asked: readonly string[] },
): Promise<KeptPlan | undefined> {
  const plan = await readPlan(paths.plan);
  return plan && withoutAsked(plan, await refitSaved(plan, paths), given);
}

/** Whether every stage has nothing left to do. */
async function isDone(config: RunConfig, paths: RunPaths, stages: Held<unknown>['stages']): Promise<boolean> {
  const {
    captions,
    text,
    textState,
    patch,
    patchState,
    trainingCodes,
    heldOutCodes,
    rehearsedCodes,
    weights,
    modelState,
  } = paths;
  const trained = async (file: string, state: string, loop: { readonly steps: number }) =>
    existsSync(file) && (await isTrained(state, loop));
  const done: Readonly<Record<StageName | 'model', () => boolean | Promise<boolean>>> = {
    captions: () => existsSync(captions),
    text: async () =>
      isTakenOver(config, { file: text, state: textState }) || (await trained(text, textState, config.textTrain)),
    patch: () => (takesPatchOver(config) ? isPatchReady(paths, config) : trained(patch, patchState, config.patchTrain)),
    codes: () =>
      [trainingCodes, heldOutCodes].every(existsSync) &&
      (config.from?.keep === undefined || existsSync(rehearsedCodes)),
    model: () => trained(weights.last, modelState, config.train),
  };
  for (const stage of stages) if (!(await done[stage]())) return false;
  return true;
}

/** The data, which a run that has nothing left to do can be without. */
async function openFor(session: Session, request: TrainRequest, left: boolean): Promise<Dataset | undefined> {
  const { data, format, strict, acceptChanges } = request;
  try {
    return await openDataset(data, { format, strict, signal: session.signal });
  } catch (error) {
    if (left || acceptChanges === true || !(error instanceof UserError)) throw error;
    session.reporter.message(`nothing is left to train, so that the data is not looked at (${error.message})`);
    return undefined;
  }
}

const engineSchema = z.object({ backend: z.string(), precision: z.string() });

/** Remembers what computes the training, and says so where that is another engine than before: its sums have other bits. */
async function noteEngine({ reporter }: Session, { engine: path, folder }: RunPaths, resumed: boolean): Promise<void> {
  const { name: backend, precision } = activeDevice();
  const before = resumed && existsSync(path) ? parseConfig(engineSchema, await readJson(path), path) : undefined;
  if (before?.backend === backend && before.precision === precision) return;
  if (before !== undefined) {
    const [was, is] = [`${before.backend} (${before.precision})`, `${backend} (${precision})`];
    reporter.message(
      `${folder} was trained on ${was}, and goes on on ${is}: it does not end with the bits of either alone`,
    );
  }
  await writeJson(path, { backend, precision });
}
