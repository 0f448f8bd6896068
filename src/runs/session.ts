/**
 * @file What long work needs of whoever runs it: where progress is shown, a clock, and a signal that says when to stop. The
 * command line gives it a terminal; a program may give it anything.
 */
import type { BackendName } from '../device/backends.ts';
import type { PrecisionName } from '../device/precision.ts';
import type { HubOptions } from '../features/hub-options.ts';
import type { Picture } from '../image/images.ts';
import { startBackend } from '../kernels/start.ts';
import { shippedModel } from './run.ts';

/** What `stage` announces. */
export interface StageOptions {
  /** Place among the stages, e.g. 2 of 5. */
  readonly index?: number;
  readonly of?: number;
  /** Steps in all. */
  readonly total?: number;
  /** What `total` counts, one of them, e.g. `image`; default step. */
  readonly counts?: string;
  /** Steps that were done before, of work that goes on. */
  readonly step?: number;
  /** What `update` counts in `amount`: `tokens`, `images`; steps when absent. */
  readonly unit?: string;
  /** Seconds that it is expected to take from here to its end, before it has shown how fast it is. */
  readonly seconds?: number;
  /**
   * Seconds that the stages after it are expected to take: 0 where none comes, null where some come and it is not known.
   * Left out: it stands alone.
   */
  readonly secondsAfter?: number | null;
}

/** Where a stage stands. */
export interface Update {
  readonly step: number;
  readonly total?: number;
  readonly loss?: number;
  /** Units done so far, counted like `step` from any start. */
  readonly amount?: number;
  /** A few words more, e.g. `26.1 dB`. */
  readonly note?: string;
  /** Whether this is work before the first step, such as decoding, which `step` and `total` then count. */
  readonly beforehand?: boolean;
}

/** A picture to show, with a line under it. */
export interface Labelled {
  readonly picture: Picture;
  readonly label?: string;
  /** The row of pictures that it belongs to, by name: pictures of one place in several rows stand below one another. */
  readonly row?: string;
}

/** What a message is. */
export interface MessageOptions {
  /** It tells of something that changes the result, such as data that cannot be used: shown even where all else is not. */
  readonly isWarning?: boolean;
}

/** Takes the progress of long work; one stage at a time is under way, and starting the next ends the one before. */
export interface Reporter {
  /** Begins a stage. Call `update` with the first step when work resumes in its middle, so that rates are right. */
  stage(name: string, options?: StageOptions): void;
  /** Says how far the stage is; cheap. */
  update(update: Update): void;
  /** Ends the stage. @param summary replaces the last loss and note */
  done(summary?: string): void;
  /** Says that a stage has nothing to do, and why, e.g. `done before`. */
  skip(name: string, reason: string, options?: StageOptions): void;
  /** A line that stays, or several. */
  message(text: string | readonly string[], options?: MessageOptions): void;
  /**
   * Shows pictures in the place of the ones shown before, as many as there is room for.
   * @param options.pictureColumns about how wide a picture is to be, in characters
   */
  pictures(items: readonly Labelled[], options?: { readonly pictureColumns?: number }): void;
  /** How long the stages that have ended took, in milliseconds, by name. */
  readonly timings: Readonly<Record<string, number>>;
}

export interface Session {
  readonly reporter: Reporter;
  /** For results: what a script would read. */
  readonly print: (line: string) => void;
  /** Milliseconds. */
  readonly now: () => number;
  /** Aborted when the work is to stop. What does not save rejects with its reason then. */
  readonly signal: AbortSignal;
  /** Where downloaded models are kept between runs. */
  readonly cacheDir: string;
}

export interface EngineFlags {
  readonly backend: BackendName;
  readonly precision: PrecisionName;
  readonly threads?: number;
}

/** Selects the backend; the reporter says which GPU computes, if one does, and warns where `auto` had to settle. */
export async function startEngine({ reporter }: Session, flags: EngineFlags): Promise<string> {
  return startBackend(flags.backend, {
    precision: flags.precision,
    threads: flags.threads,
    warn: (message, hint) => reporter.message([`warning: ${message}`, `  hint: ${hint}`], { isWarning: true }),
    tell: message => reporter.message(message),
  });
}

/** The run that was asked for, or the model that comes with the package, which is said. */
export function runOrShipped(session: Session, run: string | undefined): string {
  if (run !== undefined) return run;
  const shipped = shippedModel();
  session.reporter.message(`using the model that comes with Tessera (${shipped}); another: --run RUN`);
  return shipped;
}

/** Where networks of others are kept, and how their downloads are shown. */
export function downloads({ cacheDir, reporter }: Session): {
  readonly cacheDir: string;
  readonly onModel: NonNullable<HubOptions['onModel']>;
  readonly onDownload: (file: string, loaded: number, total: number) => void;
} {
  const told = new Set<string>();
  const onModel: NonNullable<HubOptions['onModel']> = ({ id, revision, folder }) => {
    const line = `${id}, revision ${revision} of the hub; its files are kept in ${folder}`;
    if (!told.has(line)) reporter.message(line);
    told.add(line);
  };
  let shown = '';
  const onDownload = (file: string, loaded: number, total: number) => {
    if (file !== shown) reporter.stage(`downloading ${file}`, { unit: 'bytes' });
    shown = file;
    reporter.update({ step: loaded, total, amount: loaded });
  };
  return { cacheDir, onModel, onDownload };
}
