/** @file Seeds as a user lists them: `1-36`, or `3,5,8-10`. */
import { show } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';

const LARGEST = 0xffffffff;

/** Most seeds of one call. */
export const MOST_SEEDS = 10_000;

/** What was listed. */
export interface SeedList {
  /** In their order, each once. */
  readonly seeds: readonly number[];
  /** Those that stand there more than once. */
  readonly twice: readonly number[];
}

/**
 * Reads seeds and ranges of them, separated by commas.
 * @param where opens the message, e.g. `sample: --seeds`
 * @throws UserError if it is no such list, a range runs backwards, or there are more than `MOST_SEEDS`
 */
export function readSeeds(where: string, text: string): SeedList {
  const refuse = (got: string): never => {
    throw new UserError(
      where,
      `expected seeds from 0 to ${LARGEST}, got ${got}`,
      'e.g. --seeds 1-36 or --seeds 3,5,8-10',
    );
  };
  const seeds = new Set<number>();
  const twice = new Set<number>();
  for (const part of text.split(',')) {
    const [, first, last = first] = /^\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*$/.exec(part) ?? [];
    if (first === undefined) refuse(show(text));
    const [from, to] = [Number(first), Number(last)];
    if (from > LARGEST || to > LARGEST) refuse(show(part.trim()));
    if (to < from) refuse(`the range ${part.trim()}, which runs backwards`);
    for (let seed = from; seed <= to && seeds.size <= MOST_SEEDS; seed++) (seeds.has(seed) ? twice : seeds).add(seed);
    if (seeds.size > MOST_SEEDS)
      throw new UserError(where, `expected at most ${MOST_SEEDS} seeds, got more: ${show(text)}`);
  }
  return { seeds: [...seeds], twice: [...twice] };
}
