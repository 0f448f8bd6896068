/**
 * @file What readings of pictures say of a model: how many of the thousand scenes it paints, how evenly, how much of
 * what it paints is none, and how often the scene is the one that was asked for. Counts only, so that scores can be
 * kept and compared; intervals are made where they are shown.
 */
import { z } from 'zod';
import { type Mode, modeAttributes, modes } from '../../../data/generators/modes.ts';
import type { Picture } from '../../../src/image/images.ts';
import { ModeJudge } from '../../../src/metrics/judges/mode-judge.ts';

/** A picture's scene, or undefined where it shows none, beside the one that was asked for. */
export interface Answer {
  readonly wanted: number;
  readonly seen: number | undefined;
}

export const scoreSchema = z.object({
  images: z.number(),
  /** Pictures that show none of the scenes. */
  rejected: z.number(),
  /** Different scenes painted, whatever was asked for. */
  hit: z.number(),
  /** KL(painted || uniform) over the scenes that were recognised, in nats; null where none was. */
  kl: z.number().nullable(),
  /** Pictures that show the scene asked for. */
  right: z.number(),
  /** Pictures with each attribute as asked for; a rejected picture has none. */
  attributes: z.object({
    size: z.number(),
    colour: z.number(),
    shape: z.number(),
    place: z.number(),
    background: z.number(),
  }),
});

export type Score = Readonly<z.output<typeof scoreSchema>>;

export const attributeNames = Object.keys(modeAttributes) as readonly (keyof Mode)[]; // of a literal

/** Scenes in all. */
export const K = modes.length;

export function scoreAnswers(answers: readonly Answer[]): Score {
  const counts = new Map<number, number>();
  const attributes = { size: 0, colour: 0, shape: 0, place: 0, background: 0 };
  let [rejected, right] = [0, 0];
  for (const { wanted, seen } of answers) {
    if (seen === undefined) {
      rejected++;
      continue;
    }
    counts.set(seen, (counts.get(seen) ?? 0) + 1);
    if (seen === wanted) right++;
    for (const name of attributeNames) if (modes[seen][name] === modes[wanted][name]) attributes[name]++;
  }
  const recognised = answers.length - rejected;
  const kl = [...counts.values()].reduce((sum, n) => sum + (n / recognised) * Math.log((n / recognised) * K), 0);
  return {
    images: answers.length,
    rejected,
    hit: counts.size,
    kl: recognised === 0 ? null : kl,
    right,
    attributes,
  };
}

/**
 * Mean of the KL if as many scenes as were recognised had been drawn at random, (K - 1) / 2n; good for n of K and more.
 */
export function klFloor({ images, rejected }: Score): number | null {
  return images === rejected ? null : (K - 1) / (2 * (images - rejected));
}

/** Scores pictures against the modes that were asked for. */
export function scorePictures(pictures: readonly Picture[], wanted: readonly number[]): Score {
  const judge = new ModeJudge();
  return scoreAnswers(
    pictures.map(({ data, width }, i) => ({ wanted: wanted[i], seen: judge.oracle(width).read(data).mode })),
  );
}

/** Which modes `count` pictures are asked of: all in turn, and those of fewer spread over all. */
export function wantedModes(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * STRIDE) % K);
}

/** Has no divisor in common with K. */
const STRIDE = 387;
