/**
 * @file The stages of the rivals, GANs and diffusion: the text encoder that all of them share, trained on the captions and
 * then frozen, and the model itself on pixels.
 */
import { existsSync } from 'node:fs';
import type { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import type { Family } from '../../config/run.ts';
import type { Contrastive } from '../../families/contrastive/contrastive.ts';
import { loadTowers } from '../../families/contrastive/towers.ts';
import { captionEncoder, createRival } from '../../families/rivals.ts';
import { encodePng } from '../../image/png.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readSafetensors, writeSafetensors } from '../../io/files.ts';
import { CaptionFeatures, withFeatures } from '../../training/captioned.ts';
import { asTensors, type Metrics, savedStep, train } from '../../training/loop.ts';
import { isTrained, trainContrastive } from '../contrastive.ts';
import { expectTrainedWith, fingerprint } from '../run.ts';
import { drawSampleGrid, pickCaptions } from '../samples.ts';
import type { Job } from './job.ts';
import { openWatch, watched } from './watch.ts';

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
  const finished = await modelStage(job, { captions, text });
  text.dispose();
  return finished;
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
    loop: job.loop(config.textTrain),
    watcher: await job.watcher('text', paths.textState),
    log: record => job.log('text', record),
    sync: () => job.syncLog(),
  });
  if (trained === undefined) return job.stopped('text encoder');
  session.reporter.done(trained.note);
  return trained;
}

async function modelStage(
  job: Job,
  encoder: { readonly captions: BpeTokenizer; readonly text: Contrastive },
): Promise<boolean> {
  const { config, paths, session } = job;
  const { family } = config;
  const { steps, batchSize, accumulate, balance } = config.train;
  if (existsSync(paths.weights.last) && (await savedStep(paths.modelState)) >= steps) {
    job.skip(family, 'done before');
    return true;
  }
  if (existsSync(paths.weights.last)) {
    const { metadata } = await readSafetensors(paths.weights.last);
    await expectTrainedWith(paths.weights.last, [['text encoder', paths.text, metadata.text_encoder]]);
  }
  job.begin(family, { total: steps, unit: 'images' });
  const { heldOut } = await job.images();
  const encode = captionEncoder(encoder.text, encoder.captions);
  const features = new CaptionFeatures(encode, config.text.dim);
  const stream = withFeatures(await job.stream({ batchSize: batchSize / accumulate, balance }), features);
  const captions = heldOut.items.map(item => item.captions[0]);
  const held = { images: heldOut.images, text: await features.of(captions) };
  const rival = createRival(config, { folder: paths.folder, encode });
  const watch = await openWatch(job, family, rival.painter);
  const task = watched(rival.task(stream, held), watch);
  const { training } = await job.items();
  const wanted = job.request.sampleCaptions ?? pickCaptions(training.map(captionsOf), heldOut.items.map(captionsOf));
  const metadata = { format: `tessera ${family}`, text_encoder: await fingerprint(paths.text) };
  let note = '';
  const result = await train(task, job.loop(config.train), {
    folder: paths.modelState,
    now: session.now,
    signal: session.signal,
    watcher: {
      ...(await job.watcher(family, paths.modelState)),
      onStep: ({ step, loss, units }) => session.reporter.update({ step, loss, amount: units, note }),
      onLog: record => {
        job.log(family, record);
        if (record.val_loss !== undefined || record.check_kid !== undefined) note = describe(record);
        watch?.log(record);
      },
      onSample: async step => {
        const { sheet, painted } = await drawSampleGrid(rival.painter, wanted, { note: `step ${step}` });
        await writeAtomic(paths.samples, await encodePng(sheet));
        session.reporter.pictures(painted.slice(0, 6), { pictureColumns: 24 });
      },
      onBest: async (weights, { step }) => {
        await writeSafetensors(paths.weights.best, asTensors(rival.painting(weights)), {
          ...metadata,
          step: String(step),
        });
      },
      onSave: async (weights, average, step) => {
        job.syncLog();
        const described = { ...metadata, step: String(step) };
        await writeSafetensors(paths.weights.last, asTensors(rival.painting(weights)), described);
        await writeSafetensors(paths.weights.ema, asTensors(rival.painting(average)), described);
        await job.request.onSave?.(step);
      },
    },
  });
  watch?.dispose();
  rival.painter.dispose();
  if (!result.finished) return job.stopped(family) ?? false;
  session.reporter.done(note);
  return true;
}

function captionsOf({ captions }: { readonly captions: readonly string[] }): readonly string[] {
  return captions;
}

function describe({ val_loss: loss, check_kid: kid, check_coverage: coverage }: Metrics): string {
  const parts = [
    ...(Number.isFinite(loss) && loss !== kid ? [`held out ${loss.toFixed(3)}`] : []),
    ...(kid === undefined ? [] : [`KID ${kid.toFixed(3)}, coverage ${(100 * coverage).toFixed(0)}%`]),
  ];
  return parts.join(', ');
}
