/**
 * @file What every command needs of the outside world, put together once in cli.ts: a clock, a reporter, a backend, and a
 * signal that says when to stop.
 */
import type { BackendName } from '../../device/backends.ts';
import type { PrecisionName } from '../../device/precision.ts';
import { startBackend } from '../../kernels/start.ts';
import { shippedModel } from '../../runs/run.ts';
import type { Reporter } from '../terminal/progress.ts';

export interface Session {
  readonly reporter: Reporter;
  /** For results: what a script would read. */
  readonly print: (line: string) => void;
  /** Milliseconds. */
  readonly now: () => number;
  /** Aborted by Ctrl-C. */
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
    warn: (message, hint) => reporter.message(`warning: ${message}\n  hint: ${hint}`),
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
  readonly onDownload: (file: string, loaded: number, total: number) => void;
} {
  let shown = '';
  const onDownload = (file: string, loaded: number, total: number) => {
    if (file !== shown) reporter.stage(`downloading ${file}`, { unit: 'bytes' });
    shown = file;
    reporter.update({ step: loaded, total, amount: loaded });
  };
  return { cacheDir, onDownload };
}
