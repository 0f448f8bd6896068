/**
 * @file Which picture and which captions of a shard belong together. A picture belongs to the text of its own full name,
 * `a.1.png` to `a.1.txt`; else the picture of a sample is the field that is nothing but a picture's ending, `a.png`, never
 * `a.depth.png`, and its captions are those of `a.txt`. What this leaves open is named and not guessed.
 */

import type { Problem } from '../../dataset.ts';
import { fold } from '../../paths.ts';
import { namesOf } from '../../shown.ts';
import { type SideText, splitIn, textEndings } from '../side-text.ts';
import { type Name, nameOf, type Picture } from './members.ts';

/** A member that may be part of a sample. */
export type Member =
  | { readonly picture: Picture; readonly text?: undefined; readonly unread?: undefined }
  | { readonly text: SideText; readonly picture?: undefined; readonly unread?: undefined }
  /** A picture that cannot be read, and why. */
  | { readonly unread: string; readonly picture?: undefined; readonly text?: undefined };

/** A picture with its captions. */
export interface Sample {
  /** Path of the picture in the shard. */
  readonly path: string;
  readonly picture: Picture;
  readonly text: SideText;
}

/** What the members of a shard make. Paths are those in the shard. */
export interface Samples {
  readonly samples: readonly Sample[];
  readonly problems: readonly Problem[];
  /** Pictures without any text, and texts without any picture: their counterparts may lie in another shard. */
  readonly lonely: readonly { readonly path: string; readonly key: string; readonly what: string }[];
  /** Fields that are part of a sample and not used, e.g. `depth.png`, and how often. */
  readonly extras: ReadonlyMap<string, number>;
}

/** Of several pictures of one sample the first of these endings counts. */
const pictureEndings = ['jpg', 'jpeg', 'png', 'webp', 'avif', 'tif', 'tiff', 'gif', 'svg'];

/** Fields before an ending that mean the picture itself: `a.image.png` is as good as `a.png`. */
const pictureWords: ReadonlySet<string> = new Set(['image', 'img', 'picture', 'photo', 'rgb']);
/** The same for captions: `a.caption.txt` is as good as `a.txt`. */
const textWords: ReadonlySet<string> = new Set(['text', 'txt', 'caption', 'captions', 'description']);

interface Part<T> extends Name {
  readonly path: string;
  readonly value: T;
}

/** The parts of one key. */
interface Group {
  readonly pictures: Part<Picture>[];
  readonly texts: Part<SideText>[];
  readonly unread: Part<string>[];
}

/** @param members by path, in the order of the shard */
export function samplesOf(members: ReadonlyMap<string, Member>): Samples {
  const assembly = new Assembly();
  for (const group of groupsOf(members)) assembly.add(group);
  return assembly;
}

/** Members by key; keys that differ in spelling alone are one where only one of them has pictures. */
function groupsOf(members: ReadonlyMap<string, Member>): Iterable<Group> {
  const groups = new Map<string, Group>();
  for (const [path, { picture, text, unread }] of members) {
    const name = nameOf(path);
    const group = groups.get(name.key) ?? { pictures: [], texts: [], unread: [] };
    groups.set(name.key, group);
    if (picture !== undefined) group.pictures.push({ ...name, path, value: picture });
    else if (text !== undefined) group.texts.push({ ...name, path, value: text });
    else group.unread.push({ ...name, path, value: unread });
  }
  joinSpellings(groups);
  return groups.values();
}

/** Gives texts without pictures to the one key of the same letters that has pictures and no text. */
function joinSpellings(groups: Map<string, Group>): void {
  const silent = new Map<string, Group[]>();
  for (const [key, group] of groups) {
    if (group.texts.length === 0) silent.set(fold(key), [...(silent.get(fold(key)) ?? []), group]);
  }
  for (const [key, group] of groups) {
    const fitting = group.pictures.length === 0 ? (silent.get(fold(key)) ?? []) : [];
    if (fitting.length !== 1 || fitting[0].texts.length > 0) continue;
    fitting[0].texts.push(...group.texts);
    groups.delete(key);
  }
}

class Assembly implements Samples {
  readonly samples: Sample[] = [];
  readonly problems: Problem[] = [];
  readonly lonely: { path: string; key: string; what: string }[] = [];
  readonly extras = new Map<string, number>();

