/**
 * @file Reads a shard once from beginning to end: where each picture lies and what the captions say. Plain archives are read
 * in place later; the pictures of a compressed one are put by. Names, sizes and links in an archive are anybody's: nothing is
 * written under a name of its, and what it claims is bounded by what it holds.
 */

import { createReadStream } from 'node:fs';
import { posix } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Header } from 'tar-stream';
import { firstLine } from '../../../src/core/errors.ts';
import { isImageName, LIMIT_PICTURE, readPiece } from '../../files.ts';
import { isUnreadPicture, whyUnread } from '../../leftovers.ts';
import { decodeText, LIMIT_TEXT } from '../../text.ts';
import { readSideText, type SideText } from '../side-text.ts';
import { isHidden, isText, nameOf, type Picture, plainPath } from './members.ts';
import type { Member } from './samples.ts';
import type { Spool } from './spool.ts';

/** Pictures hardly compress: an archive that unpacks to more than this many times its size is made to fill memory. */
const MOST_RATIO = 200;
/** What a small archive may unpack to whatever its ratio. */
const ANY_RATIO = 64 * 2 ** 20;
/** Most records of a member's extended header; the usual ones are a dozen. */
const MOST_RECORDS = 1000;
/** Most links from one to the next. */
const MOST_LINKS = 8;

/** What a shard holds. */
export interface Shard {
  /** By path, in the order of the shard; of members with one path the last. */
  readonly members: ReadonlyMap<string, Member>;
  /** Whether the pictures lie in the spool. */
  readonly unpacked: boolean;
  /** What is wrong with it, in words. */
  readonly problems: readonly string[];
  /** Endings of members that are neither pictures nor captions, and how often. */
  readonly others: ReadonlyMap<string, number>;
}

/** Compressions that are known by their first bytes, and the command that undoes each. */
const compressions: readonly { readonly magic: readonly number[]; readonly name: string; readonly undo: string }[] = [
  { magic: [0x42, 0x5a, 0x68], name: 'bzip2', undo: 'bunzip2' },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], name: 'xz', undo: 'unxz' },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], name: 'zstd', undo: 'unzstd' },
  { magic: [0x04, 0x22, 0x4d, 0x18], name: 'lz4', undo: 'unlz4' },
  { magic: [0x50, 0x4b, 3, 4], name: 'zip', undo: 'unzip' },
];

/** Reads a shard. One that breaks off gives what came before the break. */
export async function readShard(path: string, spool: Spool): Promise<Shard> {
  const reader = new ShardReader(spool);
  try {
    await reader.read(path);
  } catch (error) {
    reader.problems.push(whatIsWrong(error));
  }
  reader.finish();
  return reader;
}

function whatIsWrong(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  if (error instanceof Refused) return error.message;
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) return `cannot be read (${firstLine(error)})`;
  // tar-stream asks whether to gunzip it; that has been looked at.
  const reason = firstLine(error).replace(/^Invalid tar header.*/, 'a header that is none');
  return `the archive breaks off or is damaged (${reason}); kept what came before`;
}

/** Why reading was stopped, in words that can stand alone. */
class Refused extends Error {}

class ShardReader implements Shard {
  readonly members = new Map<string, Member>();
  readonly problems: string[] = [];
  readonly others = new Map<string, number>();
  unpacked = false;
  private count = 0;
  private readonly spool: Spool;
  private readonly links = new Map<string, string>();
  /** Reasons why members are left out, each with how many and the first. */
  private readonly left = new Map<string, { count: number; readonly first: string }>();

  constructor(spool: Spool) {
    this.spool = spool;
  }

  async read(path: string): Promise<void> {
    const magic = await readPiece(path, 0, 8);
    const starts = (bytes: readonly number[]) => bytes.every((byte, i) => magic[i] === byte);
    const unread = compressions.find(({ magic: bytes }) => starts(bytes));
    if (unread !== undefined) {
      throw new Refused(`compressed with ${unread.name}, which is not read; unpack it (${unread.undo})`);
    }
    this.unpacked = starts([0x1f, 0x8b]);
    const { extract } = await import('tar-stream'); // loaded for those who have such files only
    const options: object = { allowUnknownFormat: true }; // archives of before 1988; missing in its types
    const tar = extract(options);
    tar.on('entry', (header, body, next) => {
      const chunks: Buffer[] = [];
      const kept = this.bytesToKeep(header);
      if (kept) body.on('data', chunk => chunks.push(chunk as Buffer)); // a byte stream
      // The stream ends only when all of the entry was there.
      body.on('end', () => {
        this.take(header, kept ? Buffer.concat(chunks) : undefined).then(() => next(), next);
      });
      body.on('error', () => {}); // the archive's own error says it
      body.resume();
    });
    const file = createReadStream(path, { highWaterMark: 1 << 20 });
    if (this.unpacked)
      await pipeline(
        file,
        createGunzip(),
        bounded(() => file.bytesRead),
        tar,
      );
    else await pipeline(file, tar);
  }

