/** @file Room on the disk: what a stage will write is known before it begins, and a disk that is clearly too small refused then. */
import { statfs } from 'node:fs/promises';
import { UserError } from '../../core/errors.ts';

/**
 * Makes sure that there is room for what will be written.
 * @param folder that is there; @param bytes that will be written in it; @param what says of what, e.g. `the state of a training`
 * @throws UserError if the disk has less
 */
export async function expectRoom(folder: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free >= bytes) return;
  throw new UserError(
    folder,
    `${what} takes ${mebibytes(bytes)} MiB, and the disk has ${mebibytes(free)} left`,
    'make room, or choose a place on another disk',
  );
}

/** What the disk of a folder has left for this user; infinite where the system does not tell. */
async function freeBytes(folder: string): Promise<number> {
  const found = await statfs(folder).catch(() => undefined);
  // Some file systems of networks and FUSE say 0 blocks in all where they do not know.
  return found === undefined || found.blocks === 0 ? Number.POSITIVE_INFINITY : found.bavail * found.bsize;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
