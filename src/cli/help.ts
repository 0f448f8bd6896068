/** @file What `--help` prints, from the same schemas that parse the flags. Plain text, wrapped to the terminal's width. */

import { describeBounds, type Kind } from '../config/kinds.ts';
import { kebab } from '../config/schema.ts';
import { type CommandSpec, type Flag, fieldsOfCommand, flagTable } from './flag-table.ts';

/** `columns`: the width to wrap to. `program`: the word that starts every command. */
export interface HelpOptions {
  readonly columns?: number;
  readonly program?: string;
}

/** Defaults other than those of the schemas. */
export interface HelpDefaults {
  /** Whose they are, in a line. */
  readonly note: string;
  /** By the path of a field, e.g. `train.lr`; fields that are not there keep their own. */
  readonly values: Readonly<Record<string, unknown>>;
  /** What is said in the place of a default that nobody knows yet, by the path of its field. */
  readonly open?: Readonly<Record<string, string>>;
}

/** Which flags of a command are shown: all, or only those that its spec calls basic, if it does. */
export interface CommandHelpOptions extends HelpOptions {
  readonly all?: boolean;
  readonly defaults?: HelpDefaults;
}

/** A part of the help: rows below a heading. */
interface Section {
  readonly heading: string;
  readonly rows: readonly Row[];
}

/** Help for one command: usage, a table of flags by group, the fields of its result, examples. */
export function formatHelp(spec: CommandSpec, options: CommandHelpOptions = {}): string {
  const { columns = 80, program = 'tessera', all = false, defaults } = options;
  const { flags } = flagTable(spec);
  const called = `${program} ${spec.name}`;
  const isShort = spec.basic !== undefined && !all;
  const rowOf = (flag: Flag) => flagRow(flag, { defaults, isShort });
  const shown = isShort ? basicSections(spec, rowOf) : allSections(spec, rowOf);
  const words = (spec.positionals ?? []).map(({ name, description, optional }) => ({
    left: name,
    right: optional ? `${description} (optional)` : description,
  }));
  const result: Section[] =
    spec.result === undefined || isShort
      ? []
      : [
          {
            heading: '--json prints an object of:',
            rows: Object.entries(spec.result).map(([left, right]) => ({ left, right })),
          },
        ];
  const tables = [{ heading: '', rows: words }, ...shown, ...result].filter(({ rows }) => rows.length > 0);
  const lefts = tables.flatMap(({ rows }) => rows.map(({ left }) => left.length)).filter(length => length <= 28);
  const indent = Math.min(32, 4 + Math.max(...lefts));

  const sections: string[] = [
    wrap(`${called}: ${spec.summary}`, columns, 0),
    wrap(`usage: ${called} ${spec.usage ?? defaultUsage(spec)}`.trimEnd(), columns, 4),
    ...(defaults === undefined ? [] : [wrap(defaults.note, columns, 0)]),
    ...tables.map(({ heading, rows }) =>
      [...(heading === '' ? [] : [wrap(heading, columns, 0)]), table(rows, indent, columns)].join('\n'),
    ),
  ];
  if (isShort) sections.push(`all ${flags.length} flags: ${called} --help --all`);
  if (spec.examples.length > 0) {
    sections.push(`examples:\n${spec.examples.map(example => `  ${example}`).join('\n')}`);
  }
  return `${sections.join('\n\n')}\n`;
}

const HELP: Row = { left: '-h, --help', right: 'show this' };

/** Every flag, by the group that its field is in. */
function allSections(spec: CommandSpec, rowOf: (flag: Flag) => Row): Section[] {
  const { flags } = flagTable(spec);
  const inGroup = (path: readonly string[]) =>
    flags.filter(({ field }) => field.path.slice(0, -1).join('.') === path.join('.')).map(rowOf);
  const groups = fieldsOfCommand(spec).groups.map(({ path, description }) => {
    const title = path.map(kebab).join('.');
    return { heading: description === '' ? `${title}:` : `${title}: ${description}`, rows: inGroup(path) };
  });
  return [{ heading: 'flags:', rows: [...inGroup([]), HELP] }, ...groups];
}

/** The flags that are most needed, and those of every command. */
function basicSections(spec: CommandSpec, rowOf: (flag: Flag) => Row): Section[] {
  const { flags } = flagTable(spec);
  const byPath = new Map(flags.map(flag => [flag.field.path.join('.'), flag]));
  const sections = Object.entries(spec.basic ?? {}).map(([title, paths]) => ({
    heading: `${title}:`,
    rows: paths.flatMap(path => byPath.get(path) ?? []).map(rowOf),
  }));
  const own = flags.filter(({ field }) => field.path[0] in (spec.output?.shape ?? {}));
  return [...sections, { heading: 'output:', rows: [...own.map(rowOf), HELP] }];
}

