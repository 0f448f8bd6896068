/** @file What a study says, in sentences that its numbers fill in. */
import { median } from '../../core/numbers.ts';
import { measureOf } from '../../report/measures.ts';
import { formatNumber } from '../../report/numbers.ts';
import { capitalise, joinWords } from '../../report/sentences.ts';
import type { PairResult, QuestionResults, SingleResult, StudyResults } from './results.ts';
import {
  beats,
  counted,
  fromWinner,
  nameFirst,
  nameIn,
  percent,
  percentWithin,
  points,
  probability,
} from './wording.ts';

export interface StudyFinding {
  /** The question, or what the sentence is about. */
  readonly topic: string;
  readonly text: string;
}

/** Fewer raters say little of others: their intervals are too narrow. */
const FEW_RATERS = 5;

/** All sentences, the questions first. */
export function findingsOf(results: StudyResults): StudyFinding[] {
  return [
    ...results.questions.flatMap(question => [
      ...strengthFindings(question, results),
      ...pairFindings(question, results),
      ...singleFindings(question, results),
    ]),
    ...raterFindings(results),
    ...results.questions.flatMap(question => [...powerFindings(question), ...agreementFindings(question)]),
    ...results.questions.flatMap(behaviourFindings),
    ...metricFindings(results),
  ];
}

function strengthFindings({ ask, strengths }: QuestionResults, { systems }: StudyResults): StudyFinding[] {
  if (strengths === null) return [];
  const [first] = strengths.systems;
  const { low, high } = first;
  const within =
    low === null || high === null ? '' : ` [${Math.round(100 * beats(low))}, ${Math.round(100 * beats(high))}]`;
  const rivals = strengths.systems.filter(({ system }) => nameIn(systems, system) === system);
  const order = rivals.map(({ system, log }) => `${system} (${points(log)})`);
  const { p } = strengths.equality;
  const { judged, circular } = strengths.triads;
  const round = circular.map(triad => triad.map(name => nameIn(systems, name)).join(' over '));
  return [
    {
      topic: ask,
      text: `First came ${nameIn(systems, first.system)}, with ${percent(beats(first.log))}${within} of the votes beside an average system.${
        rivals.length > 1 ? ` The order of what was painted, in points of Elo: ${joinWords(order)}.` : ''
      } ${p < 0.05 ? 'That all are equal does not fit the votes' : 'The votes fit with all being equal'} (p ${probability(p)} if every vote were independent).`,
    },
    ...(circular.length === 0
      ? []
      : [
          {
            topic: ask,
            text: `Preferences go round in ${circular.length} of ${counted(judged, 'three')} of systems (by chance one in four): ${joinWords(round)}. One scale does not hold all of what people said.`,
          },
        ]),
  ];
}

function pairFindings({ ask, pairs, strengths }: QuestionResults, { systems }: StudyResults): StudyFinding[] {
  if (pairs.length === 0) return [];
  const name = (system: string) => nameIn(systems, system);
  const sentence = (pair: PairResult) => {
    const found = fromWinner(pair);
    const { votes, raters, captions, holm, preferred } = pair;
    const basis = `${counted(votes, 'vote')} of ${counted(raters, 'rater')} on ${counted(captions, 'caption')}`;
    const what = `${nameFirst(systems, found.winner)} over ${name(found.loser)} in ${percentWithin(found)} of ${basis}`;
    return `${what}${preferred === null ? `; no preference was shown (p ${probability(holm)})` : ` (p ${probability(holm)})`}.`;
  };
  if (strengths === null) {
    const judged = new Set(pairs.flatMap(({ a, b }) => [a, b]));
    const apart = 'Votes do not connect all systems, so that they are on no common scale.';
    const texts = [...pairs.map(sentence), ...(judged.size > 2 ? [apart] : [])];
    return texts.map(text => ({ topic: ask, text }));
  }
  const shown = pairs.filter(({ preferred }) => preferred !== null);
  const list = shown.map(pair => `${name(fromWinner(pair).winner)} over ${name(fromWinner(pair).loser)}`);
  const text =
    shown.length === 0
      ? `Of ${counted(pairs.length, 'pair')}, none was shown to differ.`
      : `Of ${counted(pairs.length, 'pair')}, ${shown.length} ${shown.length === 1 ? 'was' : 'were'} shown to differ: ${joinWords(list)}.`;
  return [{ topic: ask, text }];
}

function singleFindings({ ask, singles }: QuestionResults, { systems }: StudyResults): StudyFinding[] {
  const real = singles.find(({ system }) => nameIn(systems, system) === 'real pictures');
  const sentence = (single: SingleResult) => {
    const taken = `${nameFirst(systems, single.system)}: taken for real in ${percentWithin(single)} of ${counted(single.votes, 'vote')}`;
    const { errors } = single;
    if (errors === null || real === undefined) return `${taken}.`;
    const told = errors.toldApart
      ? 'people can tell them from real pictures'
      : 'that people can tell them from real ones was not shown';
    return `${taken}, real pictures in ${percent(real.share)}; people erred in ${percentWithin(errors)} (one half: nobody can tell), so ${told} (p ${probability(errors.holm)}).`;
  };
  return singles.filter(single => single !== real).map(single => ({ topic: ask, text: sentence(single) }));
}

