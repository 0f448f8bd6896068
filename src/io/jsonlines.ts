/**
 * @file Append-only JSON lines, one record a line: what `metrics.jsonl` is. A kill in mid-write can tear only the last
 * line; readers drop it and writers cut it off before they go on.
 */
import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { UserError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import { writeAtomic } from './atomic.ts';
import { readBytesSync } from './bytes.ts';

/** Longest file that is read, in bytes: the log of some million records. */
const MOST_LINES = 2 ** 28;

/** Appends records to a file, each with one write call; opened, it mends what a killed writer left. */
export class JsonLines {
  private readonly file: number;

  /** @param path made if missing, with its folders */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    const bytes = existsSync(path) ? Buffer.from(readBytesSync(path, { most: MOST_LINES })) : Buffer.alloc(0);
    const end = bytes.lastIndexOf(0x0a) + 1;
    const tail = bytes.subarray(end).toString();
    this.file = openSync(path, 'a');
    if (tail === '') return;
    if (parse(tail) === undefined) ftruncateSync(this.file, end);
    else writeSync(this.file, '\n');
  }

  /** Adds one record. Numbers that are not finite are written as null, as JSON has no name for them. */
  append(record: object): void {
    const line = Buffer.from(`${printableJson(record)}\n`);
    let written = 0;
    while (written < line.length) written += writeSync(this.file, line, written);
  }

  /** Makes everything appended so far survive a power cut; call it when the step it belongs to is saved. */
  sync(): void {
    fsyncSync(this.file);
  }

  close(): void {
    this.sync();
    closeSync(this.file);
  }
}

/**
 * Reads every whole record; a torn last line is dropped, a missing file has no records.
 * @throws UserError naming the first bad line that is not the last
 */
export function readJsonLines(path: string): unknown[] {
  return splitLines(path).map(({ record }) => record);
}

/**
 * Drops the records a resumed run will write again, atomically; the others keep their bytes. Call it before the file is
 * opened for appending.
 * @param isAfter whether a record comes after the point the run goes on from
 * @returns how many were dropped
 */
export async function truncateAfter(path: string, isAfter: (record: unknown) => boolean): Promise<number> {
  if (!existsSync(path)) return 0;
  const lines = splitLines(path);
  const kept = lines.filter(({ record }) => !isAfter(record));
  await writeAtomic(path, kept.map(({ line }) => `${line}\n`).join(''));
  return lines.length - kept.length;
}

function splitLines(path: string): { line: string; record: unknown }[] {
  if (!existsSync(path)) return [];
  const lines = new TextDecoder().decode(readBytesSync(path, { most: MOST_LINES })).split('\n');
  const records: { line: string; record: unknown }[] = [];
  lines.forEach((line, i) => {
    if (line.trim() === '') return;
    const record = parse(line);
    if (record !== undefined) records.push({ line, record });
    else if (i < lines.length - 1)
      throw new UserError(`${path}:${i + 1}`, 'expected one JSON record, got something else');
  });
  return records;
}

/** A record is an object or a list, so that a torn one never parses: `12` may be what is left of `123`. */
function parse(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
