/** @file The last stage of a run: the model of its family, whichever that is. */
import { existsSync } from 'node:fs';
import { UserError } from '../../core/errors.ts';
import { counted, formatWhole } from '../../core/numbers.ts';
import { Random } from '../../core/random.ts';
import { familyOf } from '../../families/families.ts';
import { type Family, type Making, type StageName, stageTitles, type TrainingData } from '../../families/family.ts';
import { companionsOf, disposeParts, partFingerprints } from '../../families/parts.ts';
import { encodePng } from '../../image/png.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readSafetensors, writeSafetensors } from '../../io/files.ts';
import { expectTrainedWith } from '../../io/runfolder.ts';
import { loadState } from '../../io/state.ts';
import { asTensors } from '../../training/named-values.ts';
import { endedEarly, sourceOf } from '../../training/saved-training.ts';
import type { Weights } from '../../training/task.ts';
import { readStart } from '../from/take-over.ts';
import { drawSampleSheet, pickCaptions, type SampleCaptions } from '../sample-sheet.ts';
import { keepSheet } from '../sheet-history.ts';
import { describeWeights } from './held-out.ts';
import type { Held } from './hold.ts';
import type { Job } from './job.ts';
import { expectRoomForCodes, joinCaptions, type Prepared, prepareParts } from './parts.ts';
import { isStageDone, runStage, type Stage, type Trainee } from './stage.ts';
import { openWatch, reportUnwatched } from './watch.ts';

/** A family's stages and their titles, in their order: all, or those up to one before its model. */
export function stagesOf(family: string, until?: StageName): Pick<Held<boolean>, 'stages' | 'titles'> {
  const { stages: all, name } = familyOf(family);
  const stages = stagesUntil(family, all, until);
  const titles = stages.map(stage => stageTitles[stage]);
  return until === undefined ? { stages: [...stages, 'model'], titles: [...titles, name] } : { stages, titles };
}

/** @throws UserError if the family has no stage of that name */
function stagesUntil(family: string, stages: readonly StageName[], until?: StageName): readonly StageName[] {
  if (until === undefined) return stages;
  if (stages.includes(until)) return stages.slice(0, stages.indexOf(until) + 1);
  throw new UserError('train: until', `expected one of the stages ${stages.join(', ')} of a ${family}, got ${until}`);
}

/** Runs whatever stage is missing. @returns false if it was stopped */
export async function trainStages(job: Job): Promise<boolean> {
  const family = familyOf(job.config.family);
  const { until } = job.request;
  const stages = stagesUntil(family.name, family.stages, until);
  if (stages.includes('codes')) await expectRoomForCodes(job); // before the tokenizer is trained, which may take hours
  const stage = modelStageOf(job, family);
  const isModelLeft = until === undefined && !(await isStageDone(stage));
  const unwatched = isModelLeft ? await reportUnwatched(job) : undefined;
  const prepared = await prepareParts(job, stages);
  if (prepared === undefined) return false;
  try {
    if (until !== undefined) return true;
    await job.fitRest();
    return await modelStage(job, modelStageOf(job, family), { family, prepared, unwatched });
  } finally {
    disposeParts(prepared.parts);
  }
}

function modelStageOf(job: Job, { name, words }: Family): Stage {
  const { paths } = job;
  return {
    title: name,
    name,
    state: paths.modelState,
    file: paths.weights.last,
    loop: job.loop('model'),
    unit: words.unit ?? 'images',
  };
}

/** Why nothing is left to do; and what would make it go on, where it ended before its last step. */
async function whyDone({ state, loop }: Stage): Promise<string> {
  const step = await endedEarly(state, loop);
  if (step === undefined) return 'done before';
  const count = `at step ${formatWhole(step)} of ${formatWhole(loop.steps)}`;
  return `done before, ${count}, after ${counted(loop.patience ?? 0, 'validation')} without a better one; to go on: --patience 0`;
}

/** What the model's stage needs. */
interface Modelling {
  readonly family: Family;
  readonly prepared: Prepared;
  /** Why its samples are not watched, where that was said already. */
  readonly unwatched: string | undefined;
}

