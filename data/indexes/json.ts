/**
 * @file JSON lists, maps and JSON lines, told apart by what is in the file and not by its name: an object on each line, a list of
 * objects, lists by split (`{"train": [...]}`), or captions by path (`{"a.png": "a dog"}`).
 */

import { readFile, stat } from 'node:fs/promises';
import { isRecord } from '../../src/core/checks.ts';
import { firstLine } from '../../src/core/errors.ts';
import { captionFields, isKnown, pathFields, pathOf, type Row, rowOf } from '../fields.ts';
import { linesOf } from '../lines.ts';
import { kindOf } from '../shown.ts';
import { splitNamed } from '../splits.ts';
import { decodeText } from '../text.ts';
import type { IndexBuilder } from './entries.ts';
import { repeatedKeys } from './json-keys.ts';

/** Bytes of a file that is parsed whole: its text has to fit into one string. */
const LARGEST = 500_000_000;

/** A field of one of some names with a value that may be one for it. */
const field = (names: readonly string[], value: string) =>
  new RegExp(`"\\s*(${names.join('|').replaceAll('_', '[_\\s-]+')})\\s*"\\s*:\\s*${value}`, 'i');
const PATH = field(pathFields, '(["\\d]|\\{\\s*"(path|bytes)")');
/** Paths in one field, as pandas writes columns. */
const COLUMN = field(pathFields, '(\\{\\s*"\\d|\\[)');
const CAPTION = field([...captionFields, 'conversations', 'conversation', 'messages'], '(["\\d[]|null|nan|\\{)');
const COLUMNS = "holds columns, not rows; pandas writes rows with to_json(orient='records', lines=True)";
/** What stands in lists of features, which describe a data set and are none. */
const FEATURES = /"(_type|dtype)"\s*:/;

/** Whether the beginning of a JSON file looks like rows with a picture and a caption. */
export function looksLikeRows(beginning: string): boolean {
  return PATH.test(beginning) && CAPTION.test(beginning) && !FEATURES.test(beginning);
}

/** Why the beginning of a JSON file shows no rows; undefined if there is nothing special about it. */
export function whyNoRowsIn(beginning: string): string | undefined {
  return COLUMN.test(beginning) && CAPTION.test(beginning) ? COLUMNS : undefined;
}

/** The first key of the object that a JSON file begins with. */
export function firstKey(beginning: string): string | undefined {
  const key = /^\s*\{\s*("(?:[^"\\]|\\.)*")\s*:/s.exec(beginning)?.[1];
  try {
    return key === undefined ? undefined : String(JSON.parse(key));
  } catch {
    return undefined;
  }
}

/** Reads a JSON file. @throws Error if it is no text */
export async function readJson(file: string, index: IndexBuilder): Promise<void> {
  const isLines = await hasLines(file);
  const { size } = await stat(file);
  if (isLines || /\.(jsonl|ndjson)$/i.test(index.path)) {
    if (!isLines && size <= LARGEST) {
      const whole = await parseFile(file);
      if (whole.why === undefined) return addDocument(whole.value, whole.text, index);
    }
    return await readLines(file, index);
  }
  const tooLarge = whyTooLarge(size);
  if (tooLarge !== undefined) return index.addProblem(index.path, tooLarge);
  const whole = await parseFile(file);
  if (whole.why !== undefined) index.addProblem(index.path, whole.why);
  else addDocument(whole.value, whole.text, index);
}

/** Why a file of that many bytes cannot be parsed whole; undefined if it can. */
export function whyTooLarge(bytes: number): string | undefined {
  if (bytes <= LARGEST) return undefined;
  const size = `${(bytes / 1e6).toFixed(0)} MB`;
  return `is JSON of ${size}, of which at most 500 MB can be read; write one object a line (jq -c .[] FILE > metadata.jsonl)`;
}

type Document =
  | { readonly value: unknown; readonly text: string; readonly why?: undefined }
  | { readonly value?: undefined; readonly why: string };

/** A JSON document, or why it is none, in words that follow the file's name. */
export async function parseFile(file: string): Promise<Document> {
  const { text, why } = decodeText(await readFile(file));
  if (text === undefined) return { why };
  try {
    return { value: JSON.parse(text), text };
  } catch (error) {
    return { why: `is not readable as JSON (${firstLine(error)})` };
  }
}

