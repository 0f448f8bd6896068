/**
 * @file Loaded before the program in tests that stop it: sends a signal to its own process at a step of a stage, or at the
 * n-th change to a file after that step. Where it stops is decided by steps, never by the clock, so that it stops there on
 * every machine.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { TerminalReporter } from '../../src/cli/terminal/progress.ts';
import type { StageOptions, Update } from '../../src/runs/session.ts';

/** Where to stop; in the environment as JSON. */
export interface Stop {
  readonly signal: NodeJS.Signals;
  /** As the reporter names it, e.g. `transformer`; '' is all of the program's work. */
  readonly stage: string;
  /** Sent after the first step from this one on; 0: as the stage begins. */
  readonly step: number;
  /** Sent instead before the n-th file operation (open, sync, rename, remove) that follows, from 1. */
  readonly operation?: number;
  /** Whether it is sent again once it has been heard. */
  readonly twice?: boolean;
}

const stop = JSON.parse(process.env.TESSERA_TEST_STOP ?? 'null') as Stop | null;
if (stop !== null) {
  let current = '';
  let reached = stop.stage === '';
  const arrive = (step: number) => {
    if (reached || current !== stop.stage || step < stop.step) return;
    reached = true;
    if (stop.twice === true) process.once(stop.signal, () => process.kill(process.pid, stop.signal));
    if (stop.operation === undefined) process.kill(process.pid, stop.signal);
  };
  const { stage, update } = TerminalReporter.prototype;
  TerminalReporter.prototype.stage = function (name: string, options?: StageOptions) {
    stage.call(this, name, options);
    current = name;
    arrive(0);
  };
  TerminalReporter.prototype.update = function (progress: Update) {
    update.call(this, progress);
    arrive(progress.step);
  };
  if (stop.operation !== undefined) stopAtOperation(stop.operation, stop.signal, () => reached);
}

/** Counts file operations from when `counting` holds, and sends the signal before the n-th. */
export function stopAtOperation(n: number, signal: NodeJS.Signals, counting: () => boolean): void {
  let left = n;
  const counted =
    <A extends unknown[], R>(operation: (...given: A) => R) =>
    (...given: A): R => {
      if (counting() && --left === 0) process.kill(process.pid, signal);
      return operation(...given);
    };
  const files = fs.promises;
  const open = files.open.bind(files);
  files.open = counted(async (...given: Parameters<typeof open>) => {
    const handle = await open(...given);
    handle.sync = counted(handle.sync.bind(handle));
    return handle;
  });
  files.rename = counted(files.rename.bind(files));
  files.rm = counted(files.rm.bind(files));
  syncBuiltinESMExports();
}
