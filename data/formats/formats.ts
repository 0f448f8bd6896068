/** @file The formats there are, in the order they are tried, and those that a program adds. */

import { checkOptions, functionCheck, textCheck } from '../../src/core/checks.ts';
import { UserError } from '../../src/core/errors.ts';
import { isPlainName, Registry } from '../../src/core/registry.ts';
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

const registry = new Registry<Format>('Format');
for (const format of builtin) registry.add(format, { builtIn: true });

/** All formats, in the order they are tried: those of a program before the others, the last defined one first. */
export function allFormats(): readonly Format[] {
  const formats = registry.all();
  const added = registry.added().flatMap(name => formats.get(name) ?? []);
  return [...added.reverse(), ...builtin];
}

const checks = {
  name: textCheck,
  layout: textCheck,
  fileKind: functionCheck,
  rootOf: functionCheck,
  recognise: functionCheck,
  read: functionCheck,
};

/**
 * Adds a format: from here on `openDataset` and `--format` know it.
 * @throws UserError if a field is not what it must be, its name is taken or has other characters, or it does not say what
 *   it looks like
 */
export function defineFormat(format: Format): void {
  checkOptions('defineFormat', format, checks, ['name', 'layout', 'recognise', 'read']);
  const { name, layout } = format;
  const where = `format ${name}`;
  if (!isPlainName(name) || name === 'auto') {
    throw new UserError(
      where,
      `expected a name of lower-case words with hyphens, not auto, got ${JSON.stringify(name)}`,
    );
  }
  if (layout.trim() === '' || layout.includes('\n')) {
    throw new UserError(where, `expected a layout in one line, got ${JSON.stringify(layout)}`);
  }
  registry.add(format);
}

/** Takes a format of a program out again. @throws UserError if `defineFormat` has added none of this name */
export function removeFormat(name: string): void {
  registry.remove(name);
}
