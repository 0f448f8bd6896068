/**
 * @file The log of a run for other programs: `metrics.csv` for spreadsheets, and event files for TensorBoard. Both are made of
 * metrics.jsonl alone, whole when a training begins or goes on and then a record at a time: whatever became of them, they
 * say what the log says. What cannot be written is said once, and the training goes on.
 */
import { existsSync } from 'node:fs';
import type { LogFormat } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import type { Sheet, SheetKind } from '../sheet-history.ts';
import { CsvFile } from './csv-file.ts';
import { EventFile, eventFiles } from './event-file.ts';
import type { LogFile, LogPaths, LogRecord } from './log-file.ts';

const openers: Readonly<Record<LogFormat, (paths: LogPaths) => LogFile>> = {
  csv: paths => new CsvFile(paths),
  tensorboard: paths => new EventFile(paths),
};

/** The forms of a log while a training goes on. Only what is a bug throws. */
export class LogFiles {
  private files: readonly LogFile[];
  private readonly warn: (message: string) => void;

  constructor(paths: LogPaths, formats: readonly LogFormat[], warn: (message: string) => void) {
    this.files = formats.map(format => openers[format](paths));
    this.warn = warn;
  }

  /** Makes them of the log as it is now. */
  async rewrite(): Promise<void> {
    await this.eachAwaited(file => file.rewrite());
  }

  /** Takes a record that was appended to the log. */
  append(record: LogRecord): void {
    this.each(file => file.append(record));
  }

  /** Takes a sheet of pictures. */
  sheet(kind: SheetKind, sheet: Sheet): void {
    this.each(file => file.sheet(kind, sheet));
  }

  /** Waits until all that was taken is written. */
  async sync(): Promise<void> {
    await this.eachAwaited(file => file.sync());
  }

  async close(): Promise<void> {
    await this.sync();
    this.each(file => file.close());
    this.files = [];
  }

  private each(work: (file: LogFile) => void): void {
    for (const file of this.files) {
      try {
        work(file);
      } catch (error) {
        this.giveUp(file, error);
      }
    }
  }

  private async eachAwaited(work: (file: LogFile) => Promise<void>): Promise<void> {
    for (const file of this.files) await work(file).catch(error => this.giveUp(file, error));
  }

  private giveUp(file: LogFile, error: unknown): void {
    if (!(error instanceof UserError) && !(error instanceof Error && 'syscall' in error)) throw error;
    this.files = this.files.filter(other => other !== file);
    file.close();
    this.warn(`${file.path} is not written any more (${error.message}); metrics.jsonl has all of it`);
  }
}

/**
 * Makes forms of a log, once.
 * @returns the files and folders that were written
 * @throws UserError if the log cannot be read; errors of the system
 */
export async function writeLogFiles(paths: LogPaths, formats: readonly LogFormat[]): Promise<string[]> {
  const files = formats.map(format => openers[format](paths));
  for (const file of files) {
    try {
      await file.rewrite();
    } finally {
      file.close();
    }
  }
  return files.map(({ path }) => path);
}

/** The forms of a log that are there. */
export function presentFormats({ csv, tensorboard }: LogPaths): LogFormat[] {
  const present: LogFormat[] = existsSync(csv) ? ['csv'] : [];
  return eventFiles(tensorboard).length > 0 ? [...present, 'tensorboard'] : present;
}
