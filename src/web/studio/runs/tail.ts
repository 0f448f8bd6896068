/** @file The end of a log of JSON lines, read backwards: its last records, however long it is. */
import { type FileHandle, open } from 'node:fs/promises';
import { fill } from '../../../io/bytes.ts';

/** A record of a log. */
export type Fields = Readonly<Record<string, unknown>>;

/** Bytes of a log's end that are read. */
const TAIL = 2 ** 14;
/** And at most, where what is looked for is not among them. */
const FURTHEST = 2 ** 23;

/**
 * The last lines of a log, but for one that may have lost its beginning.
 * @param size of the file
 * @param most bytes that are read
 */
export async function lastLines(path: string, size: number, most = TAIL): Promise<string[]> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const from = Math.max(0, size - most);
    const bytes = new Uint8Array(size - from);
    const read = await fill(handle, bytes, from);
    const lines = new TextDecoder().decode(bytes.subarray(0, read)).split('\n');
    return from === 0 ? lines : lines.slice(1);
  } finally {
    await handle?.close();
  }
}

/** The last record of which something holds; no more of the lines are parsed than that takes. */
export function findLastRecord(lines: readonly string[], holds: (record: Fields) => boolean): Fields | undefined {
  for (let i = lines.length - 1; i >= 0; i--) {
    const record = parseRecord(lines[i]);
    if (record !== undefined && holds(record)) return record;
  }
  return undefined;
}

/**
 * The last lines of a log that hold a record of which something holds, further back the longer it takes: evaluations may have
 * been added since. Nothing that lies more than 8 MiB before the end is looked for.
 */
export async function linesBackTo(path: string, size: number, holds: (record: Fields) => boolean): Promise<string[]> {
  for (let most = TAIL; ; most *= 8) {
    const lines = await lastLines(path, size, most);
    if (most >= Math.min(size, FURTHEST) || findLastRecord(lines, holds) !== undefined) return lines;
  }
}

/** A line of a log; undefined where the line is none, because it is torn or was written by somebody else. */
export function parseRecord(line: string): Fields | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Fields;
  } catch {
    return undefined;
  }
}
