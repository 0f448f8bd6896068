/**
 * @file Reads zod schemas for people: which fields a schema has, what each expects in words, and one plain line for what
 * is wrong with a value. Flags, help and config files share it, so they use the same words. What a field accepts is
 * kinds.ts; of argv and of any particular setting it knows nothing.
 */

import { z } from 'zod';
import { isRecord } from '../core/checks.ts';
import { editDistance } from '../core/edit-distance.ts';
import { UserError } from '../core/errors.ts';
import { definitionsVersion } from '../core/registry.ts';
import { describeKind, either, type Json, type Kind, kindOf } from './kinds.ts';

/** One setting: a leaf of a schema, reached by its path, e.g. `['model', 'width']`. */
export interface Field {
  readonly path: readonly string[];
  readonly kind: Kind;
  readonly description: string;
  /** What help calls the value, from `.meta({ title })`. */
  readonly title: string | undefined;
  /** Undefined where the schema has no default. */
  readonly default: unknown;
  readonly required: boolean;
  /** Later than the program's own fields, from 1 on, where `.meta({ added })` of it or of a group above says so. */
  readonly added?: number;
}

/** A group of settings: a nested object of the schema. */
export interface Group {
  readonly path: readonly string[];
  readonly description: string;
}

/** The leaves and the nested objects of a schema, in the order they are declared. */
export interface Fields {
  readonly fields: readonly Field[];
  readonly groups: readonly Group[];
}

/** Where in a schema `fieldsOf` is, and what it has found above. */
interface Place {
  readonly path: readonly string[];
  readonly required: boolean;
  /** The default that an outer object gives. */
  readonly inherited: unknown;
  readonly above?: number;
}

/** Lists the fields of an object schema; a union of objects contributes the fields of every option. */
export function fieldsOf(schema: z.ZodType): Fields {
  const version = definitionsVersion(); // choices may be of what is defined
  const known = listed.get(schema);
  if (known?.version === version) return known.fields;
  const fields = listFields(schema);
  listed.set(schema, { version, fields });
  return fields;
}

const listed = new WeakMap<z.ZodType, { readonly version: number; readonly fields: Fields }>();

function listFields(schema: z.ZodType): Fields {
  const fields: Field[] = [];
  const groups: Group[] = [];
  visit(jsonSchema(schema), { path: [], required: true, inherited: undefined });
  return { fields, groups };

  function visit(node: Json, { path, required, inherited, above }: Place): void {
    const added = typeof node.added === 'number' ? node.added : above;
    const fallback = inherited ?? node.default; // an outer default replaces the inner one
    const objects = objectOptions(node);
    if (objects.length === 0) {
      addField({
        path,
        kind: kindOf(node),
        description: node.description ?? '',
        title: node.title,
        default: fallback,
        required: required && fallback === undefined,
        ...(added === undefined ? {} : { added }),
      });
      return;
    }
    if (path.length > 0 && !groups.some(group => same(group.path, path))) {
      groups.push({ path, description: node.description ?? '' });
    }
    for (const object of objects) {
      for (const [key, child] of Object.entries(object.properties ?? {})) {
        if (typeof child === 'boolean') continue;
        const needed = required && fallback === undefined && (object.required ?? []).includes(key);
        visit(child, {
          path: [...path, key],
          required: needed,
          inherited: isRecord(fallback) ? fallback[key] : undefined,
          above: added,
        });
      }
    }
  }

  /** The same path in two options of a union is one field that takes either. */
  function addField(field: Field): void {
    const at = fields.findIndex(known => same(known.path, field.path));
    if (at < 0) fields.push(field);
    else fields[at] = { ...fields[at], kind: either([fields[at].kind, field.kind]) };
  }
}

/**
 * Checks a value, typically a parsed JSON file, against a schema.
 * @param where opens the message: the file's name, e.g. `config.json`
 * @returns the value with defaults filled in
 * @throws UserError with one line naming the first field that does not fit, or a field the schema does not know
 */
