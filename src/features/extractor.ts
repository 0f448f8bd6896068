/**
 * @file What metrics see pictures through: a function to rows of numbers, whose name goes into every result, so that
 * nobody takes one network's distance for another's.
 */
import type { Picture } from '../image/images.ts';

/**
 * What tells a network from others in results, by its name there: one of `tessera features` is the same wherever its folder lay when
 * it was asked, and whatever that was called.
 */
export function networkOf(name: string): string {
  const [, hash] = /^contrastive:.*@([0-9a-f]{8})$/s.exec(name) ?? [];
  return hash === undefined ? name : `contrastive@${hash}`;
}

export interface FeatureExtractor {
  /** Tells it from every other one, e.g. `pixels-8` or `contrastive:features/emoji@1a2b3c4d`. */
  readonly name: string;
  /** Numbers in a row. */
  readonly dimension: number;
  /** @returns [n, dimension]; a picture's row does not depend on the others */
  images(pictures: readonly Picture[]): Promise<Float64Array>;
  /** Rows of captions in the same space, [n, dimension]; absent where there is no such space. */
  readonly text?: (captions: readonly string[]) => Promise<Float64Array>;
  dispose(): Promise<void> | void;
}