/** Whether the first of several lines is an object. */
async function hasLines(file: string): Promise<boolean> {
  let first: string | undefined;
  for await (const { text } of linesOf(file)) {
    if (text?.trim() === '') continue;
    if (first !== undefined) return true;
    if (text === undefined || !isRecord(parsed(text))) return false;
    first = text;
  }
  return false;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readLines(file: string, index: IndexBuilder): Promise<void> {
  let objects = 0;
  for await (const { number, text } of linesOf(file)) {
    const at = `${index.path}:${number}`;
    if (text === undefined) index.addProblem(at, 'a line of over 16 MB');
    else if (text.trim() !== '') objects += addLine(text, at, index);
  }
  if (objects > 0) return;
  index.giveUp('no line of it is a JSON object (jq -c . FILE writes one object a line)');
}

/** @returns how many objects were in the line */
function addLine(text: string, at: string, index: IndexBuilder): 0 | 1 {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    index.addProblem(at, `not a JSON object (${firstLine(error)})`);
    return 0;
  }
  const twice = isRecord(value) ? repeatedKeys(text, value).find(isKnown) : undefined;
  if (twice !== undefined) index.addProblem(at, `two fields are named ${twice}`);
  else index.addValue(value, at);
  return isRecord(value) ? 1 : 0;
}

/** Reads what one JSON document says. */
function addDocument(value: unknown, text: string, index: IndexBuilder): void {
  const lists = isRecord(value) ? Object.entries(value).filter(([, list]) => isListOfRows(list)) : [];
  const why = whyNoRows(value);
  if (Array.isArray(value)) addList(value, index, { at: index.path });
  else if (lists.length > 0) for (const [name, list] of lists) addNamedList(name, list as readonly unknown[], index);
  else if (!isRecord(value) || why !== undefined) index.addProblem(index.path, why ?? 'no captions found');
  else if (isOneRow(value)) index.addRow(rowOf(value), index.path);
  else addMap(value, text, index);
}

/** Why a JSON document has neither rows nor captions by path; undefined if it may. */
function whyNoRows(value: unknown): string | undefined {
  if (!isRecord(value)) return `no captions found: it holds ${kindOf(value)}`;
  if (isOneRow(value)) {
    const row = rowOf(value);
    const isColumns = pathFields.some(field => isRecord(row.get(field)) || Array.isArray(row.get(field)));
    return isColumns ? COLUMNS : undefined;
  }
  const hasCaptions = Object.values(value).some(
    each => typeof each === 'string' || Array.isArray(each) || isRecord(each),
  );
  const layouts =
    'a list of objects with file_name and text, captions by path, or the lists images and annotations of COCO';
  return hasCaptions ? undefined : `no captions found: expected ${layouts}, got ${kindOf(value)}`;
}

/** Whether an object is itself a row, or a table by columns. */
function isOneRow(value: Readonly<Record<string, unknown>>): boolean {
  const row = rowOf(value);
  return [pathFields, captionFields].every(fields => fields.some(field => row.has(field)));
}

function addNamedList(name: string, list: readonly unknown[], index: IndexBuilder): void {
  const split = splitNamed(name) === undefined ? undefined : name;
  addList(list, index, { at: `${index.path}: ${name}`, split });
}

function isListOfRows(value: unknown): boolean {
  if (!Array.isArray(value) || !isRecord(value[0])) return false;
  const row = rowOf(value[0]);
  return pathFields.some(field => row.has(field));
}

function addList(
  list: readonly unknown[],
  index: IndexBuilder,
  { at, split }: { readonly at: string; readonly split?: string },
): void {
  if (list.length === 0) index.addProblem(at, 'an empty list');
  for (const [i, value] of list.entries()) index.addValue(value, `${at}[${i}]`, split);
}

/** Captions by path. */
function addMap(map: Readonly<Record<string, unknown>>, text: string, index: IndexBuilder): void {
  const twice = new Set(repeatedKeys(text, map));
  for (const [name, value] of Object.entries(map)) {
    const at = `${index.path}: ${JSON.stringify(name.slice(0, 80))}`;
    if (twice.has(name)) index.addProblem(at, 'this path stands in it twice');
    else if (isRecord(value)) index.addRow(withPath(rowOf(value), name), at);
    else
      index.addRow(
        new Map<string, unknown>([
          ['file_name', name],
          ['text', value],
        ]),
        at,
      );
  }
}

/** A row that stands under a key, which is its path unless it names one itself. */
function withPath(row: Row, key: string): Row {
  return pathOf(row).path === undefined ? new Map([...row, ['file_name', key]]) : row;
}
