/** @file The stage of the patch tokenizer: trained from nothing, or tuned from the one that the run was started from. */
import { decodeAll } from '../../../data/decoded.ts';
import { reconstructPictures } from '../../../tokenizer/codec.ts';
import { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { Random } from '../../core/random.ts';
import { stageTitles } from '../../families/family.ts';
import { loadPatchTokenizer, savePatchTokenizer } from '../../families/transformer/patch-file.ts';
import { PatchTask, type Tuned } from '../../families/transformer/patch-task.ts';
import { type Picture, spreadPlaces } from '../../image/images.ts';
import { encodePng } from '../../image/png.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { asTensors } from '../../training/named-values.ts';
import { sourceOf } from '../../training/saved-training.ts';
import type { Weights } from '../../training/task.ts';
import { keepCodeUsage } from '../code-usage.ts';
import { reconstructionSheet } from '../reconstruction-sheet.ts';
import { keepSheet } from '../sheet-history.ts';
import type { Job } from './job.ts';
import { isStageDone, runStage, type Stage, type Trainee } from './stage.ts';

/** Images shown in reconstructions.png and on the terminal. */
const SHOWN = 12;

/** The stage by its files. @param options.state where its training is kept; @param options.patience see `train.patience` */
export function stageOfPatch(
  job: Job,
  { state = job.paths.patchState, patience = 0 }: { readonly state?: string; readonly patience?: number } = {},
): Stage {
  return {
    title: stageTitles.patch,
    name: 'patch',
    state,
    file: job.paths.patch,
    loop: { ...job.loop('patch'), patience },
    unit: 'images',
  };
}

/** Trains the patch tokenizer, or opens the one that is there; the caller's. @returns undefined if it was stopped */
export async function patchStage(job: Job): Promise<PatchTokenizer | undefined> {
  const { config, paths } = job;
  const stage = stageOfPatch(job);
  if (await isStageDone(stage)) {
    job.skip(stage.title, 'done before');
    return loadPatchTokenizer(config, paths.patch);
  }
  const fresh = async () =>
    new PatchTokenizer(
      config.patch,
      config.images.imageSize,
      await sourceOf(stage.state, new Random(config.seed).fork('patch')),
    );
  return (await trainPatches(job, stage, { make: fresh })) ? loadPatchTokenizer(config, paths.patch) : undefined;
}

/**
 * Trains what `make` gives.
 * @param options.tuned what of it is trained, where it was trained before
 * @returns whether it came to its end
 */
export async function trainPatches(
  job: Job,
  stage: Stage,
  options: { readonly make: () => Promise<PatchTokenizer>; readonly tuned?: Tuned },
): Promise<boolean> {
  const { make, tuned } = options;
  const prepared = async () => prepare(job, stage, { tokenizer: await make(), tuned });
  return (await runStage(job, stage, prepared)) !== undefined;
}

async function prepare(
  job: Job,
  { loop }: Stage,
  { tokenizer, tuned }: { readonly tokenizer: PatchTokenizer; readonly tuned?: Tuned },
): Promise<Trainee> {
  const { config, paths, session } = job;
  const { evalEvery, sampleEvery } = loop;
  const { images: heldOut } = (await job.images()).heldOut;
  const shown = await shownPictures(job);
  const stream = await job.stream({ batchSize: config.patchTrain.batchSize });
  // Of what is not trained there is no average.
  const write = (weights: Weights, average: Weights) =>
    savePatchTokenizer(paths.patch, asTensors(new Map([...weights, ...average])), tokenizer);
  const task = new PatchTask(tokenizer, stream, { config: config.patchTrain, heldOut, tuned });
  return {
    heldOut: heldOut.count,
    task,
    judging: {
      rose: 'held-out PSNR fell',
      weights: tuned === undefined ? 'the last averaged weights are used all the same' : 'best kept',
    },
    describe: ({ val_psnr: psnr, val_usage: usage }) =>
      psnr === undefined ? undefined : `${psnr.toFixed(1)} dB, ${(100 * usage).toFixed(0)}% of codes`,
    keepMeasured: step => keepCodeUsage(paths.codeUsage, { step, counts: task.codeCounts }, evalEvery),
    showSamples: async (step, note) => {
      const pictures = await reconstructPictures(tokenizer, shown);
      const whose = heldOut.count > 0 ? 'held-out images' : 'training images';
      const line = [`step ${step}`, whose, note].filter(Boolean).join(', ');
      const sheet = await reconstructionSheet(shown, pictures, { columns: SHOWN / 2, note: line });
      const png = await encodePng(sheet);
      await writeAtomic(paths.reconstructions, png);
      await keepSheet(paths.reconstructionHistory, { step, png }, sampleEvery);
      job.logSheet('reconstructions', { step, png });
      job.reportPicture(step, paths.reconstructions);
      const rows = [
        { row: `originals (${whose})`, pictures: shown },
        { row: ['reconstructions', note].filter(Boolean).join(': '), pictures },
      ];
      session.reporter.pictures(
        rows.flatMap(({ row, pictures: own }) => own.map(picture => ({ picture, row }))),
        { pictureColumns: 24 },
      );
    },
    // What was good before is soon learnt by heart: of that the best is kept.
    ...(tuned !== undefined && { saveBest: async average => write(await tokenizer.parameters.values(), average) }),
    saveWeights: async (weights, average) => {
      if (tuned === undefined || heldOut.count === 0) await write(weights, average);
    },
    dispose: () => tokenizer.dispose(),
  };
}

/** Some held-out images, or where nothing is held out some that are trained on. */
async function shownPictures(job: Job): Promise<Picture[]> {
  const { heldOut } = await job.images();
  if (heldOut.images.count > 0) return spreadPlaces(heldOut.images.count, SHOWN).map(i => heldOut.images.at(i));
  const { training } = await job.items();
  const some = spreadPlaces(training.length, SHOWN).map(i => training[i]);
  return (await decodeAll(some, { size: job.config.images.imageSize })).images.pictures();
}
