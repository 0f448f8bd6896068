/** @file Completion for bash, 3.2 and later: a function that reads the words before the cursor, and tables of the commands. */
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
export function bashCompletion(completed: Completed): string[] {
  const { programs, commands } = completed;
  const name = functionOf(programs);
  return [
    `# Completion of ${programs.join(' and ')} for bash. In ~/.bashrc: source <(${programs[0]} completion bash)`,
    `${name}() {`,
    "  local IFS=$'\\n' cur=${COMP_WORDS[COMP_CWORD]} command= flag= value= list= i n",
    '  local -a before=()',
    '  for ((i = 1; i < COMP_CWORD; i++)); do before+=("${COMP_WORDS[i]}"); done',
    '  if [[ $cur == = ]]; then before+=("="); cur=; fi # bash takes --flag=value apart',
    '  n=${#before[@]}',
    '  if [[ ${before[0]} == help ]]; then before=("${before[@]:1}"); n=$((n - 1)); fi',
    '  case "${before[0]} ${before[1]}" in',
    `    ${commands.filter(isNested).map(nameOf).join('|') || "''"}) command="\${before[0]} \${before[1]}" ;;`,
    '  esac',
    '  if [[ ! $command ]]; then',
    '    case "${before[0]}" in',
    `      ${
      commands
        .filter(command => !isNested(command))
        .map(nameOf)
        .join('|') || "''"
    }) command=\${before[0]} ;;`,
    ...[...secondWords(completed)].map(
      ([first, nested]) => `      ${quoted(first)}) list=${words(nested.map(({ name }) => name.split(' ')[1]))} ;;`,
    ),
    `      '') list=${words([...firstWords(completed), 'help', '--help', '--version'])} ;;`,
    '    esac',
    '  fi',
    '  if [[ ! $command ]]; then',
    '    COMPREPLY=($(compgen -W "$list" -- "$cur"))',
    '    return',
    '  fi',
    '  if ((n >= 2)) && [[ ${before[n - 1]} == = ]]; then flag=${before[n - 2]}',
    '  elif [[ ${before[n - 1]} == -* ]]; then flag=${before[n - 1]}; fi',
    '  case "$command $flag" in',
    ...commands.flatMap(valuesOf),
    '  esac',
    '  if [[ ! $value ]]; then',
    '    if [[ $cur == -* ]]; then value=flags; else value=word; fi',
    '    case "$command $value" in',
    ...commands.flatMap(wordsOf),
    '    esac',
    '  fi',
    '  case "$value" in',
    '    choices) COMPREPLY=($(compgen -W "$list" -- "$cur")) ;;',
    '    list)',
    '      i=; if [[ $cur == *,* ]]; then i=${cur%,*},; fi',
    '      COMPREPLY=($(compgen -P "$i" -W "$list" -- "${cur##*,}")) ;;',
    '    folder) COMPREPLY=($(compgen -d -- "$cur")); compopt -o filenames 2>/dev/null ;;',
    '    file) COMPREPLY=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null ;;',
    '    *) COMPREPLY=() ;;',
    '  esac',
    '}',
    `complete -F ${name} ${programs.join(' ')}`,
  ];
}

function isNested({ name }: CompletedCommand): boolean {
  return name.includes(' ');
}

function nameOf({ name }: CompletedCommand): string {
  return quoted(name);
}

/** Words as one text, each on a line, without a raw line feed. */
function words(list: readonly string[]): string {
  return `$'${list.map(word => word.replaceAll(/['\\]/g, sign => `\\${sign}`)).join('\\n')}'`;
}

/** What stands behind each flag that takes something. */
function valuesOf({ name, flags }: CompletedCommand): string[] {
  return flags.flatMap(({ names, value }) => {
    if (value === undefined) return [];
    const patterns = names.map(flag => quoted(`${name} ${flag}`)).join('|');
    return [`    ${patterns}) ${assignments(value)} ;;`];
  });
}

/** What stands where no value is expected. */
function wordsOf({ name, flags, positional }: CompletedCommand): string[] {
  const offered = `value=choices list=${words(flags.flatMap(offeredNames))}`;
  return [
    `      ${quoted(`${name} flags`)}) ${offered} ;;`,
    `      ${quoted(`${name} word`)}) ${positional === undefined ? offered : assignments(positional)} ;;`,
  ];
}

function assignments(value: CompletedValue): string {
  if (value.kind !== 'choices') return `value=${value.kind}`;
  return `value=${value.many ? 'list' : 'choices'} list=${words(value.choices)}`;
}
