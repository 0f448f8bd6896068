/** @file The log of a run as `metrics.csv`: a row a record, with its stage, its step, and a column for every metric of any stage. */
import { closeSync, openSync } from 'node:fs';
import { UserError } from '../../core/errors.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { columnsOf, csvLine, csvRow } from '../../io/csv.ts';
import { type LogFile, type LogPaths, type LogRecord, readLog, writeWhole } from './log-file.ts';

/** Most columns: above what any run logs. */
const MOST_COLUMNS = 1000;

/** Rows are appended; a record with another metric than those before has the table written anew, with one more column. */
export class CsvFile implements LogFile {
  readonly path: string;
  private readonly log: string;
  private columns: ReadonlySet<string> = new Set();
  private file: number | undefined;
  /** Whether the log has what the table has not. */
  private behind = false;
  private rewriting: Promise<void> | undefined;

  constructor({ csv, metrics }: LogPaths) {
    this.path = csv;
    this.log = metrics;
  }

  async rewrite(): Promise<void> {
    this.behind = true;
    this.rewriting ??= this.catchUp();
    await this.sync();
  }

  append(record: LogRecord): void {
    if (this.file !== undefined && Object.keys(record).every(name => this.columns.has(name))) {
      writeWhole(this.file, Buffer.from(csvRow(record, [...this.columns])));
      return;
    }
    this.behind = true;
    this.rewriting ??= this.catchUp();
    this.rewriting.catch(() => {}); // whoever syncs hears of it
  }

  sheet(): void {}

  async sync(): Promise<void> {
    await this.rewriting;
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }

  /** Writes the table, until nothing was logged meanwhile. */
  private async catchUp(): Promise<void> {
    this.close();
    while (this.behind) {
      this.behind = false;
      const records = readLog(this.log);
      const columns = columnsOf(records, ['stage', 'step']);
      if (columns.length > MOST_COLUMNS) {
        throw new UserError(this.log, `expected at most ${MOST_COLUMNS} fields, got ${columns.length}`);
      }
      await writeAtomic(this.path, [csvLine(columns), ...records.map(record => csvRow(record, columns))].join(''));
      this.columns = new Set(columns);
    }
    this.file = openSync(this.path, 'a');
    this.rewriting = undefined;
  }
}
