/**
 * @file A folder of images, each with a text of the same name: `cats/a.jpg` and `cats/a.txt`, one caption a line. Which texts
 * may be whose is in pairing.ts, what a text says in side-text.ts; here it is decided which caption counts.
 */

import { join } from 'node:path';
import { decodeImage } from '../../src/image/decode.ts';
import type { Problem } from '../dataset.ts';
import { isImageName, mapBounded, readPictureFile, whyFailed, withoutExtension } from '../files.ts';
import { Choices } from '../instructions.ts';
import { isUnreadPicture } from '../leftovers.ts';
import { readText } from '../text.ts';
import { type Candidate, type Format, imageFile, type Reading, type Source } from './format.ts';
import { nameOrphans } from './orphans.ts';
import { areEqual, type Claim, endingOf, isTextName, type Pairing, pair } from './pairing.ts';
import { readSideText, type SideText, splitIn } from './side-text.ts';

export const images: Format = {
  name: 'images',
  layout:
    'images with a text of the same name, one caption a line (or .caption, .json): cats/a.jpg and cats/a.txt, or images/a.jpg and captions/a.txt',

  recognise: ({ files }) => files.some(path => isImageName(path) || isUnreadPicture(path)),

  read: async source => {
    const pictures = source.files.filter(isImageName);
    const pairing = pair(pictures, source.files.filter(isTextName));
    return await new Folder(source, pairing).read(pictures);
  },
};

/** Files read at once. */
const CONCURRENCY = 16;

/** A text that has been read. */
interface Read extends SideText {
  readonly text: string;
}

/** One reading of a folder. */
class Folder {
  private readonly source: Source;
  private readonly pairing: Pairing;
  private readonly problems = new Map<string, string>();
  private readonly unused = new Map<string, string>();
  private readonly used = new Set<string>();
  /** Texts that are given to no picture, because several different ones share them. */
  private readonly doubtful = new Map<string, readonly string[]>();
  private readonly choices = new Choices<string>();
  /** The same picture in several files: the name that they share, by each of them. */
  private readonly twins = new Map<string, string>();

  constructor(source: Source, pairing: Pairing) {
    this.source = source;
    this.pairing = pairing;
  }

  async read(pictures: readonly string[]): Promise<Reading> {
    await mapBounded([...this.pairing.shared], 4, ([text, owners]) => this.compare(text, owners));
    const read = await mapBounded(pictures, CONCURRENCY, picture => this.texts(picture));
    for (const { text, fields } of read.flat()) if (fields !== undefined) this.choices.see(text, fields);
    const items = pictures.flatMap((picture, i) => this.item(picture, read[i]) ?? []);
    this.nameDoubtful();
    const lacking = pictures.filter(picture => !this.pairing.claims.has(picture));
    for (const { id, what } of await nameOrphans(this.source, this.pairing.orphans, lacking))
      this.problems.set(id, what);
    return {
      items,
      problems: problemsOf(this.problems),
      unused: problemsOf(this.unused),
      used: [...this.used],
      notices: this.notices(),
    };
  }

  /** The texts of a picture, the first that counts first. */
  private async texts(picture: string): Promise<Read[]> {
    const texts: Read[] = [];
    for (const { text } of this.claimsOf(picture)) {
      const decoded = await readText(join(this.source.root, text)).catch(error => ({ why: whyFailed(error) }));
      texts.push({ text, ...readSideText(endingOf(text), decoded) });
    }
    return texts;
  }

  private withoutInstruction(read: Read): Read {
    if (read.fields === undefined) return read;
    const { captions, why } = this.choices.captionsOf(read.text, read.captions);
    return { ...read, captions, ...(why === undefined ? {} : { why: `has no caption: ${why}` }) };
  }

  private claimsOf(picture: string): readonly Claim[] {
    const claims = this.pairing.claims.get(picture) ?? [];
    return this.doubtful.size === 0 ? claims : claims.filter(({ text }) => !this.doubtful.has(text));
  }

