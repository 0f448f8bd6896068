/** @file The formats there are, in the order they are tried, and those that a program adds. */

import { UserError } from '../../src/core/errors.ts';
import { coco } from './coco.ts';
import type { Format } from './format.ts';
import { images } from './images.ts';
import { metadata } from './metadata.ts';
import { parquet } from './parquet.ts';
import { webdataset } from './webdataset.ts';

/**
 * The first one that recognises a path wins: an index written for the purpose comes before containers, containers before
 * COCO's annotations, and loose images with text files last.
 */
const builtin: readonly Format[] = [metadata, parquet, webdataset, coco, images];

/** Those of a program, tried before the others, the last defined one first. */
const added: Format[] = [];

/** All formats, in the order they are tried. */
export function allFormats(): readonly Format[] {
  return [...added, ...builtin];
}

/**
 * Adds a format: from here on `openDataset` and `--format` know it.
 * @throws UserError if its name is taken or has other characters, or it does not say what it looks like
 */
export function defineFormat(format: Format): void {
  const { name, layout } = format;
  const where = `format ${name}`;
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
    throw new UserError(where, `expected a name of lower-case words with hyphens, got ${JSON.stringify(name)}`);
  }
  if (name === 'auto' || allFormats().some(other => other.name === name))
    throw new UserError(where, 'expected a name that is free, got one that is defined already');
  if (layout.trim() === '' || layout.includes('\n')) {
    throw new UserError(where, `expected a layout in one line, got ${JSON.stringify(layout)}`);
  }
  added.unshift(format);
}

/** Takes a format of a program out again. @returns whether it was there */
export function removeFormat(name: string): boolean {
  const place = added.findIndex(format => format.name === name);
  if (place !== -1) added.splice(place, 1);
  return place !== -1;
}
