/**
 * @file What a field of a schema accepts, read from zod's JSON Schema output, which is public and stable, and said in words.
 * Messages and help share the words.
 */
import type { z } from 'zod';

/** What one field accepts. */
export type Kind =
  | { readonly type: 'number'; readonly whole: boolean; readonly bounds: Bounds }
  | { readonly type: 'text'; readonly empty: boolean }
  | { readonly type: 'boolean' | 'nothing' | 'object' | 'any' }
  | { readonly type: 'choice'; readonly values: readonly (string | number | boolean | null)[] }
  | { readonly type: 'list'; readonly items: Kind; readonly least: number; readonly most: number }
  | { readonly type: 'either'; readonly options: readonly Kind[] };

/** The range of a number. `above` and `below` are exclusive. */
export interface Bounds {
  readonly least?: number;
  readonly most?: number;
  readonly above?: number;
  readonly below?: number;
  readonly multipleOf?: number;
}

/** A node of the JSON Schema that zod makes. */
export type Json = z.core.JSONSchema.JSONSchema;

/** What a field expects, in words that follow "expected": `a whole number from 1 to 16`, `one of fsq, vq or dvae`. */
export function describeKind(kind: Kind): string {
  switch (kind.type) {
    case 'number':
      return `a ${kind.whole ? 'whole ' : ''}number${describeBounds(kind.bounds)}`;
    case 'text':
      return kind.empty ? 'text' : 'text that is not empty';
    case 'boolean':
      return 'true or false';
    case 'nothing':
      return 'none';
    case 'object':
      return 'an object of settings';
    case 'any':
      return 'a value';
    case 'choice':
      return `${kind.values.length > 1 ? 'one of ' : ''}${join(kind.values.map(String))}`;
    case 'list': {
      if (kind.items.type === 'choice') {
        const range =
          kind.most === Number.POSITIVE_INFINITY ? `${kind.least} or more` : `${kind.least} to ${kind.most}`;
        return `a comma-separated list of ${range} of ${join(kind.items.values.map(String))}`;
      }
      const many = describeKind(kind.items).replace(/^an? (whole )?number/, '$1numbers');
      const count = kind.least === kind.most ? `${kind.least} ` : kind.least > 0 ? `${kind.least} or more ` : '';
      const upTo = kind.least !== kind.most && kind.most < Number.POSITIVE_INFINITY ? `, at most ${kind.most}` : '';
      return `${count}comma-separated ${kind.items.type === 'text' ? 'words' : many}${upTo}`;
    }
    case 'either':
      return join(kind.options.map(describeKind));
    default:
      return kind satisfies never;
  }
}

/** The range in words, with a space before it: ` from 1 to 4, divisible by 2`; empty where there is none. */
export function describeBounds({ least, most, above, below, multipleOf }: Bounds): string {
  const lower = least !== undefined ? `of at least ${least}` : above !== undefined ? `above ${above}` : '';
  const upper = most !== undefined ? `at most ${most}` : below !== undefined ? `below ${below}` : '';
  const range =
    least !== undefined && most !== undefined
      ? `from ${least} to ${most}`
      : [lower, upper].filter(Boolean).join(' and ');
  const step = multipleOf === undefined ? '' : `divisible by ${multipleOf}`;
  return [range, step]
    .filter(Boolean)
    .map((text, i) => (i === 0 ? ` ${text}` : `, ${text}`))
    .join('');
}

/** What the field of a node accepts. */
export function kindOf(node: Json): Kind {
  const options = node.anyOf ?? node.oneOf;
  if (options !== undefined) return either(options.map(kindOf));
  if (Array.isArray(node.type)) return either(node.type.map(type => kindOf({ ...node, type })));
  if (node.const !== undefined) return { type: 'choice', values: [node.const] };
  if (node.enum !== undefined) return { type: 'choice', values: node.enum };
  switch (node.type) {
    case 'number':
    case 'integer':
      return { type: 'number', whole: node.type === 'integer', bounds: boundsOf(node) };
    case 'string':
      return { type: 'text', empty: (node.minLength ?? 0) === 0 };
    case 'array': {
      const items = node.prefixItems?.[0] ?? node.items;
      const one: Kind = typeof items === 'object' && !Array.isArray(items) ? kindOf(items) : { type: 'any' };
      return { type: 'list', items: one, least: node.minItems ?? 0, most: node.maxItems ?? Number.POSITIVE_INFINITY };
    }
    case 'null':
      return { type: 'nothing' };
    case 'boolean':
    case 'object':
      return { type: node.type };
    default:
      return { type: 'any' };
  }
}

/** A kind that takes what any of some takes. */
export function either(kinds: readonly Kind[]): Kind {
  const flat = kinds.flatMap(kind => (kind.type === 'either' ? kind.options : [kind]));
  const values = flat.flatMap(kind => (kind.type === 'choice' ? kind.values : []));
  const choice: Kind[] = values.length > 0 ? [{ type: 'choice', values: [...new Set(values)] }] : [];
  const others = flat.filter(kind => kind.type !== 'choice');
  const distinct = others.filter((kind, i) => others.findIndex(k => describeKind(k) === describeKind(kind)) === i);
  const all = [...choice, ...distinct];
  return all.length === 1 ? all[0] : { type: 'either', options: all };
}

function boundsOf(node: Json): Bounds {
  const safe = (bound: number | undefined): number | undefined =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER ? bound : undefined;
  const number = (bound: number | boolean | undefined): number | undefined =>
    typeof bound === 'number' ? bound : undefined;
  return {
    least: safe(node.minimum),
    most: safe(node.maximum),
    above: number(node.exclusiveMinimum),
    below: number(node.exclusiveMaximum),
    multipleOf: node.multipleOf,
  };
}

function join(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`;
}
