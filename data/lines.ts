/** @file The lines of a text file one after another, so that a file of any size can be read. */

import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { readPiece } from './files.ts';
import { encodingOf, whyNoText, whyNotIn } from './text.ts';

/** A line without its end. */
export interface Line {
  /** From 1. */
  readonly number: number;
  /** Undefined if it is longer than `LONGEST` characters: such a line is passed over and never held. */
  readonly text: string | undefined;
}

/** Characters in a line; far above what a row with captions needs. */
const LONGEST = 2 ** 24;

/** Bytes at the beginning of a file that tell its encoding and its layout. */
const HEAD = 2 ** 16;

/** The beginning of a text file, at most 64 KB of it; undefined if it is no text. */
export async function beginningOf(path: string): Promise<string | undefined> {
  const bytes = await readPiece(path, 0, HEAD);
  const { encoding } = encodingOf(bytes);
  if (encoding === undefined) return undefined;
  return new TextDecoder(encoding).decode(bytes, { stream: true }); // may end within a character
}

/**
 * The lines of a text file. Lines end as on any system, also in a mix of ways.
 * @throws Error that says why the file is no text, or the system's if it cannot be read
 */
export async function* linesOf(path: string): AsyncGenerator<Line> {
  let number = 0;
  let rest = '';
  let isLong = false;
  const next = (): Line => {
    const line = { number: ++number, text: isLong ? undefined : rest };
    rest = '';
    isLong = false;
    return line;
  };
  for await (const text of piecesOf(path)) {
    const parts = text.split(/\r\n|\n|\r/);
    for (const [i, part] of parts.entries()) {
      if (i > 0) yield next();
      if (rest.length + part.length > LONGEST) isLong = true;
      rest = isLong ? '' : rest + part;
    }
  }
  if (rest !== '' || isLong) yield next();
}

/** The text of a file in pieces, none of which ends between the two characters of a line's end. */
async function* piecesOf(path: string): AsyncGenerator<string> {
  const { encoding, why } = encodingOf(await readPiece(path, 0, HEAD));
  if (encoding === undefined) throw new Error(why);
  const decoder = new TextDecoder(encoding, { fatal: true });
  const decode = (bytes: Uint8Array, stream: boolean): string | undefined => {
    try {
      return decoder.decode(bytes, { stream });
    } catch {
      return undefined;
    }
  };
  let held = '';
  for await (const bytes of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    const text = decode(bytes as Buffer, true); // without an encoding it gives bytes
    if (text === undefined) throw new Error(`${whyNotIn(encoding)}${await atLine(path, encoding)}`);
    const notText = whyNoText(text);
    if (notText !== undefined) throw new Error(notText);
    const all = held + text;
    held = all.endsWith('\r') ? '\r' : '';
    yield all.slice(0, all.length - held.length);
  }
  const end = decode(new Uint8Array(), false);
  if (end === undefined) throw new Error(`${whyNotIn(encoding)}${await atLine(path, encoding)}`);
  yield held + end;
}

/** Where the first line stands that is not UTF-8. */
async function atLine(path: string, encoding: string): Promise<string> {
  if (encoding !== 'utf-8') return '';
  let number = 1;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    const bytes: Buffer = Buffer.concat([rest, chunk as Buffer]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      if (!isUtf8(bytes.subarray(start, end))) return `; line ${number}`;
      start = end + 1;
      number++;
    }
    rest = bytes.subarray(start);
    if (rest.length > LONGEST * 4) return `; line ${number} or later`;
  }
  return `; line ${number}`;
}
