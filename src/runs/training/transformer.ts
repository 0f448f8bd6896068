/**
 * @file The stages of a transformer: the patch tokenizer, the data as codes, and the transformer itself. Each leaves files
 * by which the next start knows that it is done.
 */

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Decoded } from '../../../data/decoded.ts';
import type { Item } from '../../../data/index.ts';
import type { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { codebookSizeOf } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { TransformerPainter } from '../../families/painter.ts';
import { Dalle } from '../../families/transformer/dalle.ts';
import { loadPatchTokenizer, PatchTask, savePatchTokenizer } from '../../families/transformer/patch-task.ts';
import { type CaptionedCodes, DalleTask } from '../../families/transformer/task.ts';
import { checkTokenizers, Tessera } from '../../families/transformer/tessera.ts';
import { spreadPlaces } from '../../image/images.ts';
import { encodePng } from '../../image/png.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { type CodeSet, readCodes, writeCodes } from '../../io/codes.ts';
import { writeSafetensors } from '../../io/files.ts';
import { asTensors, savedStep, train } from '../../training/loop.ts';
import { encodeItems } from '../encode.ts';
import { reconstructionSheet, reconstructPictures } from '../reconstructions.ts';
import { fingerprint } from '../run.ts';
import { drawSampleGrid, pickCaptions } from '../samples.ts';
import { type Job, MEASURED } from './job.ts';
import { openWatch, watched } from './watch.ts';

export const transformerStages = ['caption tokenizer', 'patch tokenizer', 'codes', 'transformer'] as const;

/** Images shown in reconstructions.png and on the terminal. */
const SHOWN = 12;

/** The data as codes, on both sides of the split. */
interface Codes {
  readonly training: CodeSet;
  readonly heldOut: CodeSet;
}

/** Runs whatever stage is missing. @returns false if it was stopped */
export async function trainTransformer(job: Job): Promise<boolean> {
  const captions = await job.captionStage();
  const patch = await patchStage(job);
  if (patch === undefined) return false;
  const codes = await codeStage(job, patch);
  if (codes === undefined) return false;
  const finished = await transformerStage(job, { captions, patch, codes });
  patch.dispose();
  return finished;
}

async function patchStage(job: Job): Promise<PatchTokenizer | undefined> {
  const { config, paths, session } = job;
  if (existsSync(paths.patch) && (await savedStep(paths.patchState)) >= config.patchTrain.steps) {
    job.skip('patch tokenizer', 'done before');
    return loadPatchTokenizer(config, paths.patch);
  }
  const tokenizer = new PatchTokenizer(config.patch, config.images.imageSize, new Random(config.seed).fork('patch'));
  const { steps, batchSize } = config.patchTrain;
  job.begin('patch tokenizer', { total: steps, unit: 'images' });
  const { heldOut } = await job.images();
  const task = new PatchTask(tokenizer, await job.stream({ batchSize }), {
    config: config.patchTrain,
    heldOut: heldOut.images,
  });
  const shown = spreadPlaces(heldOut.images.count, SHOWN).map(i => heldOut.images.at(i));
  let psnr = '';
  const result = await train(task, job.loop(config.patchTrain), {
    folder: paths.patchState,
    now: session.now,
    signal: session.signal,
    watcher: {
      ...(await job.watcher('patch', paths.patchState)),
      onStep: ({ step, loss, units }) => session.reporter.update({ step, loss, amount: units, note: psnr }),
      onLog: record => {
        job.log('patch', record);
        if (record.val_psnr !== undefined)
          psnr = `${record.val_psnr.toFixed(1)} dB, ${(100 * record.val_usage).toFixed(0)}% of codes`;
      },
      onSample: async step => {
        const again = await reconstructPictures(tokenizer, shown);
        const note = psnr === '' ? `step ${step}` : `step ${step}, held-out images, ${psnr}`;
        const sheet = await reconstructionSheet(shown, again, { columns: SHOWN / 2, note });
        await writeAtomic(paths.reconstructions, await encodePng(sheet));
        session.reporter.pictures(
          again.slice(0, 6).map(picture => ({ picture })),
          { pictureColumns: 24 },
        );
      },
      onSave: async (_, average) => {
        job.syncLog();
        await savePatchTokenizer(paths.patch, asTensors(average), tokenizer);
      },
    },
  });
  if (!result.finished) return job.stopped('patch tokenizer');
  session.reporter.done(psnr);
  tokenizer.dispose();
  return loadPatchTokenizer(config, paths.patch);
}

async function codeStage(job: Job, patch: PatchTokenizer): Promise<Codes | undefined> {
  const { paths, config } = job;
  const made = await fingerprint(paths.patch);
  if (existsSync(paths.trainingCodes) && existsSync(paths.heldOutCodes)) {
    job.skip('codes', 'done before');
    return {
      training: await readCodes(paths.trainingCodes, made),
      heldOut: await readCodes(paths.heldOutCodes, made),
    };
  }
  job.begin('codes', { unit: 'images' });
  const { training, heldOut } = await job.items();
  await mkdir(dirname(paths.trainingCodes), { recursive: true });
  const decoded = await job.images();
  const held = await encodeAll(job, patch, heldOut, {
    crops: 1,
    decoded: heldOut.length <= MEASURED ? decoded.heldOut : undefined,
  });
  if (held === undefined) return job.stopped('codes');
  await writeCodes(paths.heldOutCodes, held, made);
  const all = await encodeAll(job, patch, training, { crops: config.images.crops, decoded: decoded.training });
  if (all === undefined) return job.stopped('codes');
  await writeCodes(paths.trainingCodes, all, made);
  job.session.reporter.done(`${all.ids.length} images, ${all.crops} crops each`);
  return { training: all, heldOut: held };
}

/** Encodes all crops of the items and names those that could not be; undefined if stopped. */
async function encodeAll(
  job: Job,
  patch: PatchTokenizer,
  items: readonly Item[],
  options: { readonly crops: number; readonly decoded?: Decoded },
): Promise<CodeSet | undefined> {
  const encoded = await encodeItems(patch, items, { config: job.config, session: job.session, ...options });
  if (encoded === undefined) return undefined;
  job.reportProblems(encoded.problems, encoded.set.ids.length);
  return encoded.set;
}

async function transformerStage(
  job: Job,
  parts: { readonly captions: BpeTokenizer; readonly patch: PatchTokenizer; readonly codes: Codes },
): Promise<boolean> {
  const { config, paths, session } = job;
  const { captions, patch, codes } = parts;
  if (existsSync(paths.weights.last) && (await savedStep(paths.modelState)) >= config.train.steps) {
    job.skip('transformer', 'done before');
    return true;
  }
  if (existsSync(paths.weights.last)) await checkTokenizers(paths, 'last');
  const vocabulary = { caption: captions.vocabSize, image: codebookSizeOf(config.patch), grid: config.patch.grid };
  const model = new Dalle(config.model, vocabulary, new Random(config.seed).fork('model'));
  job.begin('transformer', { total: config.train.steps, unit: 'tokens' });
  const { training, heldOut } = await captioned(job, codes);
  const task = new DalleTask(
    model,
    captions,
    { training, heldOut },
    {
      batchSize: config.train.batchSize,
      accumulate: config.train.accumulate,
      bpeDropout: config.caption.bpeDropout,
      balance: config.train.balance,
      seed: config.seed,
      imageSize: config.images.imageSize,
    },
  );
  const metadata = {
    format: 'tessera transformer',
    patch_tokenizer: await fingerprint(paths.patch),
    caption_tokenizer: await fingerprint(paths.captions),
  };
  const painter = new TransformerPainter(new Tessera({ folder: paths.folder, config, captions, patch, model }));
  const wanted = job.request.sampleCaptions ?? pickCaptions(training.captions, heldOut.captions);
  const watch = await openWatch(job, 'transformer', painter);
  // The transformer wants the memory of the decoded images.
  job.releaseImages();
  let validation = '';
  const result = await train(watched(task, watch), job.loop(config.train), {
    folder: paths.modelState,
    now: session.now,
    signal: session.signal,
    watcher: {
      ...(await job.watcher('transformer', paths.modelState)),
      onStep: ({ step, loss, units }) => session.reporter.update({ step, loss, amount: units, note: validation }),
      onLog: record => {
        job.log('transformer', record);
        if (record.val_image !== undefined) validation = `held out ${record.val_image.toFixed(3)} nats a code`;
        watch?.log(record);
      },
      onSample: async step => {
        const { sheet, painted } = await drawSampleGrid(painter, wanted, { note: `step ${step}` });
        await writeAtomic(paths.samples, await encodePng(sheet));
        session.reporter.pictures(painted.slice(0, 6), { pictureColumns: 24 });
      },
      onBest: async (weights, { step }) => {
        await writeSafetensors(paths.weights.best, asTensors(weights), { ...metadata, step: String(step) });
      },
      onSave: async (weights, average, step) => {
        job.syncLog();
        const described = { ...metadata, step: String(step) };
        await writeSafetensors(paths.weights.last, asTensors(weights), described);
        await writeSafetensors(paths.weights.ema, asTensors(average), described);
        await job.request.onSave?.(step);
      },
    },
  });
  if (task.cut.size > 0) {
    session.reporter.message(`${task.cut.size} captions were longer than ${config.model.captionLength} ids and cut`);
  }
  model.dispose();
  if (!result.finished) return job.stopped('transformer') ?? false;
  session.reporter.done(validation);
  return true;
}

/** Joins codes with the captions of the items they were made of. */
async function captioned(job: Job, codes: Codes): Promise<{ training: CaptionedCodes; heldOut: CaptionedCodes }> {
  await job.items();
  const captionsOf = new Map((await job.open()).items.map(({ id, captions }) => [id, captions]));
  const join = (set: CodeSet): CaptionedCodes => ({
    set,
    captions: set.ids.map(id => {
      const captions = captionsOf.get(id);
      if (captions !== undefined) return captions;
      throw new UserError(
        'train',
        `${id} was encoded, but ${job.request.data} does not have it now`,
        `use the data the run was started with, or remove ${dirname(job.paths.trainingCodes)} to encode again`,
      );
    }),
  });
  return { training: join(codes.training), heldOut: join(codes.heldOut) };
}
