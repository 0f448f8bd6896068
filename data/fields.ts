/**
 * @file The fields of a row that names an image and its caption, in tables, JSON and Parquet: which names mean what, and in which
 * order. One field gives the captions of a row: fields are never merged.
 */
import { found } from '../src/core/checks.ts';
import { captionsFrom } from './text.ts';

/** Names of the field that has the path of an image, the first that is there wins. */
export const pathFields = ['file_name', 'filename', 'file', 'filepath', 'path', 'image_path', 'image', 'img'] as const;

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
  'prompt',
] as const;

/** Of these the last resort: where it says the same of every row it is an instruction for a model, and no caption. */
const INSTRUCTIONS: ReadonlySet<string> = new Set(['prompt']);

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

/** A field's name as names are compared: `' File_Name '` is `file_name`. */
export function plainName(name: string): string {
  return name
    .replace(/^\ufeff/, '')
    .trim()
    .toLowerCase();
}

/** The path that a row names; undefined if it names none. */
export function pathOf(row: Row): string | undefined {
  for (const field of pathFields) {
    const value = row.get(field);
    if (typeof value === 'string' && value.trim() !== '') return value.trim();
  }
  return undefined;
}

/** The captions of a row and the field that they stand in, or why there are none, in words that follow the row's name. */
export type Captions =
  | { readonly captions: readonly string[]; readonly field: string; readonly why?: undefined }
  | { readonly why: string; readonly captions?: undefined };

/** @param instructions fields that are no captions here, as `instructionsOf` finds them */
export function captionsOf(row: Row, instructions: ReadonlySet<string> = new Set()): Captions {
  const there = captionFields.filter(field => row.has(field));
  if (there.length === 0) return { why: `no text or caption field (fields: ${[...row.keys()].join(', ') || 'none'})` };
  let why: string | undefined;
  for (const field of there) {
    const value = row.get(field);
    const captions = captionsFrom(value);
    if (instructions.has(field)) why ??= `no caption: the field ${field} says the same of every image`;
    else if (captions.length > 0) return { captions, field };
    else why ??= whyNone(field, value);
  }
  return { why: why ?? 'no caption' };
}

/** Why a value gives no captions. */
function whyNone(field: string, value: unknown): string {
  const isEmpty =
    value === null || value === undefined || (typeof value === 'string' && captionsFrom(value).length === 0);
  if (isEmpty) return `empty caption (field ${field})`;
  if (Array.isArray(value) && value.every(each => typeof each === 'string')) return `empty caption (field ${field})`;
  return `the field ${field} is no text: ${typeof value === 'number' ? `a number (${value})` : found(value)}`;
}

/**
 * Fields among those for captions that hold an instruction, as sets for training assistants have it: they say the same in all
 * of several rows.
 */
export function instructionsOf(rows: Iterable<Row>): ReadonlySet<string> {
  const said = new Map<string, Set<string>>();
  let count = 0;
  for (const row of rows) {
    count++;
    for (const field of INSTRUCTIONS) {
      if (!row.has(field)) continue;
      const values = said.get(field) ?? new Set();
      values.add(JSON.stringify(row.get(field)));
      said.set(field, values);
    }
  }
  return new Set(count < 2 ? [] : [...said].filter(([, values]) => values.size === 1).map(([field]) => field));
}
