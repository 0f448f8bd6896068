/**
 * @file `metadata.jsonl` or `metadata.csv` beside the images (the Hugging Face "imagefolder" layout): `file_name` is a path
 * relative to the metadata file, `text` or `caption` a caption or, in JSON, a list of them. Optional: `split` (train,
 * validation, test) and `group` (items of one group stay on one side of the split). Such a file may lie in each sub-folder.
 */

import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { firstLine } from '../../src/core/errors.ts';
import type { Problem } from '../dataset.ts';
import { isImageName } from '../files.ts';
import { captionsFrom, decodeText } from '../text.ts';
import { type Candidate, type Format, imageFile, splitField } from './format.ts';

const NAME = /(^|\/)metadata\.(jsonl|csv)$/i;
const PATH_FIELDS = ['file_name', 'filename', 'file', 'path', 'image'];
const CAPTION_FIELDS = ['text', 'caption', 'captions', 'texts', 'prompt'];

interface Row {
  /** Where the row stands, e.g. `metadata.jsonl:12`. */
  readonly at: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export const metadata: Format = {
  name: 'metadata',
  layout: 'images and a metadata.jsonl or metadata.csv with file_name and text (or caption) fields',

  fileKind: name => (NAME.test(name) ? 'index' : undefined),

  recognise: ({ file, files }) => file !== undefined || files.some(path => NAME.test(path)),

  async read({ root, file, files }) {
    const problems: Problem[] = [];
    const items = new Map<string, Candidate>();
    const present = new Set(files);
    const used = file === undefined ? files.filter(name => NAME.test(name)) : [file];
    for (const path of used) {
      for (const row of await rowsOf(root, path, problems)) {
        const item = itemOf(root, posix.dirname(path), row, present, problems);
        if (item === undefined) continue;
        // Several rows may caption one image.
        const captions = [...new Set([...(items.get(item.id)?.captions ?? []), ...item.captions])];
        items.set(item.id, { ...item, captions });
      }
    }
    return {
      items: [...items.values()],
      problems,
      used,
      whyUnused: path => (isImageName(path) ? `not named in ${used.join(' or ')}` : undefined),
    };
  },
};

async function rowsOf(root: string, path: string, problems: Problem[]): Promise<Row[]> {
  const { text, why } = decodeText(await readFile(join(root, path)));
  if (text === undefined) {
    problems.push({ id: path, what: why });
    return [];
  }
  if (/\.csv$/i.test(path)) {
    const { parse } = await import('csv-parse/sync'); // loaded for those who have such files only
    try {
      const records: Record<string, string>[] = parse(text, {
        columns: true,
        skip_empty_lines: true,
        relax_column_count: true,
      });
      return records.map((fields, i) => ({ at: `${path}: row ${i + 1}`, fields }));
    } catch (error) {
      problems.push({ id: path, what: firstLine(error) });
      return [];
    }
  }
  const rows: Row[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const at = `${path}:${i + 1}`;
    try {
      const fields: unknown = JSON.parse(line);
      if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) throw new Error('not a JSON object');
      rows.push({ at, fields: fields as Row['fields'] }); // an object: every field is checked where it is used
    } catch (error) {
      problems.push({ id: at, what: `not a JSON object (${firstLine(error)})` });
    }
  }
  return rows;
}

function itemOf(
  root: string,
  folder: string,
  { at, fields }: Row,
  present: ReadonlySet<string>,
  problems: Problem[],
): Candidate | undefined {
  const name = PATH_FIELDS.map(field => fields[field]).find(value => typeof value === 'string' && value !== '');
  if (typeof name !== 'string') {
    problems.push({ id: at, what: `no file_name (fields: ${Object.keys(fields).join(', ')})` });
    return undefined;
  }
  const id = posix.normalize(posix.join(folder, name.replaceAll('\\', '/')));
  if (!present.has(id)) {
    problems.push({ id, what: `missing file (named in ${at})` });
    return undefined;
  }
  const captions = CAPTION_FIELDS.flatMap(field => captionsFrom(fields[field]));
  if (captions.length === 0) {
    const has = CAPTION_FIELDS.some(field => field in fields);
    problems.push({
      id,
      what: has ? `empty caption (${at})` : `no text field in ${at} (fields: ${Object.keys(fields).join(', ')})`,
    });
    return undefined;
  }
  const group = typeof fields.group === 'string' && fields.group !== '' ? { group: fields.group } : {};
  const split = splitField(fields.split);
  return imageFile(root, id, captions, { ...group, ...split });
}
