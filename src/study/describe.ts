/** @file A study in a few lines, before anyone is asked: what it compares, how it is taken, and what it can show. */
import { shellWord } from '../core/shell.ts';
import { countTrials } from './design.ts';
import { type Study, type StudyKey, studyPaths } from './study.ts';

/** @param folder the study's */
export function describeStudy(folder: string, study: Study, key: StudyKey): string[] {
  const { questions, trials, slots, threshold } = study;
  const names = key.systems.map(({ name }) => name);
  const { votes, catches, repeats } = countTrials(study);
  const { page } = studyPaths(folder);
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const lines = [
    `${names.length} systems (${names.join(', ')}), ${study.pictures.length} pictures, questions: ${questions.join(', ')}`,
    `a person has ${trials} trials, about ${count(Math.ceil((trials * 5) / 60), 'minute')}: ${count(votes, 'vote')}, ` +
      `${count(catches, 'control trial')} (${Math.round(threshold * 100)}% must be right) and ${count(repeats, 'repeat')}; ` +
      `${slots.length} sessions differ`,
  ];
  lines.push(
    `${page}: the page, one file for any host; answers come back as files, for \`tessera study collect\``,
    `or have them sent: \`tessera study serve ${shellWord(folder)}\``,
    `${studyPaths(folder).key} says which picture is whose: keep it to yourself`,
  );
  return lines;
}