export function parseConfig<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const { fields, groups } = fieldsOf(schema);
  const stranger = unknownKey(value, fields, groups);
  if (stranger !== undefined) {
    const known = [...fields, ...groups].filter(({ path }) => path.length > 0).map(({ path }) => path.join('.'));
    throw new UserError(where, `unknown field ${brief(stranger)}${didYouMean(nearest(stranger, known))}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, problem } = explainIssue(result.error.issues[0], fields, value);
  throw new UserError(path.length > 0 ? `${where}: ${path.join('.')}` : where, problem);
}

/** Puts settings over settings, deeply; later ones win, lists are replaced whole, `undefined` leaves what is there. */
export function mergeConfig(
  ...layers: readonly (Readonly<Record<string, unknown>> | undefined)[]
): Record<string, unknown> {
  const merged = new Map<string, unknown>(); // no name is special in it
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer ?? {})) {
      if (value === undefined) continue;
      const below = merged.get(key);
      merged.set(key, isRecord(value) ? mergeConfig(isRecord(below) ? below : {}, value) : value);
    }
  }
  return Object.fromEntries(merged);
}

/** `{ model: { width: 8 } }` to `{ 'model.width': 8 }`. Lists stay whole. */
export function flattenConfig(config: Readonly<Record<string, unknown>>, prefix = ''): Record<string, unknown> {
  const flat = Object.entries(config).flatMap(([key, value]) =>
    isRecord(value)
      ? Object.entries(flattenConfig(value, `${prefix}${key}.`))
      : [[prefix + key, value] as [string, unknown]],
  );
  return Object.fromEntries(flat);
}

/** The inverse of `flattenConfig`. */
export function unflattenConfig(flat: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const layers = Object.entries(flat).map(([name, value]) =>
    name.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value),
  );
  return mergeConfig(...layers.filter(isRecord));
}

/**
 * Turns zod's first issue into a path and one line, in this module's words rather than zod's.
 * @param value the value that was checked, to say what was found
 */
export function explainIssue(
  issue: z.core.$ZodIssue,
  fields: readonly Field[],
  value: unknown,
): { readonly path: readonly string[]; readonly problem: string } {
  const keys = issue.path.map(String);
  const field = fields.find(({ path }) => path.length <= keys.length && path.every((key, i) => key === keys[i]));
  if (issue.code === 'custom') return { path: field?.path ?? keys, problem: issue.message };
  if (issue.code === 'unrecognized_keys') return { path: keys, problem: `unknown field ${brief(issue.keys[0])}` };
  const path = field?.path ?? keys;
  const found = path.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), value);
  return { path, problem: `expected ${describeKind(field?.kind ?? { type: 'object' })}, got ${show(found)}` };
}

/** A value as it reads in a message, cut to 60 characters. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return brief(text);
}

function brief(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57).replace(/[\ud800-\udbff]$/, '')}...` : text;
}

/**
 * The candidate closest to a misspelt word by `editDistance`, or the shortest one it begins; undefined if none is near: more
 * than a third of the letters differ, or the word is longer than any that people mistype.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > LONGEST_TYPED) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  if (best !== undefined || word.length < 3) return best;
  const begun = candidates.filter(candidate => candidate.startsWith(word));
  return begun.sort((a, b) => a.length - b.length)[0];
}

/** The comparison takes time by the product of lengths, and a file may hold a field's name of a megabyte. */
const LONGEST_TYPED = 100;

/** `, did you mean X?`, or nothing. */
export function didYouMean(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : `, did you mean ${suggestion}?`;
}

/** A field's name as a flag: `keepRows` to `keep-rows`. */
export function kebab(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}

function jsonSchema(schema: z.ZodType): Json {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
}

function objectOptions(node: Json): readonly Json[] {
  if (node.properties !== undefined) return [node];
  const options = node.anyOf ?? node.oneOf ?? [];
  return options.every(option => option.properties !== undefined) ? options : [];
}

function unknownKey(
  value: unknown,
  fields: readonly Field[],
  groups: readonly Group[],
  path: readonly string[] = [],
): string | undefined {
  if (!isRecord(value)) return undefined;
  if (path.length > 0 && !groups.some(group => same(group.path, path))) return undefined; // a leaf such as a record
  for (const [key, inner] of Object.entries(value)) {
    const here = [...path, key];
    if (![...fields, ...groups].some(known => same(known.path, here))) return here.join('.');
    const deeper = unknownKey(inner, fields, groups, here);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, i) => key === b[i]);
}
