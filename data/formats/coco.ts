/**
 * @file COCO captions: a JSON file with `images` (id, file_name) and `annotations` (image_id, caption), usually
 * `annotations/captions_train2017.json` beside a folder `train2017` of images. Several such files make one dataset.
 */

import { open, readFile } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { firstLine, UserError } from '../../src/core/errors.ts';
import type { Problem } from '../dataset.ts';
import { captionsFrom, decodeText } from '../text.ts';
import { type Candidate, type Format, imageFile } from './format.ts';

export const coco: Format = {
  name: 'coco',
  layout: 'COCO captions: annotations/captions_train2017.json beside a folder of images',

  fileKind: name => (/\.json$/i.test(name) ? 'index' : undefined),

  rootOf: folder => (/^annotations?$/i.test(basename(folder)) ? dirname(folder) : folder),

  async recognise({ root, file, files }) {
    if (file !== undefined) return true;
    for (const path of files.filter(isAnnotation)) if (await looksLikeCoco(join(root, path))) return true;
    return false;
  },

  async read({ root, file, files }) {
    const problems: Problem[] = [];
    const items = new Map<string, Candidate>();
    const present = placesOf(files);
    const indexes: string[] = [];
    if (file !== undefined) indexes.push(file);
    else for (const path of files.filter(isAnnotation)) if (await looksLikeCoco(join(root, path))) indexes.push(path);
    for (const path of indexes) {
      const { images, captions } = await parse(root, path, problems);
      for (const [key, name] of images) {
        const id = findImage(name, path, present);
        const said = captions.get(key) ?? [];
        if (id === undefined) problems.push({ id: name, what: `missing file (named in ${path})` });
        else if (said.length === 0) problems.push({ id, what: `no caption in ${path}` });
        else {
          const { captions: others = [], index = [] } = items.get(id) ?? {};
          items.set(id, imageFile(root, id, [...new Set([...others, ...said])], { index: [...index, path] }));
        }
      }
    }
    return { items: [...items.values()], problems, used: indexes };
  },
};

function isAnnotation(path: string): boolean {
  return /^([^/]+|annotations?\/[^/]+)\.json$/i.test(path);
}

/** Whether the file begins like an object and names one of COCO's lists near its beginning or end. */
async function looksLikeCoco(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.min(size, 4096);
    const [first, last] = [Buffer.alloc(length), Buffer.alloc(length)];
    await file.read(first, 0, length, 0);
    await file.read(last, 0, length, size - length);
    const ends = first.toString('latin1') + last.toString('latin1');
    return (
      /^\s*\{/.test(ends) && /"(images|annotations)"\s*:\s*\[|"image_id"\s*:/.test(ends) && ends.includes('caption')
    );
  } finally {
    await file.close();
  }
}

type Key = string | number;

async function parse(
  root: string,
  path: string,
  problems: Problem[],
): Promise<{ images: Map<Key, string>; captions: Map<Key, string[]> }> {
  let index: { images?: unknown; annotations?: unknown };
  try {
    index = JSON.parse(decodeText(await readFile(join(root, path))).text ?? '');
  } catch (error) {
    throw new UserError(path, `not readable as JSON (${firstLine(error)})`);
  }
  if (!Array.isArray(index?.images) || !Array.isArray(index.annotations)) {
    throw new UserError(
      path,
      `expected COCO captions with lists images and annotations, got ${Object.keys(index ?? {}).join(', ') || 'nothing'}`,
    );
  }
  const images = new Map<Key, string>();
  for (const [i, { id, file_name: name }] of index.images.filter(isRecord).entries()) {
    if (typeof name === 'string' && isKey(id)) images.set(id, name);
    else problems.push({ id: `${path}: images[${i}]`, what: 'no id or file_name' });
  }
  const captions = new Map<Key, string[]>();
  for (const [i, { image_id: id, caption }] of index.annotations.filter(isRecord).entries()) {
    const said = captionsFrom(caption);
    const at = `${path}: annotations[${i}]`;
    if (!isKey(id) || !images.has(id)) problems.push({ id: at, what: `no image with id ${String(id)}` });
    else if (said.length === 0) problems.push({ id: at, what: `empty caption of ${images.get(id)}` });
    else captions.set(id, [...(captions.get(id) ?? []), ...said]);
  }
  return { images, captions };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isKey(value: unknown): value is Key {
  return typeof value === 'string' || typeof value === 'number';
}

/** Paths by file name, to find an image wherever its folder lies. */
function placesOf(files: readonly string[]): Map<string, string[]> {
  const places = new Map<string, string[]>();
  for (const path of files) {
    const name = posix.basename(path);
    const there = places.get(name);
    if (there === undefined) places.set(name, [path]);
    else there.push(path);
  }
  return places;
}

/**
 * An image by its path from the root, else in the folder that the annotation file's name ends with (`captions_val2017.json`
 * and `val2017/`), else where exactly one file has the path's end.
 */
function findImage(name: string, index: string, places: ReadonlyMap<string, string[]>): string | undefined {
  const path = posix.normalize(name.replaceAll('\\', '/'));
  const fitting = (places.get(posix.basename(path)) ?? []).filter(
    place => place === path || place.endsWith(`/${path}`),
  );
  const folder = posix
    .basename(index)
    .replace(/\.json$/i, '')
    .replace(/^.*captions?_/i, '');
  return (
    fitting.find(place => place === path) ??
    fitting.find(place => posix.dirname(place).split('/').includes(folder)) ??
    (fitting.length === 1 ? fitting[0] : undefined)
  );
}
