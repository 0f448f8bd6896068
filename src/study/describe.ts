/** @file A study in a few lines, before anyone is asked: what it compares, how it is taken, and what it can show. */
import { shellWord } from '../core/shell.ts';
import { smallestShare } from '../metrics/preference/power.ts';
import { countTrials, unitsOf } from './design.ts';
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
    ...powerLines(study, key),
    `${page}: the page, one file for any host; answers come back as files, for \`tessera study collect\``,
    `or have them sent: \`tessera study serve ${shellWord(folder)}\``,
    `${studyPaths(folder).key} says which picture is whose: keep it to yourself`,
  );
  return lines;
}

/** Of how many people the line tells what they can show. */
const PEOPLE = [3, 10, 30];

/**
 * What votes can show before anyone is asked: the smallest share of one system of a pair that is told from a half, with power 0.8 at
 * an error of 5%, if every vote were independent of the others.
 */
function powerLines(study: Study, key: StudyKey): string[] {
  if (study.questions.every(question => question === 'real')) return [];
  const pairs = unitsOf('fits', { systems: key.systems.length }).length;
  const ofPerson = countTrials(study).votes / study.questions.length / pairs;
  const shares = PEOPLE.map(people => {
    const votes = Math.floor(people * ofPerson);
    const share = smallestShare(votes);
    const shown = share === null ? 'nothing' : `a share of ${(Math.ceil(share * 100) / 100).toFixed(2)} or more`;
    return `${people} people (${votes} votes): ${shown}`;
  });
  const which = pairs === 1 ? 'of the pair' : `of each of ${pairs} pairs`;
  return [`what can be shown ${which} under one question: ${shares.join('; ')}`];
}