  /** The item of a picture; where there is none, the problems say why. */
  private item(picture: string, read: readonly Read[]): Candidate | undefined {
    const texts = read.map(each => this.withoutInstruction(each));
    for (const { text } of texts) this.used.add(text);
    const chosen = texts.find(({ captions }) => captions.length > 0);
    const tie = this.tieOf(picture);
    if (chosen === undefined || tie !== undefined) {
      this.problems.set(picture, tie ?? this.whyNone(picture, texts[0]));
      return undefined;
    }
    for (const other of texts) {
      const instead = `${chosen.text} is taken for ${picture}`;
      if (other.captions.length === 0 && other.split === undefined)
        this.unused.set(other.text, `${other.why} (${instead})`);
      else if (other.captions.length > 0 && !sameCaptions(other, chosen))
        this.problems.set(other.text, `another caption (${instead})`);
    }
    const group = this.twins.get(picture);
    const { split, why } = splitIn(texts);
    if (why !== undefined) {
      this.problems.set(picture, why);
      return undefined;
    }
    return imageFile(this.source.root, picture, chosen.captions, {
      ...(group === undefined ? {} : { group }),
      ...(split === undefined ? {} : { split }),
    });
  }

  /** Why a picture has no caption where its two best texts fit its name equally well. */
  private tieOf(picture: string): string | undefined {
    const [first, second] = this.claimsOf(picture);
    if (first === undefined || second === undefined || !areEqual(first, second)) return undefined;
    return `no caption: ${first.text} and ${second.text} fit its name equally well`;
  }

  private whyNone(picture: string, first: Read | undefined): string {
    if (first !== undefined) return `no caption: ${first.text} ${first.why}`;
    const text = this.pairing.claims.get(picture)?.[0]?.text;
    if (text === undefined) return `no caption (looked for ${withoutExtension(picture)}.txt)`;
    const others = (this.doubtful.get(text) ?? []).filter(other => other !== picture);
    return `no caption: ${text} may also be that of another picture, ${others.join(', ')}; call it ${picture}.txt if it is this one's`;
  }

  /** Decides whether the pictures that share a text are the same one. Those that cannot be decoded are in no doubt. */
  private async compare(text: string, owners: readonly string[]): Promise<void> {
    const small = await mapBounded(owners, 2, owner => thumbnail(join(this.source.root, owner)));
    const [first, ...others] = small.filter(each => each !== undefined);
    if (others.some(other => !looksLike(first, other))) this.doubtful.set(text, owners);
    else for (const owner of owners) this.twins.set(owner, withoutExtension(text));
  }

  /** Names the doubtful texts of pictures that have other ones; without any, the pictures are named. */
  private nameDoubtful(): void {
    for (const [text, owners] of this.doubtful) {
      const lacks = owners.some(owner => this.problems.has(owner));
      if (lacks) this.used.add(text);
      else this.problems.set(text, `may be the caption of different pictures, ${owners.join(', ')}, which have others`);
    }
  }

  private notices(): string[] {
    const [first] = this.twins;
    const notices = this.choices.notices();
    if (first === undefined) return notices;
    const example = [...this.twins].filter(([, stem]) => stem === first[1]).map(([picture]) => picture);
    return [
      ...notices,
      `${this.twins.size} files show a picture that others of the same name show too (${example.join(', ')}); all are used, on one side of the split`,
    ];
  }
}

function problemsOf(names: ReadonlyMap<string, string>): Problem[] {
  return Array.from(names, ([id, what]) => ({ id, what }));
}

function sameCaptions(a: SideText, b: SideText): boolean {
  return a.captions.length === b.captions.length && a.captions.every(caption => b.captions.includes(caption));
}

/** Side of the pictures that are compared. */
const THUMBNAIL = 16;

/** A picture made small; undefined if it cannot be decoded. */
async function thumbnail(path: string): Promise<Uint8Array | undefined> {
  try {
    const { data } = await decodeImage(await readPictureFile(path), { size: THUMBNAIL });
    return data;
  } catch {
    return undefined; // which the check of the item says
  }
}

/** Whether small pictures differ by no more than two encodings of one picture do. */
function looksLike(a: Uint8Array, b: Uint8Array): boolean {
  let sum = 0;
  for (const [i, value] of a.entries()) sum += Math.abs(value - b[i]);
  return sum / a.length < 8;
}