  add({ pictures, texts, unread }: Group): void {
    const left = new Set(texts);
    const take = (chosen: readonly Part<SideText>[]) => {
      for (const text of chosen) left.delete(text);
      return chosen;
    };
    const own = pictures.filter(picture => picture.stem !== '' && ownTexts(picture, texts).some(maySay));
    for (const stem of new Set(own.map(picture => picture.stem))) {
      const group = own.filter(picture => picture.stem === stem);
      this.choose(group, picture => take(ownTexts(picture, texts)));
    }
    const others = pictures.filter(picture => !own.includes(picture));
    const plain = plainPictures(others);
    const main = [...left].filter(({ stem }) => stem === '' || textWords.has(stem));
    const mainOf = ({ field }: Name) => take([...[...left].filter(({ stem }) => stem === field), ...main]);
    if (plain.length > 0) this.choose(plain, mainOf);
    else if (others.length > 0) this.withoutPicture(others, take(main));
    for (const part of others) if (plain.length > 0 && !plain.includes(part)) this.count(part);
    for (const { path, value } of unread) this.problems.push({ id: path, what: value });
    const [other] = pictures.length > 0 ? [] : unread;
    for (const text of left) {
      if (other === undefined || text.value.captions.length === 0)
        this.leave(text, pictures.length + unread.length > 0);
      else this.problems.push({ id: text.path, what: `the caption of ${other.path}, which is not read` });
    }
  }

  /** Of pictures with one name but for their endings the first. */
  private choose(
    pictures: readonly Part<Picture>[],
    textsOf: (picture: Part<Picture>) => readonly Part<SideText>[],
  ): void {
    const [first, ...others] = pictures.toSorted((a, b) => place(a, pictureEndings) - place(b, pictureEndings));
    this.finish(first, textsOf(first));
    for (const picture of others) {
      // One that has a text of its full name, `a.png.txt`, is a sample of its own.
      const texts = textsOf(picture).filter(({ stem }) => stem === picture.field);
      if (texts.length > 0) this.finish(picture, texts);
      else this.problems.push({ id: picture.path, what: `another picture beside ${first.path}, which is taken` });
    }
  }

  /** A picture with the first of its texts that is not empty. */
  private finish(picture: Part<Picture>, texts: readonly Part<SideText>[]): void {
    const { path, key, stem } = picture;
    const ordered = texts.toSorted((a, b) => place(a, textEndings) - place(b, textEndings));
    const said = ordered.find(({ value }) => value.captions.length > 0);
    const { split, why } = splitIn(texts.map(({ value }) => value));
    if (said !== undefined && why !== undefined) this.problems.push({ id: path, what: why });
    else if (said !== undefined) {
      const text = { ...said.value, ...(split === undefined ? {} : { split }) };
      this.samples.push({ path, picture: picture.value, text });
    } else if (ordered.length > 0) this.problems.push({ id: path, what: `${ordered[0].path} ${ordered[0].value.why}` });
    else {
      const full = stem === '' ? key : `${key}.${stem}`;
      this.lonely.push({ path, key, what: `no caption (looked for ${full}.txt and ${full}.json)` });
    }
  }

  /** Texts of a sample that has pictures, but none that is surely its own. */
  private withoutPicture(pictures: readonly Part<Picture>[], texts: readonly Part<SideText>[]): void {
    if (texts.every(({ value }) => value.captions.length === 0)) {
      for (const picture of pictures) this.finish(picture, []);
      return;
    }
    const fields = pictures.map(({ field }) => field);
    const some = namesOf(fields, { most: 5, length: 200 });
    const what = `a caption of which picture? The sample has ${some}, and none without a word before the ending`;
    this.problems.push({ id: texts[0].path, what });
  }

  private leave(text: Part<SideText>, hasPictures: boolean): void {
    if (hasPictures) this.count(text);
    else if (text.value.captions.length > 0 || text.ending !== 'json') {
      this.lonely.push({ path: text.path, key: text.key, what: 'a caption without its image' });
    } else this.count(text);
  }

  private count({ field }: Name): void {
    const name = field.replace(/\d+/g, '0');
    this.extras.set(name, (this.extras.get(name) ?? 0) + 1);
  }
}

/** Whether a text is one for captions: JSON may be about anything. */
function maySay({ ending, value }: Part<SideText>): boolean {
  return ending !== 'json' || value.captions.length > 0;
}

/** Texts with the full name of a picture: `a.1.txt` or `a.1.png.txt` of `a.1.png`. JSON has to have a caption or a split. */
function ownTexts(picture: Name, texts: readonly Part<SideText>[]): readonly Part<SideText>[] {
  return texts.filter(
    text =>
      (text.stem === picture.stem || text.stem === picture.field) && (maySay(text) || text.value.split !== undefined),
  );
}

/** The pictures of a sample that are its own. */
function plainPictures(pictures: readonly Part<Picture>[]): readonly Part<Picture>[] {
  const bare = pictures.filter(({ stem }) => stem === '');
  return bare.length > 0 ? bare : pictures.filter(({ stem }) => pictureWords.has(stem));
}

function place({ ending }: Name, order: readonly string[]): number {
  const found = order.indexOf(ending);
  return found < 0 ? order.length : found;
}
