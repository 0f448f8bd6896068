/**
 * @file The stages that families share, tokenizers, the text encoder and the data as codes: each leaves files by which the
 * next start knows that it is done.
 */

import { existsSync } from 'node:fs';
import type { Item } from '../../../data/dataset.ts';
import type { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { counted } from '../../core/numbers.ts';
import { Random } from '../../core/random.ts';
import { Contrastive } from '../../families/contrastive/contrastive.ts';
import { textEncoderOf } from '../../families/contrastive/encoder.ts';
import { ContrastiveTask } from '../../families/contrastive/task.ts';
import { loadTowers, saveTowers } from '../../families/contrastive/towers.ts';
import {
  type CaptionedCodes,
  type Parts,
  type Rehearsal,
  type StageName,
  stageTitles,
  type TrainingData,
} from '../../families/family.ts';
import { disposeParts } from '../../families/parts.ts';
import type { CodeSet } from '../../io/codes.ts';
import { fingerprint } from '../../io/runfolder.ts';
import type { Metrics } from '../../training/measured.ts';
import { sourceOf } from '../../training/saved-training.ts';
import { takesPatchOver } from '../from/patch-decision.ts';
import { codedCrops } from '../run-images.ts';
import { CodesOfSide } from './codes-of-side.ts';
import { type Job, TAKEN } from './job.ts';
import { patchStage } from './patch.ts';
import { rehearsalOf } from './rehearsal.ts';
import { expectRoom } from './room.ts';
import { isStageDone, isTakenOver, runStage, type Stage } from './stage.ts';
import { startedPatchStage } from './started-patch.ts';

/** What the stages before a model have left. */
export interface Prepared {
  /** Those of the stages that were run. */
  readonly parts: Partial<Parts>;
  readonly codes?: Codes;
  readonly rehearsal?: Rehearsal;
}

/** Runs whatever of some stages is missing. @returns undefined if it was stopped */
export async function prepareParts(job: Job, stages: readonly StageName[]): Promise<Prepared | undefined> {
  let parts: Partial<Parts> = {};
  let codes: Prepared['codes'];
  let rehearsal: Prepared['rehearsal'];
  try {
    if (stages.includes('captions')) parts = { ...parts, captions: await job.captionStage() };
    if (stages.includes('text')) {
      const captions = expectPart(parts.captions, 'text', 'captions');
      const trained = await textStage(job, captions);
      if (trained === undefined) return stopped(parts);
      parts = { ...parts, text: textEncoderOf(trained.model, captions) };
    }
    if (stages.includes('patch')) {
      const patch = await (takesPatchOver(job.config) ? startedPatchStage(job) : patchStage(job));
      if (patch === undefined) return stopped(parts);
      parts = { ...parts, patch };
    }
    if (stages.includes('codes')) {
      const patch = expectPart(parts.patch, 'codes', 'patch');
      await job.fitRest(); // what is rehearsed is as much as the steps will show
      codes = await codeStage(job, patch);
      rehearsal = await rehearsalOf(job, patch);
    }
    return { parts, codes, rehearsal };
  } catch (error) {
    disposeParts(parts);
    throw error;
  }
}

function stopped(parts: Partial<Parts>): undefined {
  disposeParts(parts);
  return undefined;
}

function expectPart<T>(part: T | undefined, stage: StageName, needed: StageName): T {
  if (part === undefined) throw new Error(`a family with the stage ${stage} needs the stage ${needed} before it`);
  return part;
}

/**
 * Trains the text encoder, or opens the one that is there.
 * @returns the averaged towers, the caller's, and in words how well they retrieve; undefined if it was stopped
 */
export async function textStage(
  job: Job,
  captions: BpeTokenizer,
): Promise<{ readonly model: Contrastive; readonly note: string } | undefined> {
  const { config, paths } = job;
  const stage: Stage = {
    title: stageTitles.text,
    name: 'text',
    state: paths.textState,
    file: paths.text,
    loop: job.loop('text'),
    unit: 'images',
  };
  if (isTakenOver(config, stage) || (await isStageDone(stage))) {
    job.skip(stage.title, isTakenOver(config, stage) ? TAKEN : 'done before');
    return { model: await loadTowers(paths.text, captions.vocabSize), note: 'trained before' };
  }
  const result = await runStage(job, stage, async () => {
    const { images, items } = (await job.images()).heldOut;
    if (new Set((await job.items()).training.flatMap(item => item.captions)).size === 1) {
      job.session.reporter.message(
        'all captions are the same: there is nothing that a text encoder could learn from them',
      );
    }
    const sizes = { vocabulary: captions.vocabSize, imageSize: config.images.imageSize };
    const stream = await job.stream({ batchSize: config.textTrain.batchSize });
    const model = new Contrastive(
      config.text,
      sizes,
      await sourceOf(stage.state, new Random(config.seed).fork('text')),
    );
    return {
      heldOut: items.length,
      task: new ContrastiveTask(model, captions, stream, {
        config: config.textTrain,
        bpeDropout: config.caption.bpeDropout,
        heldOut: { images, captions: items.map(item => item.captions[0]) },
      }),
      describe: describeRetrieval,
      judging: { rose: 'held-out loss rose', weights: 'the last averaged weights are used all the same' },
      saveWeights: async (_, average) => saveTowers(paths.text, model, average),
      dispose: () => model.dispose(),
    };
  });
  return result && { model: await loadTowers(paths.text), note: result.note || UNMEASURED };
}

/** Said of what was trained without anything held out. */
const UNMEASURED = 'trained; not measured, since nothing is held out';

/** Among fewer, guessing is right so often that it must be said. */
const FEW_CANDIDATES = 20;

function describeRetrieval(record: Metrics): string | undefined {
  const { val_captionTop1: caption, val_imageTop1: image, val_candidates: candidates } = record;
  if (caption === undefined) return undefined;
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  const chance = candidates < FEW_CANDIDATES ? `, where guessing finds ${percent(1 / candidates)}` : '';
  return `held out: ${percent(caption)} find their caption, ${percent(image)} their image, among ${Math.round(candidates)}${chance}`;
}

/** The data as codes, on both sides of the split. */
export interface Codes {
  readonly training: CodeSet;
  readonly heldOut: CodeSet;
}

/** @throws UserError if the disk has no room for the data as codes, where they are not there yet */
export async function expectRoomForCodes(job: Job): Promise<void> {
  const { paths, config } = job;
  if (!job.hasData || [paths.trainingCodes, paths.heldOutCodes].every(existsSync)) return;
  const { training, heldOut } = await job.items();
  const length = config.patch.grid ** 2;
  const crops = codedCrops(config);
  const bytes = (training.length * crops + heldOut.length) * length * Uint16Array.BYTES_PER_ELEMENT;
  const what = `${training.length} images x ${crops} crops of ${length} codes:`;
  await expectRoom(paths.folder, bytes, `${what} the data as codes`);
}

async function codeStage(job: Job, patch: PatchTokenizer): Promise<Codes> {
  const { paths, config } = job;
  const title = stageTitles.codes;
  const [{ crops }, { variants }] = [config.images, config.model];
  const expected = {
    tokenizer: await fingerprint(paths.patch),
    codebook: patch.vocabSize,
    length: config.patch.grid ** 2,
  };
  const [training, heldOut] = [
    await CodesOfSide.open(job, {
      path: paths.trainingCodes,
      crops: codedCrops(config),
      variants,
      ...expected,
    }),
    await CodesOfSide.open(job, { path: paths.heldOutCodes, crops: 1, variants: [], ...expected }),
  ];
  const items = job.hasData ? await job.items() : undefined;
  const done = { training: training.complete(items?.training), heldOut: heldOut.complete(items?.heldOut) };
  if (done.training !== undefined && done.heldOut !== undefined) {
    job.skip(title, 'done before');
    return { training: done.training, heldOut: done.heldOut };
  }
  job.begin(title, { unit: 'images' });
  const sides = items ?? (await job.items());
  const held = await heldOut.make(patch, sides.heldOut, async () =>
    sides.heldOut.length <= job.measuredAtMost ? (await job.images()).heldOut : undefined,
  );
  const all = await training.make(patch, sides.training, async () => (await job.images()).training);
  job.session.reporter.done(`${counted(all.ids.length, 'image')}, ${describeCrops(crops, variants)} each`);
  return { training: all, heldOut: held };
}

function describeCrops(crops: number, variants: readonly string[]): string {
  const said = `${crops} ${crops === 1 ? 'crop' : 'crops'}`;
  return variants.length === 0 ? said : `${said}, plain and ${variants.join(', ')},`;
}

/** Joins codes with the captions of the items they were made of. */
export async function joinCaptions(job: Job, codes: Codes): ReturnType<TrainingData['codes']> {
  const { training, heldOut } = await job.items();
  const join = (set: CodeSet, items: readonly Item[]): CaptionedCodes => {
    const captionsOf = new Map(items.map(({ id, captions }) => [id, captions]));
    return { set, captions: set.ids.map(id => captionsOf.get(id) as readonly string[]) }; // codes are those of the items
  };
  return { training: join(codes.training, training), heldOut: join(codes.heldOut, heldOut) };
}
