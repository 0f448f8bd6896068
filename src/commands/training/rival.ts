/**
 * @file The stages of the rivals, GANs and diffusion: the text encoder that all of them share, trained on the captions and
 * then frozen, and the model itself on pixels.
 */
import type { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import type { Contrastive } from '../../baselines/contrastive.ts';
import type { Family } from '../../config.ts';
import { UserError } from '../../errors.ts';
import { loadTowers } from '../../features/towers.ts';
import { isTrained, trainContrastive } from '../contrastive.ts';
import type { Job } from './job.ts';

/** Names of the stages of a rival. */
export function rivalStages(family: Family): readonly string[] {
  return ['caption tokenizer', 'text encoder', family];
}

/** Runs whatever stage is missing. @returns false if it was stopped */
export async function trainRival(job: Job): Promise<boolean> {
  const captions = await job.captionStage();
  const trained = await textStage(job, captions);
  if (trained === undefined) return false;
  const { model: text } = trained;
  text.dispose();
  throw new UserError('train', `${job.config.family} cannot be trained yet`);
}

/**
 * Trains the text encoder, or opens the one that is there.
 * @returns it, and in words how well it retrieves; undefined if it was stopped
 */
export async function textStage(
  job: Job,
  captions: BpeTokenizer,
): Promise<{ readonly model: Contrastive; readonly note: string } | undefined> {
  const { config, paths, session } = job;
  const { steps, batchSize } = config.textTrain;
  if (await isTrained({ config, paths })) {
    job.skip('text encoder', 'done before');
    return { model: await loadTowers(paths.text), note: 'trained before' };
  }
  job.begin('text encoder', { total: steps, unit: 'images' });
  const { heldOut } = await job.images();
  const trained = await trainContrastive({
    config,
    paths,
    captions,
    stream: await job.stream({ batchSize }),
    heldOut,
    session,
    watcher: await job.watcher('text', paths.textState),
    log: record => job.log('text', record),
    sync: () => job.syncLog(),
  });
  if (trained === undefined) return job.stopped('text encoder');
  session.reporter.done(trained.note);
  return trained;
}
