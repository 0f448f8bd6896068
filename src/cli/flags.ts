/**
 * @file The words after a command's name: argv to values that its schemas have checked, every mistake to one line. Which
 * flags there are is flag-table.ts; printing help is help.ts; running commands is cli.ts.
 */
import type { z } from 'zod';
import { describeKind, type Kind } from '../config/kinds.ts';
import { didYouMean, explainIssue, kebab, mergeConfig, nearest, show } from '../config/schema.ts';
import { isRecord } from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { type CommandSpec, type Flag, fieldsOfCommand, flagTable, takesBoolean } from './flag-table.ts';
import type { OutputFlags } from './output-flags.ts';

/** Only what the user gave, nested as in the schema. */
export type Given = Readonly<Record<string, unknown>>;

/** Either the user asked for help, or the values are complete. */
export type Parsed<S extends z.ZodObject> =
  | ({ readonly help: true } & AskedHelp)
  | {
      readonly help: false;
      /** The flags, with defaults. */
      readonly values: z.output<S>;
      /** The flags that the user gave. */
      readonly given: Given;
      /** The settings that the user gave. */
      readonly settings: Given;
      /** How the command is to speak. */
      readonly output: Partial<OutputFlags>;
      readonly positionals: readonly string[];
    };

/** Help that was asked for, on `all` flags or those most needed, beside the flags that could be read. */
export interface AskedHelp {
  readonly all: boolean;
  readonly given: Given;
  readonly settings: Given;
}

/**
 * Parses the words after the command's name. A flag given twice counts the last time; a list collects.
 * @throws UserError, one line: unknown or ambiguous flag, missing, malformed or out-of-range value, stray word
 */
export function parseFlags<S extends z.ZodObject>(command: CommandSpec<S>, argv: readonly string[]): Parsed<S> {
  const help = helpAskedFor(argv);
  const table = flagTable(command);
  const { flags } = table;
  const { given, positionals } = readWords(command, table.find, {
    words: help?.words ?? [...argv],
    lenient: help !== undefined,
  });
  const givenOf = (section: Section) => {
    const entries = [...given].filter(([{ field }]) => sectionOf(command, field.path) === section);
    return mergeConfig(...entries.map(([{ field }, { value }]) => nest(field.path, value)));
  };
  const [own, settings, output] = [givenOf('flags'), givenOf('settings'), givenOf('output')];
  if (help !== undefined) return { help: true, all: help.all, given: own, settings };

  checkPositionals(command, positionals);
  const checks = [command.settings?.safeParse(settings), command.output?.safeParse(output)];
  const result = command.flags.safeParse(own);
  if (result.success && checks.every(check => check?.success !== false)) {
    return { help: false, values: result.data, given: own, settings, output, positionals };
  }

  // Wrong values before missing ones: the user typed the former.
  const issues = [result, ...checks].flatMap(check => check?.error?.issues ?? []);
  const typed = issues.find(issue => [...given.keys()].some(flag => startsWith(issue.path, flag.field.path)));
  const asTyped = mergeConfig(...[...given].map(([flag, entry]) => nest(flag.field.path, entry.typed)));
  const { path, problem } = explainIssue(typed ?? issues[0], fieldsOfCommand(command).fields, asTyped);
  const flag = flags.find(({ field }) => startsWith(path, field.path) && path.length === field.path.length);
  const used = flag && given.get(flag);
  const name = used?.as ?? flagName(flag, path);
  const missing = flag !== undefined && used === undefined;
  throw new UserError(
    name === '' ? command.name : `${command.name}: ${name}`,
    problem,
    missing && command.examples.length > 0 ? `for example \`${command.examples[0]}\`` : undefined,
  );
}

/** Whether words ask for help, and what else stands among them. */
function helpAskedFor(argv: readonly string[]): { readonly all: boolean; readonly words: string[] } | undefined {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  const asks = (word: string) => word === '-h' || word === '--help';
  if (!words.some(asks)) return undefined;
  return { all: words.includes('--all'), words: words.filter(word => !asks(word) && word !== '--all') };
}

interface GivenFlag {
  readonly value: unknown;
  /** As it reads in a message. */
  readonly typed: unknown;
  readonly as: string;
}

/**
 * Words to flags and their values, not yet checked.
 * @param options.lenient what cannot be read is passed over
 */
function readWords(
  command: CommandSpec,
  find: Find,
  { words, lenient }: { readonly words: string[]; readonly lenient: boolean },
): { readonly given: ReadonlyMap<Flag, GivenFlag>; readonly positionals: readonly string[] } {
  const given = new Map<Flag, GivenFlag>();
  const positionals: string[] = [];
  let flagsEnded = false;
  while (words.length > 0) {
    const word = words.shift()!;
    if (flagsEnded || !/^-./.test(word) || isNumber(word)) {
      positionals.push(word);
    } else if (word === '--') {
      flagsEnded = true;
    } else {
      try {
        addFlag(command, given, readFlag(word, words, find));
      } catch (error) {
        if (!lenient || !(error instanceof UserError)) throw error;
      }
    }
  }
  return { given, positionals };
}

