/** @file What the page that compares runs asks of the studio. Types only. */

/** `POST /api/compare`: `tessera compare` of runs. Answered with a `WorkTicket`. */
export interface CompareOrder {
  /** Ids. */
  readonly runs: readonly string[];
  readonly captions: readonly string[];
  /** The data that they were trained on: then their metrics are measured, too. */
  readonly data?: string;
  /** Images painted by each run to measure. */
  readonly numImages?: number;
  readonly seed: number;
}

/** `POST /api/studies`: `tessera study make` of runs. Answered with a `WorkTicket`. */
export interface StudyOrder {
  readonly runs: readonly string[];
  /** Where they were trained on, for captions and real pictures; or captions of one's own. */
  readonly data?: string;
  readonly captions: readonly string[];
  /** Of the study: a name within the folder. */
  readonly out: string;
  readonly trials: number;
  readonly seed: number;
}
