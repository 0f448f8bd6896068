/** @file What a shell may complete of the commands: their names, flags and values, from the specs that parse them. Knows no shell. */
import type { Kind } from '../../config/kinds.ts';
import { kebab } from '../../config/schema.ts';
import type { Command } from '../command.ts';
import { type CommandSpec, type Flag, flagTable, takesBoolean } from '../flag-table.ts';

/** What may stand in the place of a value. */
export type CompletedValue =
  | { readonly kind: 'choices'; readonly choices: readonly string[]; readonly many: boolean }
  | { readonly kind: 'folder' | 'file' | 'any' };

export interface CompletedFlag {
  /** With dashes; the first is offered, and so are short ones. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined where the flag stands alone. */
  readonly value: CompletedValue | undefined;
}

export interface CompletedCommand {
  /** One or two words. */
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly CompletedFlag[];
  /** Words without a flag. */
  readonly positional: CompletedValue | undefined;
}

/** All that can be completed. @param programs names that the program is called by */
export interface Completed {
  readonly programs: readonly string[];
  readonly commands: readonly CompletedCommand[];
}

/** Reads the specs of commands. */
export async function completedOf(commands: readonly Command[], programs: readonly string[]): Promise<Completed> {
  return {
    programs,
    commands: await Promise.all(commands.map(async command => completedCommand(await command.spec()))),
  };
}

const HELP: CompletedFlag = { names: ['--help', '-h'], description: 'show help', value: undefined };

function completedCommand(spec: CommandSpec): CompletedCommand {
  const { name, summary, positionals = [], basic } = spec;
  const flags = flagTable(spec).flags.flatMap(completedFlags);
  const all = { names: ['--all'], description: 'with --help: every flag', value: undefined };
  const last = positionals.at(-1);
  const positional = last === undefined ? undefined : positionalValue(last);
  return { name, summary, flags: [...flags, HELP, ...(basic === undefined ? [] : [all])], positional };
}

function positionalValue({ choices, title }: NonNullable<CommandSpec['positionals']>[number]): CompletedValue {
  return choices === undefined
    ? flagValue(title, { type: 'text', empty: true })
    : { kind: 'choices', choices, many: false };
}

/** A flag, or what negates it where it is on by default. */
function completedFlags({ field, name, aliases }: Flag): CompletedFlag[] {
  const long = aliases.filter(alias => alias.length > 1);
  const names = [...new Set([...long.slice(-1), name, ...long, field.path.map(kebab).join('.')])];
  const dashed = [
    ...names.map(long => `--${long}`),
    ...aliases.filter(alias => alias.length === 1).map(alias => `-${alias}`),
  ];
  const { description, title, kind } = field;
  if (kind.type === 'boolean' && field.default === true) {
    return [{ names: names.map(long => `--no-${long}`), description: `not: ${description}`, value: undefined }];
  }
  return [{ names: dashed, description, value: takesBoolean(kind) ? undefined : flagValue(title, kind) }];
}

function flagValue(title: string | undefined, kind: Kind): CompletedValue {
  if (title === 'folder' || title === 'run') return { kind: 'folder' };
  if (title === 'file' || title === 'path') return { kind: 'file' };
  const many = kind.type === 'list';
  const choices = choicesOf(many ? kind.items : kind);
  return choices.length > 0 ? { kind: 'choices', choices, many } : { kind: 'any' };
}

/** The words that a value may be. */
function choicesOf(kind: Kind): string[] {
  if (kind.type === 'choice') return kind.values.map(String);
  return kind.type === 'either' ? kind.options.flatMap(choicesOf) : [];
}

/** First words of commands, each once. */
export function firstWords({ commands }: Completed): string[] {
  return [...new Set(commands.map(({ name }) => name.split(' ')[0]))];
}

/** The second words of commands of two words, by the first. */
export function secondWords({ commands }: Completed): ReadonlyMap<string, readonly CompletedCommand[]> {
  const nested = new Map<string, CompletedCommand[]>();
  for (const command of commands) {
    const [first, second] = command.name.split(' ');
    if (second !== undefined) nested.set(first, [...(nested.get(first) ?? []), command]);
  }
  return nested;
}

/** What of a flag is offered. */
export function offeredNames({ names: [first, ...others] }: CompletedFlag): string[] {
  return [first, ...others.filter(name => !name.startsWith('--'))];
}

/** Text as a word of any of the shells. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The name of a shell function of a program. */
export function functionOf([program]: readonly string[]): string {
  return `_${program.replaceAll(/\W/g, '_')}`;
}
