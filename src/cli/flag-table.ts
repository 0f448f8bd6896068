/**
 * @file The flags that a command has, from its zod schemas, and the names they go by. The flag of `model.width` is
 * `--model.width`, or `--width` where no other field ends so that was there before it or came with it.
 */
import type { z } from 'zod';
import type { Kind } from '../config/kinds.ts';
import { didYouMean, type Field, type Fields, fieldsOf, kebab, nearest } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import type { ResultFields } from './output-flags.ts';
import { synonymOf } from './synonyms.ts';

/** The words of one command: fields are camelCase and carry `.describe()`; `aliases` maps `n` or `lr` to a field's path. */
export interface CommandSpec<S extends z.ZodObject = z.ZodObject> {
  /** One word, or two: `train`, `data inspect`. */
  readonly name: string;
  readonly summary: string;
  /** What follows `tessera <name>` in the usage line; made from the positionals when absent. */
  readonly usage?: string;
  readonly examples: readonly string[];
  readonly flags: S;
  /** Fields of a config that can be set by flag too; what is not given has its default elsewhere. */
  readonly settings?: z.ZodObject;
  /** Flags that say how it speaks, see output-flags.ts. */
  readonly output?: z.ZodObject;
  /** The fields of what it prints with `--json`. */
  readonly result?: ResultFields;
  readonly aliases?: Readonly<Record<string, string>>;
  /** The fields that its help shows, by title, unless all are asked for: of a command with more than a screen of them. */
  readonly basic?: Readonly<Record<string, readonly string[]>>;
  readonly positionals?: readonly Positional[];
}

/** A word without a flag, by its place. Optional ones come last. */
export interface Positional {
  readonly name: string;
  readonly description: string;
  /** What it is for a shell that completes it; default: any word. */
  readonly title?: 'folder' | 'file' | 'path';
  /** All that it may be. */
  readonly choices?: readonly string[];
  readonly optional?: boolean;
  /** Only for the last: may be given more than once. */
  readonly many?: boolean;
}

/** A flag and every name it goes by. */
export interface Flag {
  readonly field: Field;
  /** The name shown: the shortest unambiguous one, without its dashes. */
  readonly name: string;
  readonly aliases: readonly string[];
}

/** Every flag of a command, and the look-up by the name a user types. */
export function flagTable(command: CommandSpec): {
  readonly flags: readonly Flag[];
  readonly find: (typed: string) => { readonly flag: Flag; readonly negated: boolean };
} {
  const { fields } = fieldsOfCommand(command);
  const leaves = leavesOf(fields);
  const flags = fields.map((field): Flag => {
    const leaf = kebab(field.path[field.path.length - 1]);
    const dotted = field.path.map(kebab).join('.');
    const aliases = Object.entries(command.aliases ?? {})
      .filter(([, target]) => target === field.path.join('.'))
      .map(([alias]) => alias);
    const owners = leaves.get(leaf) ?? [];
    return { field, name: owners.length === 1 && owners[0] === field ? leaf : dotted, aliases };
  });
  const byName = new Map<string, Flag>();
  for (const flag of flags) {
    for (const name of [flag.name, flag.field.path.map(kebab).join('.'), ...flag.aliases]) byName.set(name, flag);
  }
  return { flags, find };

  function find(typed: string): { flag: Flag; negated: boolean } {
    const name = typed.split('.').map(kebab).join('.');
    const flag = byName.get(name);
    if (flag !== undefined) return { flag, negated: false };
    const positive = byName.get(name.replace(/(^|\.)no-/, '$1'));
    if (positive !== undefined && takesBoolean(positive.field.kind)) return { flag: positive, negated: true };
    const owners = leaves.get(name) ?? [];
    if (owners.length > 1) {
      const full = owners.map(({ path }) => `--${path.map(kebab).join('.')}`);
      throw new UserError(
        `${command.name}: --${name}`,
        `expected one of ${full.join(', ')}, got --${name}, which may be any of them`,
      );
    }
    const dashes = typed.length === 1 ? '-' : '--';
    const negatives = [...byName].filter(([, { field }]) => takesBoolean(field.kind)).map(([known]) => `no-${known}`);
    const names = [...byName.keys(), ...negatives, 'help'].filter(known => known.length > 1);
    const dashed = name.replaceAll('_', '-');
    const known = new Set(names);
    const suggestion = known.has(dashed) ? dashed : (synonymOf(dashed, known) ?? nearest(dashed, names));
    throw new UserError(
      command.name,
      `unknown flag ${dashes}${typed}${didYouMean(suggestion && `--${suggestion}`)}`,
      suggestion ? undefined : `\`tessera ${command.name} --help\` lists the flags`,
    );
  }
}

/**
 * The fields that a short name may mean: those that end so, but of several only those that were there first. What is added
 * later so takes no name away, and makes none ambiguous.
 */
function leavesOf(fields: readonly Field[]): ReadonlyMap<string, readonly Field[]> {
  const leaves = new Map<string, Field[]>();
  for (const field of [...fields].sort((a, b) => (a.added ?? 0) - (b.added ?? 0))) {
    const leaf = kebab(field.path[field.path.length - 1]);
    const owners = leaves.get(leaf) ?? [];
    if (owners.length === 0 || owners[0].added === field.added) leaves.set(leaf, [...owners, field]);
  }
  return leaves;
}

/** The fields of a command's flags and settings, and the groups that help lists them in. */
export function fieldsOfCommand({ flags, settings, output }: CommandSpec): Fields {
  const all = [flags, settings, output].flatMap(schema => (schema === undefined ? [] : fieldsOf(schema)));
  return { fields: all.flatMap(({ fields }) => fields), groups: all.flatMap(({ groups }) => groups) };
}

/** Whether a flag may stand alone, or be negated. */
export function takesBoolean(kind: Kind): boolean {
  return kind.type === 'boolean' || (kind.type === 'either' && kind.options.some(takesBoolean));
}
