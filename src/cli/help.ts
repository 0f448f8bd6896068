/** @file What `--help` prints, from the same schemas that parse the flags. Plain text, wrapped to the terminal's width. */

import { describeBounds, type Kind } from '../config/kinds.ts';
import { kebab } from '../config/schema.ts';
import { type CommandSpec, type Flag, fieldsOfCommand, flagTable } from './flag-table.ts';

/** `columns`: the width to wrap to. `program`: the word that starts every command. */
export interface HelpOptions {
  readonly columns?: number;
  readonly program?: string;
}

/** Help for one command: usage, a table of flags by group, examples. */
export function formatHelp(spec: CommandSpec, { columns = 80, program = 'tessera' }: HelpOptions = {}): string {
  const { flags } = flagTable(spec);
  const { groups } = fieldsOfCommand(spec);
  const help: Row = { left: '-h, --help', right: 'show this' };
  const indent = Math.min(
    32,
    4 + Math.max(...[help, ...flags.map(flagRow)].map(row => row.left.length).filter(n => n <= 28)),
  );
  const inGroup = (path: readonly string[]): readonly Flag[] =>
    flags.filter(({ field }) => field.path.slice(0, -1).join('.') === path.join('.'));

  const sections: string[] = [
    wrap(`${program} ${spec.name}: ${spec.summary}`, columns, 0),
    wrap(`usage: ${program} ${spec.name} ${spec.usage ?? defaultUsage(spec)}`.trimEnd(), columns, 4),
  ];
  if ((spec.positionals ?? []).length > 0) {
    const rows = (spec.positionals ?? []).map(({ name, description, optional }) => ({
      left: name,
      right: optional ? `${description} (optional)` : description,
    }));
    sections.push(table(rows, indent, columns));
  }
  sections.push(`flags:\n${table([...inGroup([]).map(flagRow), help], indent, columns)}`);
  for (const group of groups) {
    const rows = inGroup(group.path).map(flagRow);
    if (rows.length === 0) continue;
    const title = group.path.map(kebab).join('.');
    const heading = group.description === '' ? `${title}:` : wrap(`${title}: ${group.description}`, columns, 0);
    sections.push(`${heading}\n${table(rows, indent, columns)}`);
  }
  if (spec.result !== undefined) {
    const rows = Object.entries(spec.result).map(([left, right]) => ({ left, right }));
    sections.push(`--json prints an object of:\n${table(rows, indent, columns)}`);
  }
  if (spec.examples.length > 0) {
    sections.push(`examples:\n${spec.examples.map(example => `  ${example}`).join('\n')}`);
  }
  return `${sections.join('\n\n')}\n`;
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
    `\`${program} <command> --help\` shows a command's flags.`,
  ]
    .filter(section => section !== '')
    .join('\n\n')}\n`;
}

interface Row {
  readonly left: string;
  readonly right: string;
}

function flagRow(flag: Flag): Row {
  const { field, name, aliases } = flag;
  const short = aliases.filter(alias => alias.length === 1).map(alias => `-${alias}, `);
  const long = aliases.filter(alias => alias.length > 1).map(alias => `, --${alias}`);
  const canTurnOff = field.kind.type === 'boolean' && field.default === true;
  const notes = [
    field.kind.type === 'number' ? describeBounds(field.kind.bounds).trim().replace(/^of /, '') : '',
    field.required ? 'required' : '',
    canTurnOff ? 'on by default' : describeDefault(field.default),
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

function table(rows: readonly Row[], indent: number, columns: number): string {
  return rows
    .map(({ left, right }) => {
      const body = wrap(right, columns, indent);
      const fits = left.length + 4 <= indent;
      if (body === '') return `  ${left}`;
      return fits ? `  ${left}`.padEnd(indent) + body : `  ${left}\n${' '.repeat(indent)}${body}`;
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
