/**
 * @file Files that a command writes for its user, under a name that was given or one of its own. What was named is replaced, as
 * other programs do, if its ending says that it is such a file; never what is read, nor a file of the data. What was not named is replaced
 * only where this program made it, which stands in the file.
 */
import { open, realpath } from 'node:fs/promises';
import { extname, sep } from 'node:path';
import { UserError } from '../core/errors.ts';
import { destinationOf, realPlace } from './destination.ts';

/** What is written. */
export type OutputKind = 'sheet' | 'page' | 'data' | 'animation';

/** Endings of such files, and what stands near the start of one that was made here; of some kinds nothing tells. */
const kinds: Readonly<Record<OutputKind, { readonly endings: readonly string[]; readonly sign?: string }>> = {
  sheet: { endings: ['.png'], sign: 'tEXttessera:sheet\0' },
  page: { endings: ['.html', '.htm'], sign: '<meta name="generator" content="Tessera" />' },
  data: { endings: ['.json'], sign: '{"format":"tessera-' },
  animation: { endings: ['.webp', '.gif'] },
};

/** The text of a PNG by which a sheet is known as one of this program. @param what it shows, e.g. `samples` */
export function sheetText(what: string): Readonly<Record<string, string>> {
  return { Software: 'Tessera', 'tessera:sheet': what };
}

/** How much of a file is looked at. */
const START_BYTES = 4096;

/** Whether a file is there that this program made. */
export async function isOurs(path: string, kind: OutputKind): Promise<boolean> {
  const { sign } = kinds[kind];
  if (sign === undefined) return false;
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0);
    return buffer.toString('latin1', 0, bytesRead).includes(sign);
  } finally {
    await file.close();
  }
}

/**
 * Makes sure that a file may be written, before anything else is done.
 * @param where opens the message, e.g. `compare: --out`
 * @param options.named whether the user gave the name; @param options.inputs files and folders that are read
 * @throws UserError if it is a folder, or there is a file that is not to be replaced
 */
export async function expectOutput(
  where: string,
  path: string,
  options: { readonly kind: OutputKind; readonly named: boolean; readonly inputs?: readonly string[] },
): Promise<void> {
  const { kind, named, inputs = [] } = options;
  const destination = await destinationOf(path);
  if (destination.kind !== 'file' || destination.found === undefined) return;
  const place = await realPlace(path);
  const read = await Promise.all(inputs.map(input => realpath(input).catch(() => input)));
  const refuse = (what: string, hint = 'choose another name') => {
    throw new UserError(where, `${path} ${what}`, hint);
  };
  if (read.includes(place)) refuse('is read, and would be written over');
  if (await isOurs(place, kind)) return;
  if (read.some(input => place.startsWith(input + sep))) refuse('is a file of the data, and would be written over');
  const [ending] = kinds[kind].endings;
  if (!named) {
    refuse('is there and was not made by Tessera', 'take it away, or name another file');
  } else if (!kinds[kind].endings.includes(extname(place).toLowerCase())) {
    refuse(
      `is there and would be written over by a file that ends in ${ending}`,
      `choose a name that ends in ${ending}`,
    );
  }
}
