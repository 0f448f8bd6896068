/**
 * @file Opening a dataset: recognises the format, reads captions, checks every image's header, and lists what it skipped.
 * The formats stand in one array in the order they are tried; a new format is a new file and one line here.
 */

import { stat } from 'node:fs/promises';
import { basename, dirname, relative, resolve } from 'node:path';
import sharp from 'sharp';
import { booleanCheck, checkOptions, checkValue, pathCheck, textCheck } from '../src/core/checks.ts';
import { UserError } from '../src/core/errors.ts';
import { coco } from './coco.ts';
import type { Candidate, Dataset, Format, Item, Problem, Source } from './dataset.ts';
import { firstLine, listFiles, mapBounded } from './files.ts';
import { images } from './images.ts';
import { metadata } from './metadata.ts';
import { parquet } from './parquet.ts';
import { webdataset } from './webdataset.ts';

export type { Dataset, Item, Problem, Split } from './dataset.ts';
export { splitOf } from './dataset.ts';

/**
 * The first format that recognises the path wins: an index written for the purpose comes before containers, containers before
 * COCO's annotations, and loose images with text files last.
 */
const FORMATS: readonly Format[] = [metadata, parquet, webdataset, coco, images];

/** The names that `openDataset`'s `format` takes besides `auto`. */
export const formatNames: readonly string[] = FORMATS.map(format => format.name);

/** Enough of a file for any image header that comes with a sensible amount of metadata. */
const HEAD = 65536;

export interface OpenOptions {
  /** Stop at the first problem instead of listing it. */
  readonly strict?: boolean;
  /** `auto`, or one of `formatNames`. */
  readonly format?: string;
  /**
   * Read every image's header now (0.1 ms an image). Without it corrupt images show up when they are decoded, as they do
   * in Parquet files, where one image of each file is read now, and all of them only with `strict`.
   */
  readonly check?: boolean;
}

/**
 * Opens a folder or file of captioned images. What cannot be used (corrupt or missing image, empty or missing caption,
 * truncated archive) is left out and listed in `problems`.
 * @throws UserError if the path does not exist, no format fits, no captioned image is left, or, with `strict`, at a problem
 */
export async function openDataset(path: string, options: OpenOptions = {}): Promise<Dataset> {
  checkValue('openDataset: path', path, pathCheck);
  checkOptions('openDataset', options, { strict: booleanCheck, format: textCheck, check: booleanCheck });
  const { strict = false, format: wanted = 'auto', check = true } = options;
  const source = await sourceOf(path);
  const format = await formatOf(path, source, wanted);
  const { items: candidates, problems: skipped } = await format.read(source);
  const unreadable = new Map<string, string>();
  if (check) {
    const checked = strict ? candidates : candidates.filter(({ heavy }) => heavy !== true);
    await mapBounded(checked, 16, async item => {
      const what = await whatIsWrong(item);
      if (what !== undefined) unreadable.set(item.id, what);
    });
  }
  const items = candidates.filter(({ id }) => !unreadable.has(id)).map(itemOf);
  const problems: Problem[] = [...skipped, ...Array.from(unreadable, ([id, what]) => ({ id, what }))];
  problems.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  if (strict && problems.length > 0) {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    throw new UserError(
      path,
      `${problems[0].id}: ${problems[0].what}${more}`,
      'mend or remove it, or leave out --strict to skip it',
    );
  }
  if (items.length === 0) {
    const why =
      problems.length > 0
        ? `${problems.length} skipped, the first: ${problems[0].id}: ${problems[0].what}`
        : `read as ${format.name}`;
    throw new UserError(path, `no captioned image (${why})`, layouts());
  }
  return { root: source.root, format: format.name, items, problems };
}

async function sourceOf(path: string): Promise<Source> {
  const absolute = resolve(path);
  const kind = await stat(absolute).catch(() => undefined);
  if (kind === undefined)
    throw new UserError(path, 'no such folder or file', 'make one with `tessera data emoji --out datasets/emoji`');
  if (kind.isDirectory()) return { root: absolute, files: await listFiles(absolute) };
  const root = dirname(absolute);
  const file = basename(absolute);
  // An archive holds its own images; an index (JSON, CSV) names images that lie around it.
  if (/\.(parquet|tar|t?gz)$/i.test(file)) return { root, file, files: [file] };
  const above = /^annotations?$/i.test(basename(root)) ? dirname(root) : root;
  return { root: above, file: relative(above, absolute).replaceAll('\\', '/'), files: await listFiles(above) };
}

async function formatOf(path: string, source: Source, wanted: string): Promise<Format> {
  if (wanted !== 'auto') {
    const format = FORMATS.find(({ name }) => name === wanted);
    if (format !== undefined) return format;
    throw new UserError('format', `expected auto, ${formatNames.join(', ')}, got ${wanted}`);
  }
  for (const format of FORMATS) if (await format.recognise(source)) return format;
  const what =
    source.file === undefined ? `no captioned image in ${source.files.length} files` : 'a file of no known format';
  throw new UserError(path, what, layouts());
}

function layouts(): string {
  return ['a dataset is one of', ...FORMATS.map(({ name, layout }) => `  ${name}: ${layout}`)].join('\n');
}

/** What is wrong with an item's image as far as its header tells, in one line. */
async function whatIsWrong(item: Candidate): Promise<string | undefined> {
  try {
    const bytes = await (item.head ?? item.read)(HEAD);
    if (bytes.length === 0) return 'empty file (0 bytes)';
    try {
      await sharp(bytes).metadata();
    } catch {
      // A header may be longer than the head, and some formats keep theirs at the end.
      await sharp(item.head === undefined || bytes.length < HEAD ? bytes : await item.read()).metadata();
    }
    return undefined;
  } catch (error) {
    return `corrupt image (${firstLine(error)})`;
  }
}

/** The item alone, without what only the check needed. */
function itemOf({ id, captions, read, group, split }: Candidate): Item {
  return { id, captions, read, ...(group === undefined ? {} : { group }), ...(split === undefined ? {} : { split }) };
}
