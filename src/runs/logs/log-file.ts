/** @file What a form of a run's log is: a file that other programs read, made of metrics.jsonl and kept up with it. */
import { writeSync } from 'node:fs';
import { readJsonLines } from '../../io/jsonlines.ts';
import type { RunPaths } from '../../io/runfolder.ts';
import type { Sheet, SheetKind } from '../sheet-history.ts';

/** A line of a log; numbers that were not finite are null. */
export type LogRecord = Readonly<Record<string, unknown>>;

/** Where the log is, and where its forms go; those of a run are all in its folder. */
export type LogPaths = Pick<RunPaths, 'metrics' | 'sampleHistory' | 'reconstructionHistory' | 'csv' | 'tensorboard'>;

/** One form of a log. */
export interface LogFile {
  /** A file or a folder. */
  readonly path: string;
  /** Makes it whole of the log as it is. */
  rewrite(): Promise<void>;
  /** Takes a record that was appended to the log. */
  append(record: LogRecord): void;
  /** Takes a sheet of pictures. */
  sheet(kind: SheetKind, sheet: Sheet): void;
  /** Waits until it has all that it took. */
  sync(): Promise<void>;
  close(): void;
}

/** The records of a log. */
export function readLog(path: string): LogRecord[] {
  return readJsonLines(path) as LogRecord[]; // objects; of lists, which are none of ours, no field is asked for
}

/** Appends bytes to a file that is open for it. */
export function writeWhole(file: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(file, bytes, written);
}