function raterFindings({ raters, study }: StudyResults): StudyFinding[] {
  const { answered, kept, excluded, unchecked, catches, right } = raters;
  const texts = [
    `${counted(answered, 'person').replace('persons', 'people')} answered; ${
      excluded.length === 0
        ? 'none was left out'
        : `${excluded.length} with less than ${percent(study.threshold)} of control trials right ${excluded.length === 1 ? 'was' : 'were'} left out, as fixed with the study`
    }.${catches === 0 ? '' : ` The others had ${right} of ${catches} right.`}`,
    ...(unchecked === 0 ? [] : [`${unchecked} of those who count answered no control trial.`]),
    ...(kept === 0 ? ['Nobody is counted, so that nothing was shown; what everyone said stands beside.'] : []),
    ...(kept === 1
      ? ['One rater: what is said here is what this person prefers, and of others nothing is known.']
      : []),
    ...(kept > 1 && kept < FEW_RATERS
      ? [
          `${kept} raters are few: intervals of so few are too narrow where people differ (of three raters they held the truth in 90 of 100 simulated studies).`,
        ]
      : []),
  ];
  return texts.map(text => ({ topic: 'Who was counted', text }));
}

function powerFindings({ ask, pairs }: QuestionResults): StudyFinding[] {
  if (pairs.length === 0) return [];
  const votes = Math.round(median(pairs.map(each => each.votes)));
  const could = pairs.map(({ couldShow }) => couldShow ?? 1);
  const worth = pairs.flatMap(each => each.worth ?? []);
  const clustered = pairs.flatMap(({ couldShowClustered }) => couldShowClustered ?? []);
  const none = pairs.every(({ couldShow }) => couldShow === null);
  const alone = none
    ? `${counted(votes, 'vote')} a pair can show no preference`
    : `${counted(votes, 'vote')} a pair show a share of ${formatNumber(median(could), 2)} or more, with power 0.8, if every vote is independent`;
  const asWorth =
    clustered.length === 0 || none
      ? ''
      : `; these are worth ${Math.round(median(worth))}, which show ${formatNumber(median(clustered), 2)}`;
  return [{ topic: 'What could be shown', text: `${ask} ${alone}${asWorth}.` }];
}

function agreementFindings({
  ask,
  agreement: { alpha, percent: same, units, answers },
}: QuestionResults): StudyFinding[] {
  if (same === null) {
    return [
      { topic: 'Agreement', text: `${ask} No two raters judged the same pictures: nothing is known of agreement.` },
    ];
  }
  const measure = alpha === null ? 'every answer was the same' : `Krippendorff’s alpha ${formatNumber(alpha, 2)}`;
  const text = `${ask} Two raters gave the same answer in ${percent(same)} of cases (${measure}; ${answers} answers to ${units} trials that two or more judged).`;
  return [{ topic: 'Agreement', text }];
}

function behaviourFindings({ ask, votes, behaviour }: QuestionResults): StudyFinding[] {
  const { position, times, repeats, session } = behaviour;
  const texts: string[] = [];
  if (position !== null && position.p < 0.05) {
    const { left, decided, p } = position;
    texts.push(
      `the left picture was chosen in ${percent(left / decided)} of ${decided} decided votes (p ${probability(p)}); sides were balanced, so that this blurs preferences and favours nobody`,
    );
  }
  if (times.hasty > 0) texts.push(`${times.hasty} of ${counted(votes, 'answer')} came within 0.3 s`);
  if (repeats.pairs > 0)
    texts.push(`${repeats.same} of ${counted(repeats.pairs, 'trial')} that came twice had the same answer`);
  if (session?.p !== null && session !== null && session.p < 0.05) {
    const { first, last } = session;
    texts.push(
      `real pictures were known in ${first.right} of ${first.known} votes in the first third of a session and in ${last.right} of ${last.known} in the last (p ${probability(session.p)})`,
    );
  }
  return texts.map(text => ({ topic: 'How people answered', text: `${ask} ${capitalise(text)}.` }));
}

function metricFindings({ correlations, questions }: StudyResults): StudyFinding[] {
  return correlations.map(({ question, metric, features, spearman, p, systems }) => {
    const ask = questions.find(each => each.question === question)?.ask ?? question;
    const through = features === null ? '' : ` through ${features}`;
    const found = spearman === null ? 'has no order' : `rank correlation ${formatNumber(spearman, 2)}`;
    const chance = p === null ? '' : `; a chance order is as far from 0 with probability ${probability(p)}`;
    return {
      topic: 'Metrics',
      text: `${ask} ${measureOf(metric).title}${through}, over ${systems.length} systems: ${found}${chance}.`,
    };
  });
}
