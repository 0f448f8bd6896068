/**
 * @file Which texts may belong to which pictures, by their names alone. A text is a picture's if it has the picture's name
 * with or without its ending, `a.txt` or `a.png.txt` of `a.png`, in the same folder or in one for texts that lies beside
 * the picture's, `captions/1/a.txt` of `images/1/a.png`.
 */

import { withoutExtension } from '../files.ts';
import { fold, PathGroups } from '../paths.ts';
import { textEndings } from './side-text.ts';

/** A text that may be a picture's. */
export interface Claim {
  readonly text: string;
  /** How near it lies: with the picture's stem, with its whole name, in a parallel folder, in one of many such. */
  readonly place: 0 | 1 | 2 | 3;
  /** How alike the names are: the same, in canonical Unicode, without regard to case. */
  readonly likeness: 0 | 1 | 2;
}

/** Texts and pictures brought together. */
export interface Pairing {
  /** Texts of each picture, the first in the order of the documentation first. */
  readonly claims: ReadonlyMap<string, readonly Claim[]>;
  /** Pictures of each text that several claim with equal right. */
  readonly shared: ReadonlyMap<string, readonly string[]>;
  /** Texts that no picture claims. */
  readonly orphans: readonly string[];
}

const TEXT_FOLDER = /^(captions?|texts?|txts?|labels?|annotations?|prompts?|descriptions?|text_c\d+)$/i;
const PICTURE_FOLDER = /^(images?|imgs?|pictures?|photos?|pics?|jpe?gs?|pngs?|webps?|jpegimages)$/i;

/** @param pictures and texts: paths with `/` between folders, texts with one of `textEndings` */
export function pair(pictures: readonly string[], texts: readonly string[]): Pairing {
  const index = new TextIndex(texts);
  const claims = new Map<string, Claim[]>();
  const owners = new Map<string, { readonly picture: string; readonly claim: Claim }[]>();
  for (const picture of pictures) {
    for (const claim of index.claimsOf(picture)) {
      const there = owners.get(claim.text) ?? [];
      owners.set(claim.text, there);
      // Only the best claims to a text count.
      const better = there.length === 0 ? 0 : compareRight(claim, there[0].claim);
      if (better > 0 || there.at(-1)?.picture === picture) continue;
      if (better < 0) there.length = 0;
      there.push({ picture, claim });
    }
  }
  const shared = new Map<string, string[]>();
  for (const [text, rightful] of owners) {
    for (const { picture, claim } of rightful) {
      const own = claims.get(picture);
      if (own === undefined) claims.set(picture, [claim]);
      else own.push(claim);
    }
    if (rightful.length > 1)
      shared.set(
        text,
        rightful.map(({ picture }) => picture),
      );
  }
  for (const own of claims.values()) own.sort(compareClaims);
  return { claims, shared, orphans: texts.filter(text => !owners.has(text)) };
}

/** Below 0 if `a` has more right to a text than `b`. */
function compareRight(a: Claim, b: Claim): number {
  return a.place - b.place || a.likeness - b.likeness;
}

function compareClaims(a: Claim, b: Claim): number {
  return (
    a.place - b.place ||
    textEndings.indexOf(endingOf(a.text)) - textEndings.indexOf(endingOf(b.text)) ||
    a.likeness - b.likeness ||
    (a.text < b.text ? -1 : 1)
  );
}

/** Whether two texts of one picture are equally good: neither has quite its name, and all else is the same. */
export function areEqual(a: Claim, b: Claim): boolean {
  return a.likeness > 0 && compareRight(a, b) === 0 && endingOf(a.text) === endingOf(b.text);
}

/** The ending of a text's name, or `txt` for what has none of the endings. */
export function endingOf(text: string): (typeof textEndings)[number] {
  const ending = text.slice(text.lastIndexOf('.') + 1).toLowerCase();
  return textEndings.find(known => known === ending) ?? 'txt';
}

/** Whether a path has one of the endings of texts. */
export function isTextName(path: string): boolean {
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  return textEndings.some(known => known === ending);
}

/** Texts by their paths without ending, and by those in which the folder for texts may be any. */
class TextIndex {
  private readonly beside = new PathGroups();
  private readonly parallel = new PathGroups();

  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const stem = withoutExtension(text);
      this.beside.add(fold(stem), text);
      for (const { key } of parallelKeys(stem, folder => TEXT_FOLDER.test(folder))) this.parallel.add(key, text);
    }
  }

  *claimsOf(picture: string): Generator<Claim> {
    const names = [withoutExtension(picture), picture];
    for (const [place, name] of names.entries()) {
      for (const text of this.beside.get(fold(name))) {
        yield { text, place: place === 0 ? 0 : 1, likeness: likeness(name, withoutExtension(text)) };
      }
    }
    if (this.parallel.isEmpty) return;
    for (const name of names) {
      for (const { key, folder } of parallelKeys(name, each => !TEXT_FOLDER.test(each))) {
        for (const text of this.parallel.get(key)) {
          const place = PICTURE_FOLDER.test(folder) ? 2 : 3;
          yield { text, place, likeness: likeness(lastOf(name), lastOf(withoutExtension(text))) };
        }
      }
    }
  }
}

/** A path with one of its folders left open, for each folder that may be it. */
function* parallelKeys(path: string, isOpen: (folder: string) => boolean): Generator<{ key: string; folder: string }> {
  const parts = path.split('/');
  for (const [i, folder] of parts.slice(0, -1).entries()) {
    if (isOpen(folder)) yield { key: fold(parts.with(i, '/').join('/')), folder };
  }
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function likeness(a: string, b: string): Claim['likeness'] {
  if (a === b) return 0;
  return a.normalize('NFC') === b.normalize('NFC') ? 1 : 2;
}
