/** @file What the studio and its page of a study say to each other. Types only. */

/** `GET /api/studies/:study`. */
export interface StudyFacts {
  readonly id: string;
  readonly name: string;
  readonly hash: string;
  readonly questions: readonly string[];
  /** Of a person, without those to warm up. */
  readonly trials: number;
  readonly pictures: number;
  /** Names of what is compared; the page that asks has none of them. */
  readonly systems: readonly string[];
  readonly raters: number;
  readonly finished: number;
  /** Serves its page to other machines. */
  readonly serve: string;
  /** Whether a report was made, which may be older than answers. */
  readonly hasReport: boolean;
  /** What can be wrong with answers that were collected, a line. */
  readonly problem: string | null;
}

/** `POST /api/studies/:study/collect`: a file of answers that somebody sent. */
export interface CollectAnswer {
  readonly taken: number;
  readonly again: number;
  readonly leftOut: readonly string[];
}