  /** Whether the bytes of a member are needed now. */
  private bytesToKeep({ type, name, size = 0 }: Header): boolean {
    if (type !== 'file' && type !== 'contiguous-file') return false;
    if (isText(nameOf(name).ending)) return size <= LIMIT_TEXT;
    return this.unpacked && isImageName(name) && size <= LIMIT_PICTURE;
  }

  /** Takes a member whose body was there in full. */
  private async take(header: Header, bytes: Buffer | undefined): Promise<void> {
    const { type, size = 0 } = header;
    this.count++;
    if (Object.keys(header.pax ?? {}).length > MOST_RECORDS) {
      throw new Refused(`has an extended header of more than ${MOST_RECORDS} records; not read on`);
    }
    if (type === 'directory') return;
    const { path, why } = { why: undefined, path: undefined, ...plainPath(header.name) };
    if (path === undefined) return this.leave(why, header.name);
    if (isHidden(path)) return;
    const { ending } = nameOf(path);
    const isPicture = isImageName(path);
    if (!isPicture && !isText(ending) && !isUnreadPicture(path)) {
      this.others.set(ending, (this.others.get(ending) ?? 0) + 1);
      return;
    }
    if (this.members.has(path) || this.links.has(path)) {
      this.leave('members whose name comes again, of which the last counts, as in unpacking', path);
      this.members.delete(path);
      this.links.delete(path);
    }
    if (type === 'link' || type === 'symlink') {
      this.links.set(path, targetOf(path, type, header.linkname ?? ''));
    } else if (!(type === 'file' || type === 'contiguous-file') || isSparse(header)) {
      this.leave('members of a kind that is not read, as sparse files, devices and pipes', path);
    } else if (isUnreadPicture(path)) this.members.set(path, { unread: whyUnread(path) });
    else if (isPicture && size > LIMIT_PICTURE) this.leave(`pictures of more than ${inMib(LIMIT_PICTURE)}`, path);
    else if (isPicture) this.members.set(path, { picture: await this.place(header, bytes) });
    else this.members.set(path, { text: bytes === undefined ? tooLong : readSideText(ending, decodeText(bytes)) });
  }

  private async place(header: Header, bytes: Buffer | undefined): Promise<Picture> {
    const length = header.size ?? 0;
    // `byteOffset` is where the body begins; tar-stream's types leave it out.
    if (!this.unpacked) return { offset: (header as unknown as { byteOffset: number }).byteOffset, length };
    try {
      return { offset: await this.spool.append(bytes ?? new Uint8Array()), length };
    } catch (error) {
      throw new Refused(`${firstLine(error)}; unpack it beside its place (gunzip), or set TMPDIR to another folder`);
    }
  }

  /** Puts in the place of each link what it leads to, and says what was left out. */
  finish(): void {
    if (this.count === 0 && this.problems.length === 0) this.problems.push('holds no files');
    for (const [path, first] of this.links) {
      let target = first;
      for (let i = 0; i < MOST_LINKS && this.links.has(target); i++) target = this.links.get(target) ?? '';
      const member = this.members.get(target);
      const fits = isImageName(path) ? member?.picture !== undefined : member?.text !== undefined;
      if (member !== undefined && fits) this.members.set(path, member);
      else this.leave('links to no picture or caption of the shard', path);
    }
    for (const [why, { count, first }] of this.left) {
      const some = first.slice(0, 100);
      this.problems.push(`${why} (${count === 1 ? some : `${count}, e.g. ${some}`})`);
    }
  }

  private leave(why: string, path: string): void {
    const there = this.left.get(why);
    if (there === undefined) this.left.set(why, { count: 1, first: path });
    else there.count++;
  }
}

const tooLong: SideText = { captions: [], why: `is longer than ${inMib(LIMIT_TEXT)}` };

function inMib(bytes: number): string {
  return `${bytes / 2 ** 20} MiB`;
}

/** The member that a link leads to: hard links are named from the archive's root, symbolic ones from their own folder. */
function targetOf(path: string, type: 'link' | 'symlink', name: string): string {
  return posix.normalize(type === 'link' ? name : posix.join(posix.dirname(path), name));
}

/** Whether the body begins with a map of the holes instead of the file's own bytes. */
function isSparse({ pax }: Header): boolean {
  return Object.keys(pax ?? {}).some(key => key.startsWith('GNU.sparse'));
}

/** Passes bytes on until they are too many for what they were unpacked from. */
function bounded(packed: () => number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      const tooMany = seen > ANY_RATIO && seen > MOST_RATIO * packed();
      if (tooMany) done(new Refused(`unpacks to more than ${MOST_RATIO} times its size, as no pictures do; not read`));
      else done(null, chunk);
    },
  });
}
