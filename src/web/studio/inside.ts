/** @file Paths that stay where they should: links are followed, and what they lead to must lie inside the folder. */
import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, sep } from 'node:path';

/** Whether a real path is another one or lies below it. */
export function isWithin(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (!isAbsolute(way) && way.split(sep)[0] !== '..');
}

/**
 * The real path of a file or folder.
 * @param root a real path
 * @returns undefined if it is not there, or a link leads out of the root
 */
export async function realInside(root: string, path: string): Promise<string | undefined> {
  const real = await realpath(path).catch(() => undefined);
  return real !== undefined && isWithin(root, real) ? real : undefined;
}
