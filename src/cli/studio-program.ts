/** @file The program as the studio starts it: its words, and the form of a training, made of the flags of `train` and of what its help says. */
import { fileURLToPath } from 'node:url';
import { describeBounds, type Kind } from '../config/kinds.ts';
import { kebab } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import type { FormField, FormGroup, Program, TrainingForm } from '../web/studio/program.ts';
import type { Command } from './command.ts';
import { compare } from './commands/compare.ts';
import { studyMake } from './commands/study-make.ts';
import { studyReport } from './commands/study-report.ts';
import { train } from './commands/train.ts';
import { findCommand } from './find-command.ts';
import { type CommandSpec, type Flag, fieldsOfCommand, flagTable, takesBoolean } from './flag-table.ts';
import type { HelpDefaults } from './help.ts';

/** Flags that the page has controls of its own for, or that make no sense there. */
const LEFT_OUT: readonly string[] = ['data', 'out', 'config', 'keepData', 'help', 'json', 'quiet'];

/** What the page may start. */
const started: readonly Command[] = [train, compare, studyMake, studyReport];

export function studioProgram(): Program {
  const own = fileURLToPath(import.meta.url);
  const file = own.replace(/cli[\\/]studio-program(\.\w+)$/, 'cli$1');
  return {
    // The sources run by tsx, whatever runs them now.
    words: [process.execPath, ...(own.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : []), file],
    form: async ({ preset = '', family = '' }) => {
      const flags = [...(preset === '' ? [] : [`--preset=${preset}`]), ...(family === '' ? [] : [`--model=${family}`])];
      const asked = await train.prepare([...flags, '--help']);
      if (!asked.help) throw new Error('studio: expected help');
      return formOf(await train.spec(), asked.defaults);
    },
    trainingFlags: async values => flagsOf(await train.spec(), values),
    check: async argv => {
      const { command, rest } = findCommand('tessera', started, argv);
      await command.prepare(rest);
    },
  };
}

function formOf(spec: CommandSpec, defaults: HelpDefaults | undefined): TrainingForm {
  const flags = fieldFlags(spec);
  const fieldOf = (flag: Flag) => formField(flag, defaults);
  const byPath = new Map(flags.map(flag => [pathOf(flag), flag]));
  const basic = Object.entries(spec.basic ?? {}).map(([title, paths]) => ({
    title,
    fields: paths.flatMap(path => byPath.get(path) ?? []).map(fieldOf),
  }));
  const inGroup = (path: string) =>
    flags.filter(({ field }) => field.path.slice(0, -1).join('.') === path).map(fieldOf);
  const all = [
    { title: 'run', fields: inGroup('') },
    ...fieldsOfCommand(spec).groups.map(({ path, description }) => ({
      title: `${path.map(kebab).join('.')}${description === '' ? '' : `: ${description}`}`,
      fields: inGroup(path.join('.')),
    })),
  ];
  const filled = (groups: readonly FormGroup[]) => groups.filter(({ fields }) => fields.length > 0);
  return { note: defaults?.note ?? '', basic: filled(basic), all: filled(all) };
}

function fieldFlags(spec: CommandSpec): Flag[] {
  return flagTable(spec).flags.filter(flag => !LEFT_OUT.includes(pathOf(flag)));
}

function pathOf({ field }: Flag): string {
  return field.path.join('.');
}

/** A flag as a field; where it has no default, what help says in its place. */
function formField(flag: Flag, defaults: HelpDefaults | undefined): FormField {
  const { field, name, aliases } = flag;
  const path = pathOf(flag);
  const { kind, description, default: own } = field;
  const { values = {}, open = {} } = defaults ?? {};
  const otherwise = open[path] ?? textOf(path in values ? values[path] : own);
  const short = aliases.find(alias => alias.length > 1) ?? name;
  return { path, name: short, description, ...controlOf(kind), otherwise };
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return Array.isArray(value) ? value.join(',') : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** What a value is typed into, and what it takes. */
function controlOf(kind: Kind): Pick<FormField, 'kind' | 'choices' | 'takes'> {
  switch (kind.type) {
    case 'number':
      return { kind: 'number', takes: `${kind.whole ? 'integer' : 'number'}${describeBounds(kind.bounds)}` };
    case 'boolean':
      return { kind: 'boolean', takes: 'yes or no' };
    case 'choice':
      return { kind: 'choice', choices: kind.values.map(String), takes: 'one of these' };
    case 'list':
      return { kind: 'text', takes: `${controlOf(kind.items).takes}, several with commas` };
    case 'either':
      return { kind: 'text', takes: kind.options.map(option => controlOf(option).takes).join(', or ') };
    default:
      return { kind: 'text', takes: 'text' };
  }
}

function flagsOf(spec: CommandSpec, values: Readonly<Record<string, string>>): string[] {
  const flags = new Map(fieldFlags(spec).map(flag => [pathOf(flag), flag]));
  return Object.entries(values).flatMap(([path, text]) => {
    const flag = flags.get(path);
    if (flag === undefined) throw new UserError('train', `expected a field of the form, got ${JSON.stringify(path)}`);
    if (text.trim() === '') return [];
    const name = `--${flag.field.path.map(kebab).join('.')}`;
    return takesBoolean(flag.field.kind) && text === 'true' ? [name] : [`${name}=${text.trim()}`];
  });
}
