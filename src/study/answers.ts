/** @file What the answers of a human study are once they are read: one judged trial each, with the systems' names again. */

/** One judged trial, blinded names resolved. */
export interface Vote {
  /** Random id. */
  readonly rater: string;
  /** Key of the study's question: `fits` (which fits the caption), `finished` (which looks more finished), `real` (real or painted; single pictures). */
  readonly question: string;
  /** The caption: the unit that is resampled. */
  readonly item: string;
  /** Systems, `a` before `b` in the study's order. */
  readonly a: string;
  /** Empty for `real`, where one picture is judged. */
  readonly b: string;
  /** Which won; for `real`, `a` is "said real" and `b` "said painted". */
  readonly choice: 'a' | 'b' | 'tie';
  readonly left: 'a' | 'b';
  /** From the picture's appearance to the answer. */
  readonly milliseconds: number;
  /** Place in the rater's session. */
  readonly trial: number;
  readonly kind: 'vote' | 'catch' | 'repeat' | 'warmup';
  /** Whether a catch trial was answered as it must be. */
  readonly right?: boolean;
}
