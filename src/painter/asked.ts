/** @file What is asked of a painting, and what came of it. */
import type { Kept } from '../browser/tessera.ts';

/** Settings that are left out are the run's own. */
export interface Asked {
  readonly caption: string;
  readonly seed: number;
  readonly temperature?: number;
  readonly guidance?: number;
}

/** A finished picture. */
export interface Result {
  readonly asked: Asked;
  /** [grid * grid], row by row. */
  readonly codes: Int32Array;
  readonly picture: ImageData;
  /** What was kept of another; absent of a whole one. */
  readonly part?: Part;
}

/** A picture, and what of it stays. */
export interface Part {
  readonly kept: Kept;
  readonly picture: ImageData;
}

export function describe({ asked: { caption, seed }, part }: Result): string {
  return `${caption === '' ? 'no caption' : caption}, seed ${seed}${part ? ', a part painted anew' : ''}`;
}
