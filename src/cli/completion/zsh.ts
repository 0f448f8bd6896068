/** @file Completion for zsh, with what each flag means beside it. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the shell's variables
import {
  type Completed,
  type CompletedCommand,
  type CompletedValue,
  firstWords,
  functionOf,
  offeredNames,
  quoted,
  secondWords,
} from './completed.ts';

/** The script, line by line. */
export function zshCompletion(completed: Completed): string[] {
  const { programs, commands } = completed;
  const name = functionOf(programs);
  const summaries = new Map(commands.map(({ name, summary }) => [name, summary]));
  const described = (list: readonly (readonly [word: string, description: string])[]) =>
    list.map(([word, description]) => item(word, description)).join(' ');
  const first = firstWords(completed).map(word => [word, summaries.get(word) ?? ''] as const);
  return [
    `#compdef ${programs.join(' ')}`,
    `# Completion of ${programs.join(' and ')} for zsh. In ~/.zshrc, after compinit: source <(${programs[0]} completion zsh)`,
    `${name}() {`,
    '  local cur=${words[CURRENT]} command= flag= value=',
    '  local -a before list',
    '  before=("${(@)words[2,CURRENT-1]}")',
    '  if [[ ${before[1]} == help ]]; then shift before; fi',
    '  case "${before[1]} ${before[2]}" in',
    `    (${alternatives(commands.filter(isNested))}) command="\${before[1]} \${before[2]}" ;;`,
    '  esac',
    '  if [[ -z $command ]]; then',
    '    case "${before[1]}" in',
    `      (${alternatives(commands.filter(command => !isNested(command)))}) command=\${before[1]} ;;`,
    ...[...secondWords(completed)].map(
      ([word, nested]) =>
        `      (${quoted(word)}) list=(${described(nested.map(({ name, summary }) => [name.split(' ')[1], summary]))}) ;;`,
    ),
    `      ('') list=(${described([...first, ['help', 'show the help of a command'], ['--version', 'show the version']])}) ;;`,
    '    esac',
    '  fi',
    '  if [[ -z $command ]]; then',
    "    (( $#list )) && _describe 'command' list",
    '    return',
    '  fi',
    '  if [[ $cur == --*=* ]]; then',
    '    flag=${cur%%=*}',
    "    compset -P 1 '*='",
    '  elif [[ ${before[-1]} == -* ]]; then',
    '    flag=${before[-1]}',
    '  fi',
    '  case "$command $flag" in',
    ...commands.flatMap(valuesOf),
    '  esac',
    '  if [[ -z $value ]]; then',
    '    if [[ $cur == -* ]]; then value=flags; else value=word; fi',
    '    case "$command $value" in',
    ...commands.flatMap(wordsOf),
    '    esac',
    '  fi',
    '  case "$value" in',
    "    (flags) _describe -o 'flag' list ;;",
    '    (choices) compadd -- "${(@)list}" ;;',
    "    (list) compset -P '*,'; compadd -S '' -- \"${(@)list}\" ;;",
    '    (folder) _files -/ ;;',
    '    (file) _files ;;',
    '  esac',
    '}',
    `compdef ${name} ${programs.join(' ')}`,
  ];
}

function isNested({ name }: CompletedCommand): boolean {
  return name.includes(' ');
}

function alternatives(commands: readonly CompletedCommand[]): string {
  return commands.map(({ name }) => quoted(name)).join('|') || "''";
}

/** A word with its description, as `_describe` takes it. */
function item(word: string, description: string): string {
  const plain = word.replaceAll(':', '\\:');
  return quoted(description === '' ? plain : `${plain}:${description}`);
}

function valuesOf({ name, flags }: CompletedCommand): string[] {
  return flags.flatMap(({ names, value }) => {
    if (value === undefined) return [];
    const patterns = names.map(flag => quoted(`${name} ${flag}`)).join('|');
    return [`    (${patterns}) ${assignments(value)} ;;`];
  });
}

function wordsOf({ name, flags, positional }: CompletedCommand): string[] {
  const items = flags.flatMap(flag => offeredNames(flag).map(word => item(word, flag.description)));
  const offered = `value=flags list=(${items.join(' ')})`;
  return [
    `      (${quoted(`${name} flags`)}) ${offered} ;;`,
    `      (${quoted(`${name} word`)}) ${positional === undefined ? offered : assignments(positional)} ;;`,
  ];
}

function assignments(value: CompletedValue): string {
  if (value.kind !== 'choices') return `value=${value.kind}`;
  return `value=${value.many ? 'list' : 'choices'} list=(${value.choices.map(quoted).join(' ')})`;
}
