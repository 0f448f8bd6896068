/**
 * @file The fields of a row that names an image and its caption, in tables, JSON and Parquet: which names mean what, and in which
 * order. One field gives the captions of a row: fields are never merged.
 */

import { kindOf, namesOf } from './shown.ts';
import { captionsFrom } from './text.ts';

/** Names of the field that has the path of an image, the first that is there wins. */
export const pathFields = [
  'file_name',
  'filename',
  'file',
  'filepath',
  'file_path',
  'path',
  'image_path',
  'img_path',
  'image_file',
  'image_file_name',
  'image_filename',
  'image_name',
  'image',
  'img',
] as const;

/** Names of the field that has the caption, the first that is not empty wins. */
export const captionFields = [
  'text',
  'caption',
  'captions',
  'texts',
  'sentences',
  'sentence',
  'description',
  'txt',
  'alt_text',
  'title',
  'comment',
  'raw',
  'prompt',
] as const;

const KNOWN: ReadonlySet<string> = new Set([...pathFields, ...captionFields]);

/** Whether a field of this plain name may have a path or a caption. */
export function isKnown(name: string): boolean {
  return KNOWN.has(name);
}

/** What programs write where there is no text, as pandas reads it. */
const MISSING: ReadonlySet<string> = new Set('#N/A,#NA,-NaN,-nan,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null'.split(','));

/** Whether a value is what programs write where there is no text. */
export function isNoText(value: unknown): boolean {
  return typeof value === 'string' && MISSING.has(value.trim());
}

/** Why such a value is no caption, in words that follow a field's or a file's name. */
export function whyNoText(value: string): string {
  return `says ${value.trim()}, which programs write where there is no text`;
}

/** A row, its fields by name without regard to case and outer spaces. */
export type Row = ReadonlyMap<string, unknown>;

/** The row of an object, which may have any field names at all. */
export function rowOf(record: Readonly<Record<string, unknown>>): Row {
  return rowOfEntries(Object.entries(record));
}

/** The row of names and values; of names that differ in case and spaces only the first counts. */
export function rowOfEntries(entries: Iterable<readonly [string, unknown]>): Row {
  const row = new Map<string, unknown>();
  for (const [name, value] of entries) {
    const key = plainName(name);
    if (!row.has(key)) row.set(key, value);
  }
  return row;
}

/** A field's name as names are compared: `' File Name '` is `file_name`. */
export function plainName(name: string): string {
  return name
    .replace(/^\ufeff/, '')
    .trim()
    .replace(/[\s-]+/g, '_')
    .toLowerCase();
}

/** The path that a row names, a folder and a name in two fields put together, or why it names none. */
export function pathOf(
  row: Row,
): { readonly path: string; readonly why?: undefined } | { readonly why: string; readonly path?: undefined } {
  const [name, folder] = [textPath(row.get('filename')), textPath(row.get('filepath'))]; // Karpathy's lists have both
  if (name !== undefined && folder !== undefined && !row.has('file_name')) {
    return { path: `/${folder}`.endsWith(`/${name}`) ? folder : `${folder}/${name}` };
  }
  const there = pathFields.filter(field => row.has(field));
  for (const read of [textPath, numberPath]) {
    for (const field of there) {
      const path = read(row.get(field));
      if (path !== undefined) return { path };
    }
  }
  if (there.length === 0) return { why: `no file_name field (fields: ${namesOf(row.keys())})` };
  const value = row.get(there[0]);
  return {
    why: value === null || value === '' ? `empty ${there[0]}` : `the field ${there[0]} is no path: ${kindOf(value)}`,
  };
}

/** A path, which Hugging Face writes as `{"path": "a.png", "bytes": null}`, too. */
function textPath(value: unknown): string | undefined {
  if (typeof value === 'object' && value !== null && 'path' in value && Object.hasOwn(value, 'path'))
    return textPath(value.path);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

function numberPath(value: unknown): string | undefined {
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined;
}

/** The captions of a row and the field that they stand in, or why there are none, in words that follow the row's name. */
export type Captions =
  | { readonly captions: readonly string[]; readonly field: string; readonly why?: undefined }
  | { readonly why: string; readonly captions?: undefined; readonly field?: undefined };

/** Captions in one field. */
export interface Said {
  readonly field: string;
  readonly captions: readonly string[];
}

/** The captions of a row: of its first field for them that has any. */
export function captionsOf(row: Row): Captions {
  const [first] = allCaptionsOf(row);
  return first ?? { why: whyNoCaption(row) };
}

/** The captions of each field of a row that has any, in the order in which they count. */
export function allCaptionsOf(row: Row): Said[] {
  const all: Said[] = [];
  for (const field of captionFields) {
    const captions = row.has(field) ? textsOf(row.get(field)) : '';
    if (typeof captions !== 'string') all.push({ field, captions });
  }
  return all;
}

/** Why a row without captions has none. */
function whyNoCaption(row: Row): string {
  const field = captionFields.find(name => row.has(name));
  if (field === undefined) return `no text or caption field (fields: ${namesOf(row.keys())})`;
  const why = textsOf(row.get(field));
  return why === '' ? `empty caption (field ${field})` : `the field ${field} ${why}`;
}

/** The captions in a value, or why there are none, in words that follow the field's name; '' if it is empty. */
function textsOf(value: unknown): readonly string[] | string {
  if (!Array.isArray(value)) {
    if (value === undefined || value === null) return '';
    if (typeof value !== 'string') return `is no text: ${kindOf(value)}`;
    if (isNoText(value)) return whyNoText(value);
    return LIST.test(value) ? listIn(value) : orEmpty(captionsFrom(value));
  }
  const texts = value.filter(each => each !== null && !isNoText(each)).map(textIn);
  const odd = texts.findIndex(each => typeof each !== 'string');
  if (odd >= 0) return `is a list with ${kindOf(texts[odd])}, not of texts`;
  return orEmpty(captionsFrom(texts));
}

/** A list of texts that was written into one text, as a cell of a table has it. */
const LIST = /^\s*\[\s*["'].*["']\s*\]\s*$/s;

function listIn(text: string): readonly string[] | string {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return textsOf(list);
  } catch {
    // said below
  }
  return 'is a list that is not written as JSON (["a dog", "a brown dog"])';
}

function orEmpty(captions: readonly string[]): readonly string[] | string {
  return captions.length > 0 ? captions : '';
}

/** The text in an element of a list, which may be an object for it: `{"raw": "a dog"}`. */
function textIn(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const row = rowOf(value as Readonly<Record<string, unknown>>); // an object, and each value is checked
  return ['raw', 'caption', 'text'].map(field => row.get(field)).find(text => typeof text === 'string') ?? value;
}
