/** @file Where the page may have something written: below the studio's folder, by names that no path could hide in. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { realInside } from './inside.ts';
import type { Studio } from './studio.ts';

/** One folder of a name: begins with a letter or digit, and has nothing that a shell or a system reads otherwise. */
const PART = /^[\p{L}\p{N}][\p{L}\p{N} _.+-]{0,79}$/u;
/** How deep runs are looked for. */
const MOST_PARTS = 3;

/**
 * The path of a name below the studio's folder, as the user named that folder.
 * @param where opens the message
 * @throws UserError if it is none, or a link on its way leads out of the folder
 */
export async function pathBelow({ folder, library }: Studio, name: string, where: string): Promise<string> {
  const parts = name.normalize('NFC').split('/');
  const bad = parts.find(part => !PART.test(part) || /[. ]$/.test(part));
  if (bad !== undefined || parts.length > MOST_PARTS) {
    throw new UserError(
      where,
      `expected the name of a folder in ${folder}, of letters, digits and - _ . + (up to ${MOST_PARTS} with / between them), got ${JSON.stringify(name.slice(0, 80))}`,
    );
  }
  let there = join(library.folder, ...parts);
  while (there !== library.folder && !existsSync(there)) there = dirname(there);
  if (existsSync(there) && (await realInside(library.folder, there)) === undefined) {
    throw new UserError(where, `expected a folder in ${folder}, got ${name}, which leads out of it`);
  }
  return join(folder, ...parts);
}
