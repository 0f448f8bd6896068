/**
 * @file Making a folder with those above it, one after another. Node's own way of doing so says that there is no such file
 * where the file system is read-only, and never ends where a folder takes none (`/proc`).
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../core/errors.ts';
import { codeOf } from './at-path.ts';

/**
 * Makes a folder that may be there already.
 * @throws UserError if none can be made at that place; the system's error, which names the folder that it is about
 */
export async function makeFolder(path: string): Promise<void> {
  if (await made(path)) return;
  await makeFolder(dirname(path));
  if (!(await made(path))) throw new UserError(path, 'no folder can be made here', 'choose another place');
}

/** Makes a folder alone. @returns false if the one above it is missing */
async function made(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (await isFolder(path)) return true;
    if (codeOf(error) === 'ENOENT' && dirname(path) !== path) return false;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
