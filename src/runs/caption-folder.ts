/**
 * @file Which folder the images of a caption go into. A folder belongs to the caption that its caption.json names, and
 * painted again the caption has the same one, whose images are replaced; any other folder of that name is left alone, and
 * the next number is taken. Nothing is remembered but what is on the disk.
 */
import { realpath, rename, rm, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { namingPath } from '../io/at-path.ts';
import { writeAtomic } from '../io/atomic.ts';
import { realPlace } from '../io/destination.ts';
import { writeJson } from '../io/files.ts';
import { beginWriting, endWriting, namesIn, readMark, unfinishedFiles } from '../io/ownfolder.ts';
import { folderName, nameKey } from './caption-name.ts';

const CAPTION_FILE = 'caption.json';
export const GRID_FILE = 'grid.png';

/** An image of a caption: its number among those of its seed. */
export interface NumberedImage {
  readonly index: number;
  /** Undefined where all images of the caption are of one seed, which the files do not name then. */
  readonly seed?: number;
}

/** The file of an image: `0.png`, `1.png`; where there are several seeds `seed7.png`, `seed7_1.png`. */
export function imageFile({ index, seed }: NumberedImage): string {
  if (seed === undefined) return `${index}.png`;
  return index === 0 ? `seed${seed}.png` : `seed${seed}_${index}.png`;
}

/** A folder for a caption's images. */
export interface CaptionFolder {
  readonly path: string;
  readonly caption: string;
  /** What was painted into it before, and is going to be replaced; its caption.json. */
  readonly before?: Readonly<Record<string, unknown>>;
  /** Files of before. */
  readonly own: readonly string[];
}

/** Chooses folders, no two captions the same one. */
export class CaptionFolders {
  private readonly outputs: string;
  private readonly inputs: readonly string[];
  private readonly taken = new Set<string>();

  /** @param inputs files that are read: a folder that holds one is not written into */
  constructor(outputs: string, inputs: readonly string[]) {
    this.outputs = outputs;
    this.inputs = inputs;
  }

  /**
   * The first folder that is new, empty or the caption's own. Makes nothing.
   * @param images that may come of the caption
   */
  async choose(caption: string, images: readonly NumberedImage[]): Promise<CaptionFolder> {
    const there = new Map(((await namesIn(this.outputs)) ?? []).map(name => [nameKey(name), name]));
    for (let number = 1; ; number++) {
      const name = folderName(caption, number);
      const key = nameKey(name);
      if (this.taken.has(key)) continue;
      const path = join(this.outputs, there.get(key) ?? name);
      const own = there.has(key) ? await this.ownFiles(path, caption, images) : [];
      if (own === undefined) continue;
      this.taken.add(key);
      return { path, caption, own, before: await readMark(join(path, CAPTION_FILE)) };
    }
  }

  /** The files of the caption in a folder; undefined if the folder is not its own. */
  private async ownFiles(
    path: string,
    caption: string,
    images: readonly NumberedImage[],
  ): Promise<string[] | undefined> {
    if (!(await stat(path).catch(() => undefined))?.isDirectory()) return undefined;
    const names = (await namesIn(path)) ?? [];
    if (names.length === 0) return [];
    const whole = filesOf(await readMark(join(path, CAPTION_FILE)), caption);
    const half = await unfinishedFiles(path, madeBy(caption));
    if (whole === undefined && half === undefined) return undefined;
    const own = [...(whole ?? []), ...(half ?? [])];
    const wanted = new Set([GRID_FILE, ...images.map(imageFile)]);
    if (names.some(name => wanted.has(name) && !own.includes(name))) return undefined;
    const folder = (await realpath(path)) + sep;
    const places = await Promise.all(this.inputs.map(realPlace));
    return places.some(place => place.startsWith(folder)) ? undefined : own;
  }
}

/** What a caption.json names; undefined if it is another caption's, or somebody else's. */
function filesOf(mark: Readonly<Record<string, unknown>> | undefined, caption: string): string[] | undefined {
  const { caption: its, images, seeds } = mark ?? {};
  if (typeof its !== 'string' || its.normalize('NFC') !== caption.normalize('NFC') || !Array.isArray(images))
    return undefined;
  if (!images.every(Number.isSafeInteger)) return undefined;
  if (seeds === undefined) return [CAPTION_FILE, GRID_FILE, ...images.map(index => imageFile({ index }))];
  if (!Array.isArray(seeds) || seeds.length !== images.length || !seeds.every(Number.isSafeInteger)) return undefined;
  return [CAPTION_FILE, GRID_FILE, ...images.map((index, i) => imageFile({ index, seed: seeds[i] }))];
}

/** Where new files lie until all of them are on the disk; hidden, so that it is nobody else's. */
const NEW_FILES = '.tessera-new';

/**
 * Writes images and a caption.json in the place of those of before, which stay until the new ones are on the disk: where
 * there is no space, nothing is lost.
 */
export async function writeCaption(
  { path, caption, own }: CaptionFolder,
  images: readonly (readonly [file: string, png: Uint8Array])[],
  about: object,
): Promise<void> {
  const fresh = join(path, NEW_FILES);
  await rm(fresh, { recursive: true, force: true });
  try {
    for (const [file, png] of images) await namingPath(join(path, file), () => writeAtomic(join(fresh, file), png));
    const files = [CAPTION_FILE, ...images.map(([file]) => file)];
    await beginWriting(path, { by: madeBy(caption), what: 'one of this caption', files, own });
    for (const [file] of images) await rename(join(fresh, file), join(path, file));
    await writeJson(join(path, CAPTION_FILE), about); // last: the folder is whole
    await endWriting(path);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

function madeBy(caption: string): string {
  return `tessera sample --text '${caption}'`;
}