/** Help for the whole program: one line a command. */
export function formatCommands(
  specs: readonly Pick<CommandSpec, 'name' | 'summary'>[],
  { columns = 80, program = 'tessera', about = '' }: HelpOptions & { readonly about?: string } = {},
): string {
  const rows = specs.map(({ name, summary }) => ({ left: name, right: summary }));
  const indent = 4 + Math.max(...rows.map(({ left }) => left.length));
  return `${[
    about === '' ? '' : wrap(`${program}: ${about}`, columns, 0),
    `usage: ${program} <command> [flags]`,
    table(rows, indent, columns),
    `\`${program} help <command>\`, or \`${program} <command> --help\`, shows a command's flags.`,
  ]
    .filter(section => section !== '')
    .join('\n\n')}\n`;
}

interface Row {
  readonly left: string;
  readonly right: string;
}

/**
 * @param options.defaults in the place of the field's own; @param options.isShort without bounds, and with one name
 * where there are several
 */
function flagRow(
  flag: Flag,
  { defaults, isShort = false }: { readonly defaults?: HelpDefaults; readonly isShort?: boolean },
): Row {
  const path = flag.field.path.join('.');
  const { values = {}, open = {} } = defaults ?? {};
  const field = path in values ? { ...flag.field, default: values[path] } : flag.field;
  const names = [flag.name, ...flag.aliases.filter(alias => alias.length > 1 && alias !== flag.name)];
  const [name, ...others] = isShort ? [names[names.length - 1]] : names;
  const short = flag.aliases.filter(alias => alias.length === 1).map(alias => `-${alias}, `);
  const long = others.map(alias => `, --${alias}`);
  const canTurnOff = field.kind.type === 'boolean' && field.default === true;
  const notes = [
    field.kind.type === 'number' && !isShort ? describeBounds(field.kind.bounds).trim().replace(/^of /, '') : '',
    field.required ? 'required' : '',
    open[path] ?? (canTurnOff ? 'on by default' : describeDefault(field.default)),
  ].filter(note => note !== '');
  return {
    left: `${short.join('')}--${canTurnOff ? '[no-]' : ''}${name}${long.join('')}${flagValue(flag)}`,
    right: `${field.description}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`.trim(),
  };
}

/** ` <integer>`, or the schema's title (`.meta({ title: 'folder' })`); nothing after a boolean. */
function flagValue({ field }: Flag): string {
  if (field.kind.type === 'boolean') return '';
  return ` ${field.title === undefined ? placeholder(field.kind) : `<${field.title}>`}`;
}

function describeDefault(value: unknown): string {
  if (value === undefined || value === false || value === null || String(value) === '') return '';
  return `default ${Array.isArray(value) ? value.join(',') : typeof value === 'object' ? JSON.stringify(value) : value}`;
}

function placeholder(kind: Kind): string {
  switch (kind.type) {
    case 'number':
      return kind.whole ? '<integer>' : '<number>';
    case 'choice':
      return `<${kind.values.join('|')}>`;
    case 'list':
      return `<${placeholder(kind.items).slice(1, -1)},...>`;
    case 'either':
      return `<${kind.options.map(option => placeholder(option).slice(1, -1)).join('|')}>`;
    case 'nothing':
      return '<none>';
    case 'boolean':
      return '<true|false>';
    case 'text':
    case 'any':
    case 'object':
      return '<text>';
    default:
      return kind satisfies never;
  }
}

function defaultUsage(spec: CommandSpec): string {
  const words = (spec.positionals ?? []).map(({ name, optional, many }) => {
    const shown = many ? `${name}...` : name;
    return optional ? `[${shown}]` : shown;
  });
  const required = flagTable(spec).flags.filter(({ field }) => field.required);
  return [...words, ...required.map(flag => `--${flag.name}${flagValue(flag)}`), '[flags]'].join(' ');
}

/** A flag with more choices than a line holds goes on in the next one, further in. */
function folded(line: string, columns: number): string {
  if (line.length <= columns) return line;
  const cut = line.lastIndexOf('|', columns - 1) + 1;
  return cut === 0 ? line : `${line.slice(0, cut)}\n${folded(`      ${line.slice(cut)}`, columns)}`;
}

function table(rows: readonly Row[], indent: number, columns: number): string {
  return rows
    .map(({ left, right }) => {
      const body = wrap(right, columns, indent);
      const fits = left.length + 4 <= indent;
      const head = folded(`  ${left}`, columns);
      if (body === '') return head;
      return fits ? `  ${left}`.padEnd(indent) + body : `${head}\n${' '.repeat(indent)}${body}`;
    })
    .join('\n');
}

/** Wraps at spaces; lines after the first are indented. */
function wrap(text: string, columns: number, indent: number): string {
  const room = Math.max(20, columns - indent);
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines[lines.length - 1];
    if (line !== '' && line.length + 1 + word.length > room) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}
