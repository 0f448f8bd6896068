/** @file Choosing pictures by a CLIP from a program: what `tessera sample --rerank` does. What runs it is loaded when it is called. */
import { checkOptions, checkValue, listCheck, pathCheck, pictureCheck, textCheck } from '../core/checks.ts';
import type { Picture } from '../image/images.ts';
import type { Clip } from '../runs/rerank.ts';
import { openSession, stoppable, type WorkOptions, workChecks } from './progress.ts';

const picturesCheck = listCheck('pictures', pictureCheck());

/**
 * Loads a CLIP that scores how well pictures fit a caption.
 * @param name a folder, or a hub id such as `Xenova/clip-vit-base-patch16`, which is downloaded once
 * @throws UserError if it cannot be had, or `@huggingface/transformers` is not installed
 */
export async function openClip(name: string, options: WorkOptions = {}): Promise<Clip> {
  checkValue('openClip: name', name, pathCheck);
  checkOptions('openClip', options, workChecks);
  const { loadClip } = await import('../runs/rerank.ts');
  const { downloads } = await import('../runs/session.ts');
  const clip = await stoppable(options, () => loadClip(name, downloads(openSession(options))));
  return {
    name: clip.name,
    score: async (caption, pictures) => {
      checkValue('score: caption', caption, textCheck);
      checkValue('score: pictures', pictures, picturesCheck);
      return clip.score(caption, pictures);
    },
    dispose: () => clip.dispose(),
  };
}

/** The pictures that fit a caption best, and their scores, best first. */
export interface Ranked {
  /** Its place among the pictures that were given. */
  readonly index: number;
  readonly score: number;
}

/**
 * Pictures in the order in which a CLIP finds that they fit a caption; equal ones keep their order.
 * @throws UserError naming the first argument that does not fit
 */
export async function rankPictures(clip: Clip, caption: string, pictures: readonly Picture[]): Promise<Ranked[]> {
  checkValue('rankPictures: clip', clip, {
    expected: 'a CLIP, as openClip gives it',
    fits: value => typeof (value as Partial<Clip> | undefined)?.score === 'function',
  });
  checkValue('rankPictures: caption', caption, textCheck);
  checkValue('rankPictures: pictures', pictures, picturesCheck);
  const { rank } = await import('../runs/rerank.ts');
  const scores = await clip.score(caption, pictures);
  return rank(scores).map(index => ({ index, score: scores[index] }));
}
