/**
 * @file Where the pictures of compressed shards lie while a program runs: one file in the folder for temporary files, without
 * a name, so that the system frees its space when the program ends, however it ends.
 */

import { closeSync, openSync, read, rmSync, writeSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Space that is left free for others. */
const RESERVE = 512 * 2 ** 20;

/** How often the free space is looked at, in bytes written. */
const LOOK_EVERY = 64 * 2 ** 20;

const readFd = promisify(read);
/** Closes the file of a spool that nothing reads from any more. */
const forgotten = new FinalizationRegistry<number>(fd => closeSync(fd));

/** Bytes that are put by, to be read in any order. */
export class Spool {
  readonly folder = tmpdir();
  private fd: number | undefined;
  private size = 0;
  private looked = -LOOK_EVERY;

  /** Bytes put by so far. */
  get bytes(): number {
    return this.size;
  }

  /** Puts bytes by. @returns where they begin @throws Error in one line if they do not fit */
  async append(bytes: Uint8Array): Promise<number> {
    if (this.size + bytes.length - this.looked >= LOOK_EVERY) {
      const { bavail, bsize } = await statfs(this.folder);
      if (bavail * bsize < RESERVE + LOOK_EVERY + bytes.length) {
        const mib = Math.round((bavail * bsize) / 2 ** 20);
        throw new Error(`its pictures do not fit into ${this.folder}, which has ${mib} MiB free`);
      }
      this.looked = this.size;
    }
    this.fd ??= this.create();
    const offset = this.size;
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.fd, bytes, done, bytes.length - done, offset + done);
    }
    this.size += bytes.length;
    return offset;
  }

  /** Bytes that were put by. */
  async piece(offset: number, length: number): Promise<Uint8Array> {
    if (this.fd === undefined) throw new Error('nothing was put by');
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await readFd(this.fd, bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new Error(`the copy in ${this.folder} was cut off`);
      done += bytesRead;
    }
    return bytes;
  }

  private create(): number {
    const path = join(this.folder, `tessera-${process.pid}-${crypto.randomUUID()}`);
    const fd = openSync(path, 'wx+', 0o600);
    try {
      rmSync(path); // open files live on without a name
    } catch {
      process.once('exit', () => rmSync(path, { force: true }));
    }
    forgotten.register(this, fd);
    return fd;
  }
}
