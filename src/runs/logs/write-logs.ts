/** @file Making the log of a run for other programs, at any time: `tessera logs`, and what keeps an evaluated run's up to date. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LogFormat } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { readRun } from '../../families/config.ts';
import { runPaths } from '../../io/runfolder.ts';
import { lockRun } from '../run.ts';
import type { Session } from '../session.ts';
import type { LogPaths } from './log-file.ts';
import { LogFiles, presentFormats, writeLogFiles } from './log-files.ts';

export interface LogsRequest {
  readonly run: string;
  /** Where they go; default: the run's folder, where a training keeps them. */
  readonly out?: string;
  readonly formats: readonly LogFormat[];
}

/**
 * Makes forms of the log of a run, of any age.
 * @returns the files and folders that were written
 * @throws UserError if there is no run, it has no log, or it is being trained and keeps them itself
 */
export async function writeLogs({ run, out = run, formats }: LogsRequest): Promise<string[]> {
  await readRun(run, 'logs');
  const { metrics, sampleHistory, reconstructionHistory } = runPaths(run);
  if (!existsSync(metrics)) throw new UserError('logs', `${run} has no log yet (no ${metrics})`);
  const { csv, tensorboard } = runPaths(out);
  const unlock = out === run ? await lockTrainable(run, 'logs') : undefined;
  try {
    return await writeLogFiles({ metrics, sampleHistory, reconstructionHistory, csv, tensorboard }, formats);
  } finally {
    await unlock?.();
  }
}

/** Has what was added to a log also in those of its forms that are there, unless a training keeps them meanwhile. */
export async function renewLogs({ reporter }: Session, run: string): Promise<void> {
  const paths: LogPaths = runPaths(run);
  const formats = presentFormats(paths);
  if (formats.length === 0) return;
  let unlock: (() => Promise<void>) | undefined;
  try {
    unlock = await lockTrainable(run, 'eval');
  } catch (error) {
    if (error instanceof UserError) return; // it is being trained
    throw error;
  }
  try {
    const files = new LogFiles(paths, formats, message => reporter.message(message));
    await files.rewrite();
    await files.close();
  } finally {
    await unlock?.();
  }
}

/** As `lockRun`; a run that was exported cannot be trained, and needs no lock. */
async function lockTrainable(run: string, command: string): Promise<(() => Promise<void>) | undefined> {
  return existsSync(dirname(runPaths(run).dataRecord)) ? await lockRun(run, command) : undefined;
}
