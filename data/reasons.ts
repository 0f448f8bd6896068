/**
 * @file Problems for people to read: a few one by one, many of them grouped by their reason, with counts and a few names. Two
 * reasons are the same if they differ in names and numbers alone.
 */

import { UserError } from '../src/core/errors.ts';
import type { Problem } from './dataset.ts';
import { withoutExtension } from './files.ts';

/** What is compared of a reason, in characters. */
const LONGEST = 400;
/** Names that stand for a group. */
const EXAMPLES = 3;

/**
 * One line for each problem if there are at most `most`, else one for each reason, the most frequent first.
 * @param most lines, besides one that counts the rest
 */
export function problemLines(problems: readonly Problem[], most: number): string[] {
  if (problems.length <= most) return problems.map(({ id, what }) => `  ${id}: ${what}`);
  const groups = groupsOf(problems);
  const lines = groups.slice(0, most).map(group => `  ${lineOf(group)}`);
  const rest = groups.slice(most).flat().length;
  return rest === 0 ? lines : [...lines, `  ... and ${rest} for other reasons`];
}

/**
 * What `strict` asks of data.
 * @param path of the data, for the message
 * @throws UserError naming the first problem
 */
export function expectNoProblem(path: string, problems: readonly Problem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new UserError(path, `${first.id}: ${first.what}${more}`, 'mend or remove it, or leave out --strict to skip it');
}

function groupsOf(problems: readonly Problem[]): (readonly [Problem, ...Problem[]])[] {
  const groups = new Map<string, [Problem, ...Problem[]]>();
  for (const problem of problems) {
    const reason = reasonOf(problem);
    const there = groups.get(reason);
    if (there === undefined) groups.set(reason, [problem]);
    else there.push(problem);
  }
  return [...groups.values()].sort((a, b) => b.length - a.length);
}

/** Some names of a group, how many more there are, and what is said of the first. */
function lineOf(group: readonly [Problem, ...Problem[]]): string {
  const names = group.slice(0, EXAMPLES).map(({ id }) => id);
  const more = group.length > names.length ? ` and ${group.length - names.length} more` : '';
  return `${names.join(', ')}${more}: ${group[0].what}`;
}

/** What is said of a file, without what differs from file to file: names, numbers, and what stands in parentheses. */
function reasonOf({ id, what }: Problem): string {
  const name = id.slice(id.lastIndexOf('/') + 1);
  const own = [id, withoutExtension(id), name, withoutExtension(name)].filter(({ length }) => length > 3);
  const general = own.reduce((text, each) => text.replaceAll(each, '…'), what.slice(0, LONGEST));
  return general
    .replace(/\s*\([^()]*\)/g, '')
    .replace(/(?<![^\s"'`])[^\s"'`:,;]*[^\s"'`:,;.][./][^\s"'`:,;]*[^\s"'`:,;.]/g, '…')
    .replace(/\d[\d,.]*/g, '…');
}
