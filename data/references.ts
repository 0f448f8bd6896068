/**
 * @file Which file of a data set an index means by a path that somebody wrote down, perhaps on another machine. Knows no
 * layout of an index.
 */

import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, posix, relative, resolve } from 'node:path';
import { isImageName, withoutExtension } from './files.ts';
import { isUnreadPicture, whyUnread } from './leftovers.ts';
import { fold, PathGroups, PathIndex } from './paths.ts';
import { namesOf } from './shown.ts';

/** The file that is meant, and whether by its own path; or why there is none, in words that follow the path. */
export type Found =
  | { readonly id: string; readonly isOwn: boolean; readonly why?: undefined }
  | { readonly why: string; readonly id?: undefined };

/** Folders that hold indexes of the images in folders beside them. */
const BESIDE_IMAGES = /^(annotations?|captions?|labels?|.*_text)$/i;

/** The folder below which the images of an index lie. @param folder that the index lies in */
export function homeOf(folder: string): string {
  return BESIDE_IMAGES.test(folder.replace(/.*[\\/]/, '')) ? resolve(folder, '..') : folder;
}

/** Why nothing is found where nothing is there. */
export const MISSING = 'missing file';

/** The files of a data set, to be found by paths in its indexes. */
export class References {
  private readonly root: string;
  private readonly realRoot: string;
  private readonly files: readonly string[];
  private readonly paths: PathIndex;
  /** Folders with a picture below them. */
  private readonly folders = new Set<string>();
  private stems: PathGroups | undefined;
  private names: PathGroups | undefined;
  private stemNames: PathGroups | undefined;

  /** @param files paths relative to `root` with `/` between folders */
  constructor(root: string, files: readonly string[]) {
    this.root = root;
    this.realRoot = realpathSync(root);
    this.files = files;
    this.paths = new PathIndex(files);
    for (const file of files) {
      if (!isImageName(file)) continue;
      let folder = folderOf(file);
      while (!this.folders.has(folder)) {
        this.folders.add(folder);
        folder = folderOf(folder);
      }
    }
  }

  /** The folder to which the paths of an index are relative: its own, or the one around a folder of indexes alone. */
  scopeOf(index: string): string {
    const folder = folderOf(index);
    const isBeside = !this.folders.has(folder) && BESIDE_IMAGES.test(posix.basename(folder));
    return isBeside ? folderOf(folder) : folder;
  }

  /** The file at a written path, which may be relative, absolute, with `\`, escaped, of another case, or without ending. */
  at(written: string, scope: string): Found {
    if (/^(?!file:)([a-z][a-z0-9+.-]+:\/\/|data:)/i.test(written))
      return { why: 'an address, not a file: nothing is downloaded' };
    let why: string | undefined;
    for (const spelling of spellingsOf(written)) {
      const found = this.spelled(spelling, scope);
      if (found.id !== undefined) return isUnreadPicture(found.id) ? { why: whyUnread(found.id) } : found;
      if (found.why !== MISSING) why ??= found.why;
    }
    return { why: why ?? MISSING };
  }

  /** The file at a written path, or else the one whose path ends as it. */
  anywhere(written: string, scope: string): Found {
    const found = this.at(written, scope);
    return found.why === MISSING ? this.byEnd(written, scope) : found;
  }

  /** The one file in a folder of some name, anywhere below `scope`, whose path ends as the written one. */
  inFolder(written: string, scope: string, folder: string): Found {
    return theOne(this.endingAs(plainOf(written), scope).filter(isIn(folder)), false);
  }

  /**
   * The one file whose path ends as the written one, or that the written one ends with, for indexes none of whose paths is
   * there as written: the folder around the images has another name here, or is missing in the index.
   * @param hint of several files the one in a folder of this name
   */
  byEnd(written: string, scope: string, hint?: string): Found {
    const path = plainOf(written);
    const ends = this.endingAs(path, scope);
    const hinted = hint === undefined ? [] : ends.filter(isIn(hint));
    const fitting = hinted.length > 0 ? hinted : ends;
    if (fitting.length > 0) return theOne(fitting, false);
    const parts = path.split('/');
    const isHere = !isElsewhere(written) && this.folders.has(posix.join(scope, parts[0]));
    for (let i = 1; !isHere && i < parts.length; i++) {
      const found = this.paths.find(posix.join(scope, ...parts.slice(i)));
      if (found.length > 0) return theOne(found, false);
    }
    return { why: MISSING };
  }

  /** The files below `scope` whose paths end as a path does, which may lack the ending of a picture. */
  private endingAs(path: string, scope: string): readonly string[] {
    const nameOf = isImageName(path) ? (file: string) => file : withoutExtension;
    this.names ??= groupBy(this.files, file => fold(posix.basename(file)));
    this.stemNames ??= groupBy(this.files.filter(isImageName), file => fold(withoutExtension(posix.basename(file))));
    const named = (isImageName(path) ? this.names : this.stemNames).get(fold(posix.basename(path)));
    return named.filter(
      file => file.startsWith(scope === '' ? '' : `${scope}/`) && fold(`/${nameOf(file)}`).endsWith(fold(`/${path}`)),
    );
  }

  private spelled(path: string, scope: string): Found {
    const absolute = resolve(this.root, scope, path);
    const inside = [this.root, this.realRoot].map(root => relative(root, absolute).replaceAll('\\', '/'));
    const id = inside.find(each => !/^\.\.(\/|$)/.test(each) && !isAbsolute(each));
    if (id === undefined) {
      const isThere = !isAbsolute(path) || existsSync(absolute);
      return { why: isThere ? 'lies outside of the data folder; open the folder that holds both' : MISSING };
    }
    const found = this.paths.find(id);
    if (found.length > 0 || isImageName(id)) return theOne(found, true);
    this.stems ??= groupBy(this.files.filter(isImageName), file => fold(withoutExtension(file)));
    return theOne(this.stems.get(fold(id)), false);
  }
}

function groupBy(files: readonly string[], keyOf: (file: string) => string): PathGroups {
  const groups = new PathGroups();
  for (const file of files) groups.add(keyOf(file), file);
  return groups;
}

/** The ways to read what was written, the plainest first. */
function* spellingsOf(written: string): Generator<string> {
  yield written;
  const plain = written
    .replace(/^file:\/\/(localhost)?/i, '')
    .replace(/#\d+$/, '') // Flickr's number of the caption
    .replaceAll('\\', '/');
  if (plain !== written) yield plain;
  if (!/%[0-9a-f]{2}/i.test(plain)) return;
  try {
    yield decodeURIComponent(plain);
  } catch {
    // not an escaped path
  }
}

/** A written path with `/` between folders, without a drive or the root before it. */
function plainOf(written: string): string {
  return posix.normalize(written.replaceAll('\\', '/')).replace(/^([a-z]:)?\/+/i, '');
}

/** Whether a file lies below a folder of some name. */
function isIn(folder: string): (file: string) => boolean {
  return file => folderOf(file).split('/').includes(folder);
}

function theOne(files: readonly string[], isOwn: boolean): Found {
  if (files.length === 1) return { id: files[0], isOwn };
  if (files.length === 0) return { why: MISSING };
  return { why: `several files are meant by it: ${namesOf(files, { most: 3, length: 200 })}` };
}

/** Whether a path is an absolute one, of this system or another. */
function isElsewhere(written: string): boolean {
  return /^(file:|[a-z]:[\\/]|[\\/])/i.test(written);
}

function folderOf(path: string): string {
  const end = path.lastIndexOf('/');
  return end < 0 ? '' : path.slice(0, end);
}
