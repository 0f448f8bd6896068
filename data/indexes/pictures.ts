/**
 * @file The pictures of indexes: finds the file that each entry names and puts together what the rows of one index say of it.
 * Two indexes are never merged: of two that name one picture the nearer one counts.
 */

import { posix } from 'node:path';
import type { Problem } from '../dataset.ts';
import { type Candidate, imageFile } from '../formats/format.ts';
import { fold } from '../paths.ts';
import { type Found, MISSING, type References } from '../references.ts';
import { short } from '../shown.ts';
import type { Entry, Index } from './entries.ts';

/** The items of indexes, index by index in the order of their paths. @param indexes those that count first come first */
export function itemsOf(
  root: string,
  indexes: readonly Index[],
  references: References,
): { readonly items: readonly Candidate[]; readonly problems: readonly Problem[] } {
  const items = new Map<string, Candidate[]>();
  const problems: Problem[] = [];
  const owners = new Map<string, string>();
  for (const index of indexes) {
    for (const problem of index.problems) problems.push(problem); // there may be more than arguments in a call
    const own: Candidate[] = [];
    const twice = new Map<string, number>();
    items.set(index.path, own);
    for (const [id, entries] of picturesOf(index, references, problems)) {
      const owner = owners.get(id);
      if (owner !== undefined) {
        twice.set(owner, (twice.get(owner) ?? 0) + 1);
        continue;
      }
      owners.set(id, index.path);
      const item = itemOf(id, { root, path: index.path, entries }, problems);
      if (item !== undefined) own.push(item);
    }
    for (const [owner, count] of twice) {
      const [pictures, them] = count === 1 ? ['a picture', 'it'] : [`${count} pictures`, 'them'];
      problems.push({
        id: index.path,
        what: `${pictures} not taken from it: ${owner} names ${them} too and comes first`,
      });
    }
  }
  const paths = [...items.keys()].sort();
  return { items: paths.flatMap(path => items.get(path) ?? []), problems };
}

/** Why a picture is not used that no index names. */
export function whyUnnamed(indexes: readonly string[]): string {
  return `no readable row of ${indexes.length > 3 ? `${indexes.length} indexes` : indexes.join(' or ')} is about it`;
}

/** The entries of an index by the picture that they mean. */
function picturesOf(index: Index, references: References, problems: Problem[]): Map<string, Entry[]> {
  const scope = references.scopeOf(index.path);
  const found = index.entries.map(({ name }) => references.at(name, scope));
  // Where some paths are there as written, one that is not is missing, and nothing else is meant by it.
  const isPrefixed = found.every(({ id }) => id === undefined);
  const hint = hintOf(index);
  const elsewhere = (name: string, isMoved: boolean): Found => {
    if (isMoved) return references.byEnd(name, scope, hint);
    return hint === undefined ? { why: MISSING } : references.inFolder(name, scope, hint);
  };
  const pictures = new Map<string, Naming[]>();
  const lost = new Map<string, { entry: Entry; why: string; rows: number }>();
  for (const [i, entry] of index.entries.entries()) {
    const place = found[i].why === MISSING ? elsewhere(entry.name, isPrefixed) : found[i];
    if (place.id === undefined) {
      const { rows = 0, ...first } = lost.get(entry.name) ?? { entry, why: place.why };
      lost.set(entry.name, { ...first, rows: rows + 1 });
      continue;
    }
    const naming = { entry, isOwn: place.isOwn };
    const there = pictures.get(place.id);
    if (there === undefined) pictures.set(place.id, [naming]);
    else there.push(naming);
  }
  for (const { entry, why, rows } of lost.values()) {
    const more = rows === 1 ? '' : ` and ${rows - 1} more`;
    problems.push({ id: shown(entry.name, scope), what: `${why} (named in ${entry.at}${more})` });
  }
  return new Map(Array.from(pictures, ([id, namings]) => [id, agreed(id, namings, problems)]));
}

/** An entry that means a picture, by its own path or by a looser reading. */
interface Naming {
  readonly entry: Entry;
  readonly isOwn: boolean;
}

/** The entries that mean a picture without doubt: those with its own path, else all if they are written alike. */
function agreed(id: string, namings: readonly Naming[], problems: Problem[]): Entry[] {
  const own = namings.filter(({ isOwn }) => isOwn);
  const loose = namings.filter(({ isOwn }) => !isOwn).map(({ entry }) => entry);
  if (loose.length === 0) return own.map(({ entry }) => entry);
  if (own.length > 0) {
    for (const { name, at } of loose)
      problems.push({
        id: shown(name, ''),
        what: `missing file (named in ${at}; ${id} is named in ${own[0].entry.at})`,
      });
    return own.map(({ entry }) => entry);
  }
  const names = [
    ...new Set(loose.map(({ name }) => fold(posix.normalize(name.replaceAll('\\', '/').replace(/#\d+$/, ''))))),
  ];
  if (names.length === 1) return loose;
  problems.push({
    id,
    what: `several paths may mean it: ${names
      .slice(0, 3)
      .map(name => short(name))
      .join(', ')}`,
  });
  return [];
}

/** The folder of images that an index is named for: `val2017` of `captions_val2017.json`. */
function hintOf({ path }: Index): string | undefined {
  return /captions?_([^/]+)\.json$/i.exec(path)?.[1];
}

/** A path as it was written, below the folder that it is relative to. */
function shown(name: string, scope: string): string {
  const isWhole = scope === '' || /^([/\\]|[a-z][a-z0-9+.-]*:)/i.test(name);
  return isWhole ? short(name) : `${scope}/${short(name)}`;
}

/** A picture with what the rows of an index say of it. */
function itemOf(
  id: string,
  { root, path, entries }: { readonly root: string; readonly path: string; readonly entries: readonly Entry[] },
  problems: Problem[],
): Candidate | undefined {
  const captions = new Set<string>();
  for (const { said } of entries) for (const caption of said.captions ?? []) captions.add(caption);
  const silent = entries.flatMap(({ said, at }) => (said.why === undefined ? [] : { at, why: said.why }));
  if (captions.size === 0) {
    const more = silent.length > 1 ? ` (and ${silent.length - 1} more rows)` : '';
    if (silent.length > 0) problems.push({ id, what: `${silent[0].at}: ${silent[0].why}${more}` });
    return undefined;
  }
  // The picture is used, so the row is what is wrong.
  for (const { at, why } of silent)
    problems.push({ id: at, what: `${why} (a row of ${id}, which has other captions)` });
  const words: { split?: string; group?: string } = {};
  for (const field of ['split', 'group'] as const) {
    const values = [...new Set(entries.map(entry => entry[field]).filter(value => value !== undefined))];
    if (values.length > 1) {
      problems.push({
        id,
        what: `its rows name several ${field}s: ${values
          .slice(0, 3)
          .map(value => short(value))
          .join(', ')} (${path})`,
      });
      return undefined;
    }
    if (values.length === 1) words[field] = values[0];
  }
  return imageFile(root, id, [...captions], { ...words, index: path });
}
