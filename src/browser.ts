/**
 * @file The library in a browser, `tesserae/browser`: a trained run paints on a page. What it reaches asks for nothing of
 * Node (test/architecture.test.ts); scripts/bundle-browser.mjs makes the files of it that a page takes.
 */
export type { EngineName, OpenedRun, Sampling } from './browser/messages.ts';
export type { LoadProgress } from './browser/read-run.ts';
export {
  type Kept,
  type LoadOptions,
  type Painted,
  type PaintOptions,
  type RunInfo,
  Tessera,
} from './browser/tessera.ts';
export { UserError } from './core/errors.ts';
export type { RunSource } from './io/runfiles.ts';
export type { NearWord, UnseenWord } from './runs/learnt/unseen.ts';
