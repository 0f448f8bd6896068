/**
 * @file The stage that trains the towers of captions and images, shared by `tessera train` (the frozen text encoder of the
 * rivals) and `tessera features` (what judges them).
 */

import { existsSync } from 'node:fs';
import type { Decoded } from '../../data/decoded.ts';
import type { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { RunConfig } from '../config/run.ts';
import { Random } from '../core/random.ts';
import { Contrastive } from '../families/contrastive/contrastive.ts';
import { ContrastiveTask } from '../families/contrastive/task.ts';
import { loadTowers, saveTowers } from '../families/contrastive/towers.ts';
import type { ImageStream } from '../training/captioned.ts';
import { type LoopConfig, type Metrics, savedStep, train, type Watcher } from '../training/loop.ts';
import type { RunPaths } from './run.ts';
import type { Session } from './session.ts';

export interface ContrastiveStage {
  readonly config: Pick<RunConfig, 'seed' | 'images' | 'caption' | 'text' | 'textTrain'>;
  readonly paths: Pick<RunPaths, 'text' | 'textState'>;
  /** Whose ids the text tower reads. */
  readonly captions: BpeTokenizer;
  readonly stream: ImageStream;
  /** One crop of every held-out item. */
  readonly heldOut: Decoded;
  readonly session: Session;
  readonly loop: LoopConfig;
  /** What the caller watches too. */
  readonly watcher: Watcher;
  readonly log: (record: Metrics) => void;
  /** Called before weights are written: the log must not be behind them. */
  readonly sync: () => void;
}

/** Whether the stage has nothing left to do. */
export async function isTrained({ config, paths }: Pick<ContrastiveStage, 'config' | 'paths'>): Promise<boolean> {
  return existsSync(paths.text) && (await savedStep(paths.textState)) >= config.textTrain.steps;
}

/**
 * Trains the towers to their end, or goes on with them; the reporter's stage is the caller's.
 * @returns the averaged model, the caller's, and in words how well it retrieves; undefined if it was stopped
 */
export async function trainContrastive(
  stage: ContrastiveStage,
): Promise<{ readonly model: Contrastive; readonly note: string } | undefined> {
  const { config, paths, captions, session } = stage;
  const sizes = { vocabulary: captions.vocabSize, imageSize: config.images.imageSize };
  const model = new Contrastive(config.text, sizes, new Random(config.seed).fork('text'));
  const task = new ContrastiveTask(model, captions, stage.stream, {
    config: config.textTrain,
    bpeDropout: config.caption.bpeDropout,
    heldOut: {
      images: stage.heldOut.images,
      captions: stage.heldOut.items.map(item => item.captions[0]),
    },
  });
  let note = '';
  const { finished } = await train(task, stage.loop, {
    folder: paths.textState,
    now: session.now,
    signal: session.signal,
    watcher: {
      ...stage.watcher,
      onStep: ({ step, loss, units }) => session.reporter.update({ step, loss, amount: units, note }),
      onLog: record => {
        stage.log(record);
        if (record.val_captionTop1 !== undefined) note = describe(record);
      },
      onSave: async (_, average) => {
        stage.sync();
        await saveTowers(paths.text, model, average);
      },
    },
  });
  if (task.cut.size > 0) {
    session.reporter.message(`${task.cut.size} captions were longer than ${config.text.length} ids and cut`);
  }
  model.dispose();
  return finished ? { model: await loadTowers(paths.text), note } : undefined;
}

function describe({ val_captionTop1: caption, val_imageTop1: image, val_candidates: candidates }: Metrics): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  return `held out: ${percent(caption)} find their caption, ${percent(image)} their image, among ${Math.round(candidates)}`;
}
