/**
 * @file A file that holds many images, as it was when it was opened: pieces are read only while it is still the same. A shard
 * that another program writes anew would otherwise give other bytes at the old places, perhaps another picture.
 */

import type { Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { codeOf } from '../../src/io/at-path.ts';
import { fill } from '../../src/io/bytes.ts';
import { ChangedFile } from '../files.ts';

/** A file, and how to know that nobody has changed it. */
export class StillFile {
  readonly path: string;
  readonly size: number;
  private readonly time: number;

  private constructor(path: string, { size, mtimeMs }: Stats) {
    this.path = path;
    this.size = size;
    this.time = mtimeMs;
  }

  static async of(path: string): Promise<StillFile> {
    return new StillFile(path, await stat(path));
  }

  /**
   * `length` bytes from `offset`.
   * @throws ChangedFile in one line if the file is gone, has changed since it was opened, or is shorter
   */
  async piece(offset: number, length: number): Promise<Uint8Array> {
    const file = await open(this.path, 'r').catch(error => {
      throw codeOf(error) === 'ENOENT' ? new ChangedFile(`${basename(this.path)} is not there any more`) : error;
    });
    try {
      const { size, mtimeMs } = await file.stat();
      if (size !== this.size || mtimeMs !== this.time) {
        throw new ChangedFile(`${basename(this.path)} has changed since it was opened`);
      }
      if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
        throw new ChangedFile(`bytes ${offset} to ${offset + length} of ${basename(this.path)}, which has ${size}`);
      }
      const bytes = new Uint8Array(length);
      const isWhole = (await fill(file, bytes, offset)) === length;
      if (!isWhole) throw new ChangedFile(`${basename(this.path)} has changed while it was read`);
      return bytes;
    } finally {
      await file.close();
    }
  }
}
