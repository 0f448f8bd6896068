/**
 * @file The signals by which a user or a system asks the program to stop: Ctrl-C (SIGINT), SIGTERM, and SIGHUP of a terminal
 * that was closed. The first asks the command, which saves what it has; the second ends the process at once. The exit code
 * is that of shells, 128 and the signal's number, so that no script takes what was stopped for what is done.
 */
import { constants } from 'node:os';

export const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type StopSignal = (typeof stopSignals)[number];

/** Why a command ended before its end: no error, and no result. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  readonly exitCode: number;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal === 'SIGINT' ? 'Ctrl-C' : signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** A command that can be asked to stop. */
export interface Stopping {
  /** Aborted by the first signal, with a `Stopped`. */
  readonly signal: AbortSignal;
  /** Gives the signals back to whoever had them. */
  readonly close: () => void;
}

/**
 * Listens for signals.
 * @param onFirst what to say at the first; @param end ends the process with an exit code
 */
export function listenForSignals(onFirst: (signal: StopSignal) => void, end: (code: number) => never): Stopping {
  const controller = new AbortController();
  const hear = (name: StopSignal) => {
    const stopped = new Stopped(name);
    if (controller.signal.aborted) end(stopped.exitCode);
    onFirst(name);
    controller.abort(stopped);
  };
  const listeners = stopSignals.map(name => [name, () => hear(name)] as const);
  for (const [name, listener] of listeners) process.on(name, listener);
  return {
    signal: controller.signal,
    close: () => {
      for (const [name, listener] of listeners) process.off(name, listener);
    },
  };
}