async function modelStage(job: Job, stage: Stage, modelling: Modelling): Promise<boolean> {
  const { paths } = job;
  const { weights } = paths;
  const { family } = modelling;
  if (await isStageDone(stage)) {
    job.skip(stage.title, await whyDone(stage));
    return true;
  }
  if (existsSync(weights.last)) {
    const { metadata } = await readSafetensors(weights.last);
    await expectTrainedWith(weights.last, companionsOf(family.stages, paths, metadata));
  }
  const trained = await runStage(job, stage, () => prepareModel(job, modelling));
  if (trained === undefined) return false;
  const measure = family.validation === undefined ? 'KID of its samples' : 'held-out loss';
  const averaged = job.config.train.ema > 0;
  job.session.reporter.message(describeWeights(trained.judge, { step: trained.step, averaged, measure }));
  return true;
}

async function prepareModel(job: Job, { family, prepared, unwatched }: Modelling): Promise<Trainee> {
  const { parts, codes: made, rehearsal } = prepared;
  const { config, paths, session, request } = job;
  const codes = made && (await joinCaptions(job, made));
  const model = await family.create({
    config,
    folder: paths.folder,
    parts: parts as Making['parts'], // those of its stages are there
    random: await sourceOf(paths.modelState, new Random(config.seed).fork('model')),
    step: 0,
  });
  const { painter } = model;
  const task = await model.task({ ...trainingData(job, family, codes), rehearsal });
  const start = config.from === undefined ? undefined : await readStart(paths);
  if (start !== undefined && (await loadState(paths.modelState)) === undefined) {
    task.parameters.take(start, paths.source);
  }
  const heldOut = codes?.heldOut.captions.length ?? (await job.images()).heldOut.items.length;
  const captions = request.sampleCaptions ?? (await sampleCaptions(job, codes));
  const metadata = { format: `tessera ${family.name}`, ...(await partFingerprints(family.stages, paths)) };
  const { watch, why } = unwatched === undefined ? await openWatch(job, family.name, painter) : { why: unwatched };
  job.releaseImages(); // the model wants the memory of what nothing holds any more
  const write = (path: string, weights: Weights, step: number) => {
    const painting = model.weightsForPainting?.(weights) ?? weights;
    return writeSafetensors(path, asTensors(painting), { ...metadata, step: String(step) });
  };
  return {
    task,
    startsTrained: start !== undefined,
    ...(config.train.pull > 0 && { anchors: start }), // else nothing would hold them
    heldOut,
    watch,
    notes: why === undefined ? [] : [why],
    judging: family.validation && {
      rose: 'held-out loss rose',
      weights: 'best kept',
      untaught: family.validation.untaught(config),
    },
    describe: record => family.words.progress?.(record),
    showSamples: async (step, _, signal) => {
      const { sheet, painted } = await drawSampleSheet(painter, captions, { note: `step ${step}`, signal });
      const png = await encodePng(sheet);
      await writeAtomic(paths.samples, png);
      await keepSheet(paths.sampleHistory, { step, png }, job.config.train.sampleEvery);
      job.logSheet('samples', { step, png });
      job.reportPicture(step, paths.samples);
      session.reporter.pictures(painted, { pictureColumns: 24 });
    },
    saveBest: (average, step) => write(paths.weights.best, average, step),
    saveWeights: async (weights, average, step) => {
      await write(paths.weights.last, weights, step);
      await write(paths.weights.ema, average, step);
      await request.onSave?.(step);
    },
    dispose: () => model.dispose(),
  };
}

/** The data as codes, with captions, where a family has it so. */
type JoinedCodes = Awaited<ReturnType<TrainingData['codes']>> | undefined;

function trainingData(job: Job, family: Family, codes: JoinedCodes): TrainingData {
  return {
    stream: options => job.stream(options),
    heldOut: async () => {
      const { images, items } = (await job.images()).heldOut;
      return { images, captions: items.map(item => item.captions[0]) };
    },
    codes: async () => {
      if (codes === undefined) throw new Error(`${family.name} has no stage that makes codes`);
      return codes;
    },
  };
}

/** Captions of the data for the sheet of samples, of items that can be decoded as far as that is known. */
async function sampleCaptions(job: Job, codes: JoinedCodes): Promise<SampleCaptions> {
  if (codes !== undefined) return pickCaptions(codes.training.captions, codes.heldOut.captions);
  const { training } = await job.items();
  const { heldOut } = await job.images();
  return pickCaptions(
    training.map(({ captions }) => captions),
    heldOut.items.map(({ captions }) => captions),
  );
}
