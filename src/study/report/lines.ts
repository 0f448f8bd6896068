/** @file A study's results as lines for a terminal. */
import { findingsOf } from './findings.ts';
import type { StudyResults } from './results.ts';
import { beats, counted, nameIn, percent, percentWithin, points, probability } from './wording.ts';

/** Lines of text, none of which is wider than its names and captions make it. */
export function studyLines(results: StudyResults): string[] {
  const findings = findingsOf(results);
  const asks = new Set(results.questions.map(({ ask }) => ask));
  const of = (topic: string) => findings.filter(finding => finding.topic === topic).map(({ text }) => `  ${text}`);
  const others = [...new Set(findings.map(({ topic }) => topic))].filter(topic => !asks.has(topic));
  return [
    ...results.questions.flatMap(question => {
      const { ask, votes, raters, captions } = question;
      const basis = `${counted(votes, 'vote')}, ${counted(raters, 'rater')}, ${counted(captions, 'caption')}`;
      return [`${ask} (${basis})`, ...tableOf(question, results), ...of(ask), ''];
    }),
    ...others.flatMap(topic => [topic, ...of(topic)]),
  ];
}

/** One line a pair, or a system. */
function tableOf(question: StudyResults['questions'][number], { systems }: StudyResults): string[] {
  const { strengths, pairs, singles } = question;
  const rows = [
    ...(strengths?.systems.map(({ system, log, low, high }) => [
      nameIn(systems, system),
      `${points(log)} Elo`,
      low === null || high === null
        ? `beats the average in ${percent(beats(log))}`
        : `beats the average in ${percentWithin({ share: beats(log), low: beats(low), high: beats(high) })}`,
    ]) ?? []),
    ...pairs.map(pair => [
      `${nameIn(systems, pair.a)} : ${nameIn(systems, pair.b)}`,
      `${pair.wins} : ${pair.losses}${pair.ties === 0 ? '' : `, ${counted(pair.ties, 'draw')}`}`,
      `${percentWithin(pair)}, p ${probability(pair.p)}, Holm ${probability(pair.holm)}`,
    ]),
    ...singles.map(single => [
      nameIn(systems, single.system),
      `${single.saidReal} of ${single.votes} taken for real`,
      percentWithin(single),
    ]),
  ];
  const widths = [0, 1].map(column => Math.max(0, ...rows.map(row => row[column].length)));
  return rows.map(([name, what, share]) => `  ${name.padEnd(widths[0])}  ${what.padEnd(widths[1])}  ${share}`);
}
