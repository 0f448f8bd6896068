/**
 * @file The fields of a row that names an image and its caption, in tables, JSON and Parquet: which names mean what, and in which
 * order. One field gives the captions of a row: fields are never merged.
 */

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

/** Of these the last resort: where it says the same of every row it is an instruction for a model, and no caption. */
const INSTRUCTION = 'prompt';

/** What programs write where there is no text, as pandas reads it. */
const MISSING: ReadonlySet<string> = new Set('#N/A,#NA,-NaN,-nan,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null'.split(','));

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

/** The path that a row names, a folder and a name in two fields put together; undefined if it names none. */
export function pathOf(row: Row): string | undefined {
  const [name, folder] = [nameIn(row.get('filename')), nameIn(row.get('filepath'))]; // Karpathy's lists have both
  if (name !== undefined && folder !== undefined && !row.has('file_name')) {
    return `/${folder}`.endsWith(`/${name}`) ? folder : `${folder}/${name}`;
  }
  for (const field of pathFields) {
    const path = nameIn(row.get(field));
    if (path !== undefined) return path;
  }
  return undefined;
}

function nameIn(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

/** The captions of a row and the field that they stand in, or why there are none, in words that follow the row's name. */
export type Captions =
  | { readonly captions: readonly string[]; readonly field: string; readonly why?: undefined }
  | { readonly why: string; readonly captions?: undefined };

/** The captions of a row: of its first field for them that has any. */
export function captionsOf(row: Row): Captions {
  const there = captionFields.filter(field => row.has(field));
  if (there.length === 0) return { why: `no text or caption field (fields: ${namesOf(row.keys())})` };
  let why: string | undefined;
  for (const field of there) {
    const said = textsOf(row.get(field));
    if (typeof said !== 'string') return { captions: said, field };
    why ??= said === '' ? `empty caption (field ${field})` : `the field ${field} ${said}`;
  }
  return { why: why ?? 'no caption' };
}

/** At most ten names in a line. */
export function namesOf(names: Iterable<string>): string {
  const all = [...names].map(name => (name.length > 40 ? `${name.slice(0, 37)}...` : name));
  if (all.length === 0) return 'none';
  return all.length > 10 ? `${all.slice(0, 10).join(', ')} and ${all.length - 10} more` : all.join(', ');
}

/** The captions in a value, or why there are none, in words that follow the field's name; '' if it is empty. */
function textsOf(value: unknown): readonly string[] | string {
  if (!Array.isArray(value)) {
    if (value === undefined || value === null) return '';
    if (typeof value !== 'string') return `is no text: ${kindOf(value)}`;
    if (MISSING.has(value.trim())) return `says ${value.trim()}, which programs write where there is no text`;
    return LIST.test(value) ? listIn(value) : orEmpty(captionsFrom(value));
  }
  const texts = value.filter(each => each !== null).map(textIn);
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

/** What a value is that should be text. */
export function kindOf(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return `a number (${value})`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'string') return `text (${JSON.stringify(value.slice(0, 40))})`;
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return typeof value === 'object' ? `an object with ${namesOf(Object.keys(value))}` : String(value);
}

/**
 * Watches rows for a field among those for captions that holds an instruction, as sets for training assistants have it: it says
 * the same in all of several rows.
 */
export class InstructionWatch {
  private first: unknown;
  private rows = 0;
  private varies = false;

  see(row: Row): void {
    if (!row.has(INSTRUCTION)) return;
    const value = row.get(INSTRUCTION);
    if (this.rows++ === 0) this.first = value;
    else this.varies ||= value !== this.first;
  }

  /** Why captions in a field are none; undefined if they are. */
  whyNone(field: string): string | undefined {
    const isInstruction = field === INSTRUCTION && this.rows > 1 && !this.varies;
    return isInstruction ? `no caption: the field ${field} says the same of every image` : undefined;
  }
}

/** Fields among those for captions that hold an instruction in all of several rows. */
export function instructionsOf(rows: Iterable<Row>): ReadonlySet<string> {
  const watch = new InstructionWatch();
  for (const row of rows) watch.see(row);
  return new Set(watch.whyNone(INSTRUCTION) === undefined ? [] : [INSTRUCTION]);
}
