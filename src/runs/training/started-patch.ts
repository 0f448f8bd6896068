/**
 * @file The stage of a patch tokenizer that was taken over from a trained model: measured on the pictures that are held out, then
 * kept, or its decoder tuned, or all of it (from/patch-decision.ts), and said in a line.
 */
import { decodeAll } from '../../../data/decoded.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { TokenizerQuality } from '../../../tokenizer/quality.ts';
import type { PatchChoice } from '../../config/run.ts';
import { stageTitles } from '../../families/family.ts';
import { loadPatchTokenizer } from '../../families/transformer/patch-file.ts';
import { measureTokenizer } from '../../families/transformer/patch-task.ts';
import { type Images, spreadPlaces } from '../../image/images.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readBytes } from '../../io/bytes.ts';
import { savedStep } from '../../training/saved-training.ts';
import {
  decide,
  isPatchReady,
  keepDecision,
  type PatchDecision,
  readDecision,
  settle,
  TUNING_PATIENCE,
  UNKNOWN_PSNR,
} from '../from/patch-decision.ts';
import type { Job } from './job.ts';
import { stageOfPatch, trainPatches } from './patch.ts';
import { isStageDone } from './stage.ts';

/** Brings the tokenizer to what was decided of it, or opens it; the caller's. @returns undefined if it was stopped */
export async function startedPatchStage(job: Job): Promise<PatchTokenizer | undefined> {
  const { config, paths } = job;
  const title = stageTitles.patch;
  if (await isPatchReady(paths, config)) {
    job.skip(title, 'done before');
    return loadPatchTokenizer(config, paths.patch);
  }
  let decision = (await readDecision(paths)) ?? (await firstDecision(job));
  if (decision.choice === 'decoder') {
    if (!(await tune(job, 'decoder'))) return undefined;
    if (!decision.settled) decision = await lastDecision(job, decision);
  }
  if (decision.choice === 'all' && !(await tune(job, 'all'))) return undefined;
  if (decision.choice === 'keep') await writeAtomic(paths.patch, await readBytes(paths.sourcePatch));
  return loadPatchTokenizer(config, paths.patch);
}

/** The choice that the config asks for; undefined: the pictures decide. */
function askedOf({ config }: Job): PatchChoice | undefined {
  const asked = config.from?.patch;
  return asked === 'auto' || asked === 'anew' ? undefined : asked;
}

/** Measures the tokenizer as it came. */
async function firstDecision(job: Job): Promise<PatchDecision> {
  const { paths, session } = job;
  const title = stageTitles.patch;
  const { psnr, usage, perplexity, whose } = await measure(job, paths.sourcePatch);
  const known = job.config.from?.psnr;
  const own = known ?? UNKNOWN_PSNR;
  const decision = decide(askedOf(job), { psnr, own });
  const said = `${psnr.toFixed(1)} dB on ${whose} (${known === undefined ? 'about ' : ''}${own.toFixed(1)} on its own)`;
  if (decision.choice === 'keep') {
    await job.watcher('patch', paths.patchState); // a run that starts from this one asks its log
    job.log('patch', { step: 0, val_loss: -psnr, val_psnr: psnr, val_usage: usage, val_perplexity: perplexity });
    await job.syncLog();
    job.skip(title, `kept: ${said}`);
  } else {
    const what =
      decision.choice === 'decoder' ? 'its decoder is tuned, and codes stay what they are' : 'all of it is tuned';
    session.reporter.message(`${title}: ${said}; ${what}`);
  }
  await keepDecision(paths, decision);
  return decision;
}

/** Measures the tokenizer with its tuned decoder. */
async function lastDecision(job: Job, before: PatchDecision): Promise<PatchDecision> {
  const { config, paths, session } = job;
  const { psnr, whose } = await measure(job, paths.patch);
  const rising = (await savedStep(paths.patchState)) >= config.patchTrain.steps; // else its patience was out
  const decision = settle(before, { psnr, rising });
  const next = {
    keep: 'no better, so that it is kept as it was',
    decoder: 'tuned',
    all: 'far from its own pictures still, so that all of it is tuned',
  } as const;
  const line = `${psnr.toFixed(1)} dB on ${whose} with the decoder tuned (${before.psnr.toFixed(1)} before)`;
  session.reporter.message(`${stageTitles.patch}: ${line}: ${next[decision.choice]}`);
  // What is tuned next starts from this decoder.
  if (decision.choice === 'keep') {
    await job.watcher('patch', paths.patchState);
    job.log('patch', { step: config.patchTrain.steps, val_loss: -before.psnr, val_psnr: before.psnr });
    await job.syncLog();
  }
  if (decision.choice === 'all') await writeAtomic(paths.sourcePatch, await readBytes(paths.patch));
  await keepDecision(paths, decision);
  return decision;
}

async function tune(job: Job, tuned: 'decoder' | 'all'): Promise<boolean> {
  const { config, paths } = job;
  const state = tuned === 'all' ? paths.wholePatchState : paths.patchState;
  const stage = stageOfPatch(job, { state, patience: TUNING_PATIENCE });
  if (await isStageDone(stage)) return true; // and what comes of it was not settled yet
  return trainPatches(job, stage, { make: () => loadPatchTokenizer(config, paths.sourcePatch), tuned });
}

/** Training images that are measured where nothing is held out. */
const MEASURED = 64;

/** How well the user's pictures come back. */
async function measure(job: Job, path: string): Promise<TokenizerQuality & { readonly whose: string }> {
  const { config, session } = job;
  const { images: heldOut } = (await job.images()).heldOut;
  const images = heldOut.count > 0 ? heldOut : await someTraining(job);
  const tokenizer = await loadPatchTokenizer(config, path);
  try {
    const quality = await measureTokenizer(tokenizer, images, session.signal);
    return { ...quality, whose: heldOut.count > 0 ? 'your held-out images' : 'your images' };
  } finally {
    tokenizer.dispose();
  }
}

async function someTraining(job: Job): Promise<Images> {
  const { training } = await job.items();
  const some = spreadPlaces(training.length, MEASURED).map(i => training[i]);
  return (await decodeAll(some, { size: job.config.images.imageSize })).images;
}
