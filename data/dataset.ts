/**
 * @file What a dataset is: items with captions and bytes that can be read, and the list of what was wrong with it. Also the
 * one rule for splitting it. Knows no file format (formats/), no model and no tokenizer.
 */

import type { SplitName } from '../src/config/fields.ts';
import { UserError } from '../src/core/errors.ts';
import { hashString, Random } from '../src/core/random.ts';

/** A side of the data: what is trained on, what is held out, what is put by. */
export type Split = SplitName;

/** One captioned image. Its bytes stay on disk until they are read. */
export interface Item {
  /** Relative path or key: unique in its dataset and stable between runs. */
  readonly id: string;
  /** At least one caption, trimmed and not empty. */
  readonly captions: readonly string[];
  /** Encoded image bytes (PNG, JPEG, ...). Rejects if they cannot be read any more. */
  readonly read: () => Promise<Uint8Array>;
  /** Where they lie, so that a look at the file is enough to know that they have not changed; else they are read for that. */
  readonly place?: Place;
  /** Items of one group show the same thing and always fall on the same side of the split. */
  readonly group?: string;
  /** The published split: the side that the dataset itself chose; absent where the hash decides. */
  readonly split?: Split;
}

/** Bytes of an image in a file. */
export interface Place {
  /** Absolute path. */
  readonly file: string;
  /** Which part of it, in whatever words; '' for all of it. */
  readonly part: string;
}

/** Something that was skipped, and why, in one line. */
export interface Problem {
  readonly id: string;
  readonly what: string;
}

/** Orders things by id. */
export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

export interface Dataset {
  readonly root: string;
  /** Name of the format it was recognised as. */
  readonly format: string;
  readonly items: readonly Item[];
  /** What is expected to be used and cannot be: what is wrong with indexes first, what none of them names last. */
  readonly problems: readonly Problem[];
  /** How the data was read where somebody might expect it otherwise, a line each. */
  readonly notices: readonly string[];
  /** Other files that lie there, and why nothing of them is used. */
  readonly unused: readonly Problem[];
}

/**
 * The side of the split an item falls on: its own `split` if it has one, else a hash of its group or id. Never its place in
 * the dataset, so adding or removing items moves no other item.
 * @param validation fraction of the items held out, in [0, 1]
 * @throws UserError if it lies outside
 */
export function splitOf(item: string | Pick<Item, 'id' | 'group' | 'split'>, validation: number): Split {
  if (!(validation >= 0 && validation <= 1)) {
    throw new UserError('splitOf: validation', `expected a number from 0 to 1, got ${validation}`);
  }
  if (typeof item !== 'string' && item.split !== undefined) return item.split;
  const [a, b] = hashString(typeof item === 'string' ? item : (item.group ?? item.id));
  return new Random(a, b).uniform() < validation ? 'validation' : 'train';
}