function addFlag(command: CommandSpec, given: Map<Flag, GivenFlag>, { flag, as, text }: ReadFlag): void {
  const { kind } = flag.field;
  if (text === undefined) {
    throw new UserError(`${command.name}: ${as}`, `expected ${describeKind(kind)}, got nothing`);
  }
  const value = coerce(kind, text);
  const earlier = given.get(flag);
  if (Array.isArray(value) && Array.isArray(earlier?.value)) {
    given.set(flag, { value: [...earlier.value, ...value], typed: `${earlier.typed},${text}`, as });
  } else {
    given.set(flag, { value, typed: Array.isArray(value) ? text : value, as });
  }
}

type Find = ReturnType<typeof flagTable>['find'];

/** A flag as it was typed, and its value; undefined: it stood alone. */
interface ReadFlag {
  readonly flag: Flag;
  readonly as: string;
  readonly text: string | undefined;
}

/** Takes one flag and, where it needs one, its value off the words. */
function readFlag(word: string, words: string[], find: Find): ReadFlag {
  const equals = word.indexOf('=');
  const typed = equals < 0 ? word : word.slice(0, equals);
  const glued = /^-[a-zA-Z]\d/.test(typed); // -n8
  const dashed = glued ? typed.slice(0, 2) : typed;
  const { flag, negated } = find(dashed.replace(/^--?/, ''));
  const as = dashed;
  const inline = glued ? word.slice(2) : equals < 0 ? undefined : word.slice(equals + 1);
  if (negated) return { flag, as, text: inline === undefined || inline === 'true' ? 'false' : 'true' };
  if (inline !== undefined) return { flag, as, text: inline };

  const next = words[0];
  if (takesBoolean(flag.field.kind)) {
    // A boolean takes a following word only if it can mean nothing else.
    const takes = next !== undefined && coerce(flag.field.kind, next) !== next && !isNumber(next);
    return { flag, as, text: takes ? words.shift() : 'true' };
  }
  const isValue = next !== undefined && (isNumber(next) || !/^(--.|-[a-zA-Z](\d|$)|--$)/.test(next));
  return { flag, as, text: isValue ? words.shift() : undefined };
}

/** Text to what the schema expects where it can be read so; otherwise the text itself, for the schema to refuse. */
function coerce(kind: Kind, text: string): unknown {
  switch (kind.type) {
    case 'number':
      return isNumber(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'choice':
      return kind.values.find(value => String(value) === text) ?? text;
    case 'nothing':
      return text === 'none' || text === 'null' ? null : text;
    case 'list':
      return text === '' ? [] : text.split(',').map(item => coerce(kind.items, item.trim()));
    case 'either': {
      const read = kind.options.map(option => coerce(option, text));
      const fitting = read.findIndex(value => value !== text);
      return fitting < 0 ? text : read[fitting];
    }
    case 'text':
    case 'any':
    case 'object':
      return text;
    default:
      return kind satisfies never;
  }
}

function checkPositionals(command: CommandSpec, words: readonly string[]): void {
  const expected = command.positionals ?? [];
  if (words.length > expected.length && expected.at(-1)?.many !== true) {
    const stray = words[expected.length];
    throw new UserError(command.name, `unexpected word ${show(stray)}`, 'put quotes around a value with spaces');
  }
  for (const [i, word] of words.entries()) {
    const { name, choices } = expected[Math.min(i, expected.length - 1)];
    if (choices === undefined || choices.includes(word)) continue;
    const wanted = describeKind({ type: 'choice', values: choices });
    throw new UserError(
      `${command.name}: ${name}`,
      `expected ${wanted}, got ${show(word)}${didYouMean(nearest(word, choices))}`,
    );
  }
  const absent = expected[words.length];
  if (absent !== undefined && !absent.optional) {
    throw new UserError(
      command.name,
      `expected ${absent.name} (${absent.description}), got nothing`,
      command.examples.length > 0 ? `for example \`${command.examples[0]}\`` : undefined,
    );
  }
}

function flagName(flag: Flag | undefined, path: readonly string[]): string {
  if (flag !== undefined) return `--${flag.name}`;
  return path.length > 0 ? `--${path.map(kebab).join('.')}` : '';
}

type Section = 'flags' | 'settings' | 'output';

/** Which schema of a command a path is of; a flag of its own may be called as a section of the settings is. */
function sectionOf({ flags, settings, output }: CommandSpec, path: readonly string[]): Section {
  if (path.length === 1 && path[0] in flags.shape) return 'flags';
  if (settings !== undefined && path[0] in settings.shape) return 'settings';
  return output !== undefined && path[0] in output.shape ? 'output' : 'flags';
}

function nest(path: readonly string[], value: unknown): Readonly<Record<string, unknown>> {
  const nested = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  return isRecord(nested) ? nested : {};
}

function startsWith(path: readonly PropertyKey[], prefix: readonly string[]): boolean {
  return prefix.every((key, i) => path[i] === key);
}

function isNumber(text: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);
}
