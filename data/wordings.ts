/** @file Which of its captions an image is shown with in training. */
import type { Random } from '../src/core/random.ts';

/**
 * One of an image's captions: with probability `firstShare` the first, the one that it is called by, else any of them.
 * @param firstShare from 0, where all are drawn alike, to 1
 */
export function drawCaption(captions: readonly string[], random: Random, firstShare = 0): string {
  if (firstShare > 0 && random.uniform() < firstShare) return captions[0];
  return captions[random.integer(captions.length)];
}
