/** @file What every area of the studio works with. */
import type { Library } from './library.ts';

export interface Studio {
  /** The folder that it shows, as the user named it. */
  readonly folder: string;
  readonly library: Library;
  /** Of the program. */
  readonly version: string;
  /** Milliseconds of a clock that only counts on. */
  readonly now: () => number;
  /** Hears of mistakes; what a user can mend is answered instead. */
  readonly onError: (error: unknown) => void;
  /** Aborted when the studio closes. */
  readonly signal: AbortSignal;
}
