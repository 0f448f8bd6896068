/** @file A study in a few lines, before anyone is asked: what it compares, how it is taken, and what it can show. */
import { shellWord } from '../core/shell.ts';
import { countTrials, unitsOf } from './design.ts';
import { type Study, type StudyKey, studyPaths } from './study.ts';

/** @param folder the study's */
export function describeStudy(folder: string, study: Study, key: StudyKey): string[] {
  const { questions, trials, slots, threshold } = study;
  const names = key.systems.map(({ name }) => name);
  const { votes, catches, repeats } = countTrials(study);
  const { page } = studyPaths(folder);
  const lines = [
    `${names.length} systems (${names.join(', ')}), ${study.pictures.length} pictures, questions: ${questions.join(', ')}`,
    `a person has ${trials} trials, about ${Math.ceil((trials * 5) / 60)} minutes: ${votes} votes, ${catches} control trials, of which ` +
      `${Math.round(threshold * 100)}% must be right, ${repeats} repeats; ${slots.length} sessions differ`,
  ];
  lines.push(
    `${page}: the page, one file for any host; answers come back as files, for \`tessera study collect\``,
    `or have them sent: \`tessera study serve ${shellWord(folder)}\``,
    `${studyPaths(folder).key} says which picture is whose: keep it to yourself`,
  );
  return lines;
}

/** Votes of one person on one pair of systems under one question, on average. */
export function votesOfPair(study: Study, key: StudyKey): number | undefined {
  const pairs = study.questions.filter(question => question !== 'real');
  if (pairs.length === 0) return undefined;
  const share = countTrials(study).votes / study.questions.length;
  return share / unitsOf(pairs[0], { systems: key.systems.length }).length;
}
