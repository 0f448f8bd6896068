/**
 * @file The members of a shard: what their names say. WebDataset's rule: the key of a sample ends at the first dot of the
 * file's name, folders belong to it; the field is all that follows.
 */

import { posix } from 'node:path';
import { textEndings } from '../side-text.ts';

/** Where the bytes of a picture lie. */
export interface Picture {
  readonly offset: number;
  readonly length: number;
}

/** A member's name in its parts. */
export interface Name {
  /** E.g. `cats/0001` of `cats/0001.depth.png`. */
  readonly key: string;
  /** All after the key's dot in lower case, e.g. `depth.png`; '' without a dot. */
  readonly field: string;
  /** The field without its ending, e.g. `depth`; '' if it is nothing but an ending. */
  readonly stem: string;
  /** E.g. `png`. */
  readonly ending: string;
}

export function nameOf(path: string): Name {
  const file = path.slice(path.lastIndexOf('/') + 1);
  const dot = file.indexOf('.');
  const cut = dot < 0 ? file.length : dot;
  const key = path.slice(0, path.length - file.length + cut);
  const field = file.slice(cut + 1).toLowerCase();
  const last = field.lastIndexOf('.');
  return { key, field, stem: last < 0 ? '' : field.slice(0, last), ending: field.slice(last + 1) };
}

/** Longest name of a member that is read; file systems know no longer ones. */
const LONGEST_NAME = 4096;

/** A member's path in one spelling, or why it is not read, as a kind of names. */
export function plainPath(name: string): { readonly path: string } | { readonly why: string } {
  if (name.length > LONGEST_NAME) return { why: `names of more than ${LONGEST_NAME} characters` };
  const path = posix.normalize(name);
  if (path.startsWith('/') || path === '..' || path.startsWith('../')) {
    return { why: 'names that lead out of the archive' };
  }
  return { path };
}

/** Whether a member is one that systems leave behind. */
export function isHidden(path: string): boolean {
  return path.split('/').some(part => /^(\.|__MACOSX$|PaxHeaders(\.|$))/.test(part));
}

/** Whether a name is that of a member with captions. */
export function isText(ending: string): boolean {
  return textEndings.some(known => known === ending);
}
