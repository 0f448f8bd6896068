/**
 * @file Append-only JSON lines, one record a line: what `metrics.jsonl` is. A kill in mid-write can tear only the last
 * line; readers drop it and writers cut it off before they go on. Other lines that are no records, which a power cut or
 * an editor may leave, are passed over and said.
 */
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { UserError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import { atPath } from './at-path.ts';
import { writeAtomic } from './atomic.ts';
import { readBytesSync } from './bytes.ts';
import { isTooDeep } from './json.ts';

/** Longest file that is read, in bytes: the log of some million records. */
const MOST_LINES = 2 ** 28;

/** Appends records to a file, each with one write call; opened, it mends what a killed writer left. */
export class JsonLines {
  private readonly path: string;
  private readonly file: number;

  /** @param path made if missing; its folder must be there */
  constructor(path: string) {
    this.path = path;
    const bytes = existsSync(path) ? readBytesSync(path, { most: MOST_LINES }) : new Uint8Array(0);
    const end = bytes.lastIndexOf(0x0a) + 1;
    const tail = new TextDecoder().decode(bytes.subarray(end));
    this.file = openSync(path, 'a');
    if (tail === '') return;
    if (parse(tail) === undefined) this.naming(() => ftruncateSync(this.file, end));
    else this.naming(() => writeSync(this.file, '\n'));
  }

  /**
   * Adds one record. Numbers that are not finite are written as null, as JSON has no name for them.
   * @throws UserError if the file is no longer at its path
   */
  append(record: object): void {
    this.expectThere();
    const line = Buffer.from(`${printableJson(record)}\n`);
    let written = 0;
    this.naming(() => {
      while (written < line.length) written += writeSync(this.file, line, written);
    });
  }

  /** Makes everything appended so far survive a power cut; call it when the step it belongs to is saved. */
  sync(): void {
    this.expectThere();
    this.naming(() => fsyncSync(this.file));
  }

  close(): void {
    try {
      this.naming(() => fsyncSync(this.file));
    } finally {
      closeSync(this.file);
    }
  }

  /** An open file takes lines also where its folder was taken away, and nobody would ever read them. */
  private expectThere(): void {
    if (existsSync(this.path)) return;
    throw new UserError(
      this.path,
      'the file is gone: it, or its folder, was removed or renamed meanwhile',
      'put the folder back where it was, and give the same command again',
    );
  }

  /** Errors about an open file name none. */
  private naming(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw atPath(this.path, error);
    }
  }
}

/**
 * Reads every whole record; lines that are none are left out, a missing file has no records.
 * @param onBad hears of such lines but the last, which a kill may have torn: in words, where there are any
 */
export function readJsonLines(path: string, onBad?: (what: string) => void): unknown[] {
  const lines = splitLines(path);
  const bad = lines.filter(({ record }, i) => record === undefined && i < lines.length - 1).length;
  if (bad > 0) onBad?.(`${path}: ${bad} of ${lines.length} lines are no records and are left out`);
  return lines.flatMap(({ record }) => (record === undefined ? [] : [record]));
}

/**
 * Drops the records a resumed run will write again, and a torn last line, atomically; all other lines keep their text. Call
 * it before the file is opened for appending.
 * @param isAfter whether a record comes after the point the run goes on from
 * @returns how many were dropped
 */
export async function truncateAfter(path: string, isAfter: (record: unknown) => boolean): Promise<number> {
  if (!existsSync(path)) return 0;
  const lines = splitLines(path);
  const kept = lines.filter(({ record }, i) => (record === undefined ? i < lines.length - 1 : !isAfter(record)));
  await writeAtomic(path, kept.map(({ line }) => `${line}\n`).join(''));
  return lines.filter(({ record }) => record !== undefined && isAfter(record)).length;
}

/** The lines that are not empty; `record` is undefined where they are none. */
function splitLines(path: string): { line: string; record: unknown }[] {
  if (!existsSync(path)) return [];
  const lines = new TextDecoder().decode(readBytesSync(path, { most: MOST_LINES })).split('\n');
  return lines.filter(line => line.trim() !== '').map(line => ({ line, record: parse(line) }));
}

/**
 * A record is an object or a list, so that a torn one never parses: `12` may be what is left of `123`; and not so deep that whoever
 * writes it again would run out of stack.
 */
function parse(line: string): unknown {
  if (isTooDeep(line)) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
