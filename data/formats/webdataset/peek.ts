/** @file Whether an archive that lies among pictures is a shard: somebody may keep a copy of other things there. */

import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { isImageName, readPiece } from '../../files.ts';
import { isUnreadPicture } from '../../leftovers.ts';

/** Members that are looked at; samples stand side by side in a shard, so its first pictures come soon. */
const MOST = 1000;

/** Whether one of the first members of an archive is called a picture. What cannot be read as an archive holds none. */
export async function holdsPicture(path: string): Promise<boolean> {
  const { extract } = await import('tar-stream'); // loaded for those who have such files only
  const options: object = { allowUnknownFormat: true }; // missing in its types
  const tar = extract(options);
  let found = false;
  let count = 0;
  tar.on('entry', ({ name }, body, next) => {
    found ||= isImageName(name) || isUnreadPicture(name);
    if (found || ++count >= MOST) tar.destroy();
    else {
      body.on('error', () => {}); // the archive's own error says it
      body.on('end', next);
      body.resume();
    }
  });
  try {
    const [a, b] = await readPiece(path, 0, 2);
    const file = createReadStream(path);
    if (a === 0x1f && b === 0x8b) await pipeline(file, createGunzip(), tar);
    else await pipeline(file, tar);
  } catch {
    // It was stopped, or is no archive.
  }
  return found;
}
