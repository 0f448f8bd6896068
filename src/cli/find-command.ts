/** @file Which command the first words name. */
import { didYouMean, nearest, show } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';

/**
 * Finds the command that argv begins with; `data inspect` is looked for before `data`.
 * @returns the command and the words after its name
 * @throws UserError naming the nearest command, or a name that two have
 */
export function findCommand<C extends { readonly name: string }>(
  program: string,
  commands: readonly C[],
  argv: readonly string[],
): { readonly command: C; readonly rest: readonly string[] } {
  const twice = commands.find(({ name }, i) => commands.findIndex(other => other.name === name) < i);
  if (twice !== undefined) throw new UserError(program, `expected commands of different names, got two ${twice.name}`);
  const byLength = [...commands].sort((a, b) => b.name.split(' ').length - a.name.split(' ').length);
  for (const command of byLength) {
    const words = command.name.split(' ');
    if (words.every((word, i) => argv[i] === word)) return { command, rest: argv.slice(words.length) };
  }
  const names = commands.map(({ name }) => name);
  const nested = names.filter(name => name.startsWith(`${argv[0]} `));
  if (nested.length > 0 && (argv[1] === undefined || argv[1].startsWith('-'))) {
    const rest = nested.map(name => name.slice(argv[0].length + 1));
    throw new UserError(`${program} ${argv[0]}`, `expected one of ${rest.join(', ')}, got nothing`);
  }
  const [one, two] = [argv[0] ?? '', argv.slice(0, 2).join(' ')];
  const asked = nested.length > 0 ? two : one;
  const twoWords = names.filter(name => name.includes(' '));
  throw new UserError(
    program,
    `unknown command ${show(asked)}${didYouMean(nearest(asked, names) ?? nearest(two, twoWords))}`,
    `\`${program} --help\` lists the commands`,
  );
}
