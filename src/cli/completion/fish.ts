/** @file Completion for fish 3 and later: a line for each command and flag, with what it means. */
import {
  type Completed,
  type CompletedCommand,
  type CompletedFlag,
  type CompletedValue,
  firstWords,
  functionOf,
  offeredNames,
  secondWords,
} from './completed.ts';

/** The script, line by line. */
export function fishCompletion(completed: Completed): string[] {
  const { programs, commands } = completed;
  const name = `_${functionOf(programs)}`;
  const complete = programs.map(program => `complete -c ${program}`);
  const each = (rest: string) => complete.map(start => `${start} ${rest}`);
  const summaries = new Map(commands.map(({ name, summary }) => [name, summary]));
  const after = (words: string, exactly: boolean) =>
    `-n ${word(`${name}_after ${exactly ? '=' : '+'} ${words}`.trim())}`;
  return [
    `# Completion of ${programs.join(' and ')} for fish. In ~/.config/fish/config.fish: ${programs[0]} completion fish | source`,
    '# Whether the words before the cursor begin with some words, or (=) are these.',
    `function ${name}_after`,
    '  set -l before (commandline -opc)',
    '  set -e before[1]',
    '  if test "$before[1]" = help; set -e before[1]; end',
    '  set -l asked $argv[2..-1]',
    '  test (count $before) -ge (count $asked); or return 1',
    '  if test $argv[1] = =; and test (count $before) -ne (count $asked); return 1; end',
    '  for i in (seq (count $asked)); test "$before[$i]" = "$asked[$i]"; or return 1; end',
    'end',
    '# Choices behind those that stand there, separated by commas.',
    `function ${name}_list`,
    "  set -l typed (string match -r '^(?:--[^=]*=)?(.*,)?' -- (commandline -ct))[2]",
    '  for choice in $argv; echo $typed$choice; end',
    'end',
    ...each('-f'),
    ...firstWords(completed).flatMap(first =>
      each(`${after('', true)} -a ${word(first)} -d ${word(summaries.get(first) ?? '')}`),
    ),
    ...each(`${after('', true)} -a help -d ${word('show the help of a command')}`),
    ...each(`${after('', true)} -l version -s v -d ${word('show the version')}`),
    ...[...secondWords(completed)].flatMap(([first, nested]) =>
      nested.flatMap(({ name: both, summary }) =>
        each(`${after(first, true)} -a ${word(both.split(' ')[1])} -d ${word(summary)}`),
      ),
    ),
    ...commands.flatMap(command => linesOf(command).flatMap(line => each(`${after(command.name, false)} ${line}`))),
  ];

  function linesOf({ flags, positional }: CompletedCommand): string[] {
    const own = flags.map(flag =>
      `${namesOf(flag)} ${taking(flag.value)} -d ${word(flag.description)}`.replace(/ {2,}/g, ' '),
    );
    return positional === undefined || positional.kind === 'any' ? own : [...own, words(positional)];
  }

  function taking(value: CompletedValue | undefined): string {
    if (value === undefined) return '';
    if (value.kind === 'choices' && value.many)
      return `-x -a ${word(`(${name}_list ${value.choices.map(word).join(' ')})`)}`;
    if (value.kind === 'choices') return `-x -a ${word(value.choices.map(word).join(' '))}`;
    if (value.kind === 'folder') return `-x -a ${word('(__fish_complete_directories (commandline -ct))')}`;
    return value.kind === 'file' ? '-r -F' : '-x';
  }

  function words(value: CompletedValue): string {
    if (value.kind === 'choices') return `-a ${word(value.choices.map(word).join(' '))}`;
    return value.kind === 'folder' ? `-a ${word('(__fish_complete_directories (commandline -ct))')}` : '-F';
  }
}

function namesOf(flag: CompletedFlag): string {
  return offeredNames(flag)
    .map(name => (name.startsWith('--') ? `-l ${word(name.slice(2))}` : `-s ${word(name.slice(1))}`))
    .join(' ');
}

/** Text as a word of fish, which knows two escapes between single quotes. */
function word(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll(/['\\]/g, sign => `\\${sign}`)}'`;
}
