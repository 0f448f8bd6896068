/**
 * @file COCO captions: a JSON file with `images` (id, file_name) and `annotations` (image_id, caption), usually
 * `annotations/captions_train2017.json` beside a folder `train2017` of images. Several such files make one dataset.
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord } from '../../src/core/checks.ts';
import { UserError } from '../../src/core/errors.ts';
import { captionsOf, pathOf, rowOf } from '../fields.ts';
import { isImageName } from '../files.ts';
import { type Index, IndexBuilder } from '../indexes/entries.ts';
import { parseFile, whyTooLarge } from '../indexes/json.ts';
import { itemsOf, whyUnnamed } from '../indexes/pictures.ts';
import { looksLikeCoco } from '../indexes/recognise.ts';
import { homeOf, References } from '../references.ts';
import { kindOf, namesOf, short } from '../shown.ts';
import { type Format, type Source, splitField } from './format.ts';

export const coco: Format = {
  name: 'coco',
  layout: 'COCO captions: annotations/captions_train2017.json beside a folder of images',

  fileKind: name => (/\.json$/i.test(name) ? 'index' : undefined),

  rootOf: homeOf,

  recognise: async source => source.file !== undefined || (await annotationsOf(source)).length > 0,

  async read(source) {
    const { root, file, files } = source;
    const used = file === undefined ? await annotationsOf(source) : [file];
    const indexes: Index[] = [];
    for (const path of used) indexes.push(await readAnnotations(root, path));
    const { items, problems } = itemsOf(root, indexes, new References(root, files));
    return {
      items,
      problems,
      used,
      whyUnused: path => (isImageName(path) ? whyUnnamed(used) : undefined),
    };
  },
};

/** Annotations with captions, which lie in the folder itself or in one named for them, or are named for captions. */
async function annotationsOf({ root, files }: Source): Promise<string[]> {
  const found: string[] = [];
  for (const path of files) {
    if (/(^[^/]+|(^|\/)annotations?\/[^/]+|caption[^/]*)\.json$/i.test(path) && (await looksLikeCoco(join(root, path))))
      found.push(path);
  }
  return found;
}

/** What a file of annotations says. @throws UserError if it is none */
async function readAnnotations(root: string, path: string): Promise<Index> {
  const { size } = await stat(join(root, path));
  const tooLarge = whyTooLarge(size);
  if (tooLarge !== undefined) throw new UserError(path, tooLarge);
  const { value, why } = await parseFile(join(root, path));
  if (why !== undefined) throw new UserError(path, why);
  if (!isRecord(value) || !Array.isArray(value.images) || !Array.isArray(value.annotations)) {
    const got = isRecord(value) ? namesOf(Object.keys(value)) : kindOf(value);
    throw new UserError(path, `expected COCO captions with lists images and annotations, got ${got}`);
  }
  const index = new IndexBuilder(path);
  const images = imagesOf(value.images, index);
  for (const [i, annotation] of value.annotations.entries()) {
    const at = `${path}: annotations[${i}]`;
    const id = isRecord(annotation) ? keyOf(annotation.image_id) : undefined;
    const image = id === undefined ? undefined : images.get(id);
    if (!isRecord(annotation)) index.addProblem(at, `not an annotation, but ${kindOf(annotation)}`);
    else if (image === undefined)
      index.addProblem(at, `no image with id ${id === undefined ? kindOf(annotation.image_id) : short(id)}`);
    else {
      image.isSaid = true;
      index.add({ at, name: image.name, said: captionsOf(rowOf(annotation)), ...image.split });
    }
  }
  for (const { name, isSaid } of images.values()) {
    if (!isSaid) index.add({ at: path, name, said: { why: 'no caption' } });
  }
  return index.done();
}

interface Image {
  readonly name: string;
  readonly split: { readonly split?: string };
  /** Whether an annotation is about it. */
  isSaid: boolean;
}

/** The images by id, without those whose id another one has. */
function imagesOf(images: readonly unknown[], index: IndexBuilder): Map<string, Image> {
  const found = new Map<string, Image>();
  const twice = new Set<string>();
  for (const [i, image] of images.entries()) {
    const row = isRecord(image) ? rowOf(image) : undefined;
    const name = row && pathOf(row).path;
    const id = keyOf(row?.get('id'));
    const other = id === undefined ? undefined : found.get(id);
    if (id === undefined || name === undefined || row === undefined) {
      index.addProblem(`${index.path}: images[${i}]`, 'no id or file_name');
    } else if (other !== undefined && other.name !== name) {
      index.addProblem(
        `${index.path}: images[${i}]`,
        `the id ${short(id)} of ${short(name)} is that of ${short(other.name)} too`,
      );
      twice.add(id);
    } else if (other === undefined) found.set(id, { name, split: splitField(row.get('split')), isSaid: false });
  }
  for (const id of twice) found.delete(id);
  return found;
}

/** An id, which some write as a number and some as text. */
function keyOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
