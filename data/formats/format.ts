/**
 * @file What a format of datasets is: how a folder or file is recognised as one, and how its items are read. A format is one
 * file and one line in formats.ts; from outside, one call of `defineFormat`.
 */

import { join } from 'node:path';
import type { Item, Problem } from '../dataset.ts';
import { readPictureFile, readPiece } from '../files.ts';

/** An item as a format hands it over, before its image is checked. */
export interface Candidate extends Omit<Item, 'split'> {
  /** What the data's own field calls its split, as it stands there, e.g. `val`; see data/splits.ts. */
  readonly split?: string;
  /** The index file that lists it, relative to the root; an item without is found by itself. */
  readonly index?: string;
  /** The first bytes, enough for an image header; the whole image where a format cannot do better. */
  readonly head?: (bytes: number) => Promise<Uint8Array>;
  /** The file that holds exactly this image, where there is one. */
  readonly path?: string;
  /** Reading it means reading many others: it is checked in strict mode only, and when it is decoded. */
  readonly heavy?: boolean;
}

/** The files of a dataset. */
export interface Source {
  /** Absolute folder. */
  readonly root: string;
  /** Set when the path was a file: its path in `root`, with `/` between folders. */
  readonly file?: string;
  /** All that lies below `root`, as sorted paths relative to it with `/` between folders; of an archive itself alone. */
  readonly files: readonly string[];
}

/** A layout in which captioned images may lie. */
export interface Format {
  /** As `--format` takes it: lower-case words with hyphens. */
  readonly name: string;
  /** One line for people: what the layout looks like. */
  readonly layout: string;
  /**
   * What a file of that name is when it is given instead of a folder: an archive that holds its images, an index of images
   * that lie around it, or no file of this format (undefined). Without this no file is.
   */
  readonly fileKind?: (name: string) => 'archive' | 'index' | undefined;
  /** The folder below which the images of an index lie; by default the one that the index lies in. @param folder that one */
  readonly rootOf?: (folder: string) => string;
  /** Whether it is a dataset of this format. A source with a file is one for which `fileKind` said so. */
  recognise(source: Source): boolean | Promise<boolean>;
  /**
   * Lists the items, and what cannot be used and why. Images are read later, one by one.
   * @throws UserError where nothing can be read at all
   */
  read(source: Source): Promise<Reading>;
}

/** What a format has found in its files. */
export interface Reading {
  readonly items: readonly Candidate[];
  /** What cannot be used. A file that is named as an `id` here is accounted for. */
  readonly problems: readonly Problem[];
  /**
   * Paths of the files in the source that were read beside the images of items (`path`): captions, indexes, archives. All
   * others are counted and named as not used; without this list, only pictures are.
   */
  readonly used?: readonly string[];
  /** Why a file of the source was not used, in words, where the format knows better than that it is none of its files. */
  readonly whyUnused?: (path: string) => string | undefined;
  /** What was left out for a reason that nobody has to mend, files or parts of files. */
  readonly unused?: readonly Problem[];
  /** How the data was read where somebody might expect it otherwise, a line each. */
  readonly notices?: readonly string[];
}

/** An item whose image is a file of its own. @param id its path relative to `root` */
export function imageFile(
  root: string,
  id: string,
  captions: readonly string[],
  more: Pick<Candidate, 'group' | 'split' | 'index'> = {},
): Candidate {
  const path = join(root, id);
  const place = { file: path, part: '' };
  const bytes = { read: () => readPictureFile(path), head: (count: number) => readPiece(path, 0, count) };
  return { id, captions, ...more, path, place, ...bytes };
}

/** What a record says of its split: text or a number, if there is any. */
export function splitField(value: unknown): Pick<Candidate, 'split'> {
  const said = typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? String(value) : '';
  return said.trim() === '' ? {} : { split: said };
}
