/** @file What is asked of a painting, and what came of it. */

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
  /** Whether a part of it was kept of another. */
  readonly isCompleted: boolean;
}

export function describe({ asked: { caption, seed }, isCompleted }: Result): string {
  return `${caption === '' ? 'no caption' : caption}, seed ${seed}${isCompleted ? ', a part painted anew' : ''}`;
}
