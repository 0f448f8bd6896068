/** @file What every area of the studio works with. */
import type { Library } from './library.ts';
import type { Program } from './program.ts';
import type { Works } from './works.ts';

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
  /** The program that it belongs to, and processes of it that pages have started. */
  readonly program: Program;
  readonly works: Works;
  /** Aborted when the studio closes. */
  readonly signal: AbortSignal;
}
