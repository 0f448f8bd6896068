/**
 * @file Indexes beside the images: `metadata.jsonl` or `.csv` (the Hugging Face "imagefolder" layout), `captions.txt` and
 * `results.token` of Flickr, Karpathy's `dataset_coco.json` and the like, each in any folder, or any such file by its own name.
 * A row names a picture and its captions, perhaps a `split` and a `group` (items of one group stay on one side of the split).
 */

import { join, posix } from 'node:path';
import type { Problem } from '../dataset.ts';
import { isImageName, whyFailed } from '../files.ts';
import { readTable } from '../indexes/csv.ts';
import { type Index, IndexBuilder } from '../indexes/entries.ts';
import { isSplitListName, readSplitList, readTokens } from '../indexes/flickr.ts';
import { readJson } from '../indexes/json.ts';
import { itemsOf, whyUnnamed } from '../indexes/pictures.ts';
import { indexKind, isIndexOnPurpose, looksLikeCoco, rankOf, whyNoIndex } from '../indexes/recognise.ts';
import { homeOf, References } from '../references.ts';
import type { Format, Source } from './format.ts';

export const metadata: Format = {
  name: 'metadata',
  layout: 'images and a metadata.jsonl or metadata.csv (captions.csv, ...) with file_name and text (or caption) fields',

  fileKind: name => (indexKind(name) === undefined ? undefined : 'index'),

  rootOf: homeOf,

  async recognise(source) {
    if (source.file !== undefined) return !(await looksLikeCoco(join(source.root, source.file)));
    if (!source.files.some(path => rankOf(path) >= 0) || !source.files.some(isImageName)) return false;
    const { chosen } = await indexesOf(source, new References(source.root, source.files));
    return chosen.length > 0;
  },

  async read(source) {
    const { root, file, files } = source;
    const references = new References(root, files);
    const { chosen, others } =
      file === undefined ? await indexesOf(source, references) : { chosen: [file], others: [] };
    const used = [...chosen];
    const indexes: Index[] = [];
    for (const path of chosen) indexes.push(await readIndex(source, path, { references, used }));
    const { items, problems } = itemsOf(root, indexes, references);
    return {
      items,
      notices: indexes.flatMap(index => index.notices),
      problems: [...others, ...problems],
      used,
      whyUnused: path => (isImageName(path) ? whyUnnamed(chosen) : undefined),
    };
  },
};

/** The indexes of a folder and those below it, one of each, the innermost first; and those that are not read, and why. */
async function indexesOf(
  { root, files }: Source,
  references: References,
): Promise<{ readonly chosen: readonly string[]; readonly others: readonly Problem[] }> {
  const named = files.filter(path => rankOf(path) >= 0).sort((a, b) => rankOf(a) - rankOf(b));
  const chosen = new Map<string, string>();
  const others: Problem[] = [];
  for (const path of named) {
    const why = await whyNoIndex(join(root, path), references, path);
    const winner = chosen.get(posix.dirname(path));
    if (why !== undefined) {
      if (isIndexOnPurpose(path)) others.push({ id: path, what: `not read: ${why}` });
    } else if (winner === undefined) chosen.set(posix.dirname(path), path);
    else
      others.push({ id: path, what: `not read: of the indexes in one folder ${posix.basename(winner)} comes first` });
  }
  const depth = (path: string) => path.split('/').length;
  return { chosen: [...chosen.values()].sort((a, b) => depth(b) - depth(a)), others };
}

/** What an index says. A file that cannot be read to its end says nothing. @param used gets the files read beside it */
async function readIndex(
  { root, files }: Source,
  path: string,
  { references, used }: { readonly references: References; readonly used: string[] },
): Promise<Index> {
  const index = new IndexBuilder(path);
  const file = join(root, path);
  try {
    switch (indexKind(path)) {
      case 'json':
        await readJson(file, index);
        break;
      case 'tokens':
        await readTokens(file, index, await splitsBeside(root, files, { path, used }));
        break;
      default: {
        const scope = references.scopeOf(path);
        await readTable(file, index, name => references.at(name, scope).id !== undefined);
      }
    }
  } catch (error) {
    index.giveUp(whyFailed(error));
  }
  return index.done();
}

/** The splits that lists beside Flickr's captions name. */
async function splitsBeside(
  root: string,
  files: readonly string[],
  { path, used }: { readonly path: string; readonly used: string[] },
): Promise<ReadonlyMap<string, string>> {
  const splits = new Map<string, string>();
  const folder = posix.dirname(path);
  for (const list of files.filter(name => posix.dirname(name) === folder && isSplitListName(posix.basename(name)))) {
    await readSplitList(join(root, list), posix.basename(list), splits);
    used.push(list);
  }
  return splits;
}
