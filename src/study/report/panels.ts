/** @file The charts and tables of one question: strengths, pairs, and single pictures. */
import { type Dot, dotChart } from '../../report/dotchart.ts';
import { type Cell, type Html, html, table } from '../../report/markup.ts';
import { formatNumber } from '../../report/numbers.ts';
import type { PairResult, QuestionResults, StrengthResults, StudyResults } from './results.ts';
import { beats, counted, elo, nameIn, percent, percentWithin, points, probability } from './wording.ts';

type Systems = StudyResults['systems'];

/** Grey for what is no rival, the colour of the text for what was painted. */
function toneOf(systems: Systems, ...names: readonly string[]): string {
  return names.some(name => systems.some(system => system.name === name && system.kind !== 'painted'))
    ? 'real'
    : 'painted';
}

/** The shares of a question as dots with their intervals. */
export function preferenceCharts(question: QuestionResults, { systems }: StudyResults): Html {
  const { strengths, pairs, singles } = question;
  const charts = [
    ...(strengths === null ? [] : [strengthChart(strengths, systems)]),
    ...(pairs.length === 0
      ? []
      : [
          dotChart({
            title: 'share of votes for the first of two',
            label: 'share of votes for the first, with its 95 % interval over raters and captions',
            dots: pairs.map(pair => ({
              name: `${nameIn(systems, pair.a)} : ${nameIn(systems, pair.b)}`,
              tone: toneOf(systems, pair.a, pair.b),
              value: pair.share,
              low: pair.low,
              high: pair.high,
              text: percentWithin(pair),
            })),
            guides: [{ x: 0.5, name: 'one half' }],
            range: [0, 1],
            width: 680,
          }),
        ]),
    ...(singles.length === 0
      ? []
      : [
          dotChart({
            title: 'share of pictures that were taken for real',
            label: 'share of votes that said real, with its 95 % interval over raters and captions',
            dots: singles.map(single => ({
              name: nameIn(systems, single.system),
              tone: toneOf(systems, single.system),
              value: single.share,
              low: single.low,
              high: single.high,
              text: percentWithin(single),
            })),
            range: [0, 1],
            width: 680,
          }),
        ]),
  ];
  return html`<div class="charts">${charts.map(chart => html`<figure>${chart}</figure>`)}</div>`;
}

function strengthChart({ systems: strengths }: StrengthResults, systems: Systems): Html {
  const dots = strengths.map(
    ({ system, log, low, high }): Dot => ({
      name: nameIn(systems, system),
      tone: toneOf(systems, system),
      value: elo(log),
      low: low === null ? null : elo(low),
      high: high === null ? null : elo(high),
      text: points(log),
    }),
  );
  const ends = dots.flatMap(({ value, low, high }) => [value, low, high].filter(end => end !== null));
  return dotChart({
    title: 'strength of each system',
    label: 'Elo above the average system, with its 95 % interval over raters and captions',
    dots,
    guides: [{ x: 0, name: 'average' }],
    range: [Math.min(...ends), Math.max(...ends)],
    width: 680,
  });
}

/** The numbers of a question. */
export function preferenceTables(question: QuestionResults, { systems }: StudyResults): Html {
  const { strengths, pairs, singles } = question;
  return html`${strengths === null ? undefined : strengthTables(strengths, systems)}
${pairs.length === 0 ? undefined : pairTable(pairs, systems)}
${singles.length === 0 ? undefined : singleTable(question, systems)}`;
}

function strengthTables(
  { systems: strengths, ties, equality, names, wins, draws }: StrengthResults,
  systems: Systems,
): Html {
  const tie = ties === 0 ? '' : ` Between equals a vote is a draw in ${percent(ties / (2 + ties))}.`;
  return html`${table({
    caption: `Strengths of Bradley and Terry. All being equal: ${formatNumber(equality.statistic)} of a chi-square with ${counted(equality.degrees, 'degree')} of freedom, p ${probability(equality.p)} if every vote were independent.${tie}`,
    head: ['system', 'beats the average system in', 'Elo above the average'],
    rows: strengths.map(({ system, log, low, high }): Cell[] => {
      const ends = low === null || high === null ? null : ([low, high] as const);
      const share = beats(log);
      return [
        nameIn(systems, system),
        ends === null ? percent(share) : percentWithin({ share, low: beats(ends[0]), high: beats(ends[1]) }),
        `${points(log)}${ends === null ? '' : ` [${points(ends[0])}, ${points(ends[1])}]`}`,
      ];
    }),
  })}
${table({
  caption: 'Votes for the row beside the column, draws in brackets.',
  head: ['', ...names.map(name => nameIn(systems, name))],
  rows: names.map((name, i): Cell[] => [
    nameIn(systems, name),
    ...names.map((_, j) => (i === j ? '' : `${wins[i][j]}${draws[i][j] === 0 ? '' : ` (${draws[i][j]})`}`)),
  ]),
})}`;
}

function pairTable(pairs: readonly PairResult[], systems: Systems): Html {
  return table({
    caption:
      'Each pair: votes; the share of the first, a draw counting half, with the interval over raters and captions; what would follow if every vote were independent; captions by what most of three votes or more say; and the smallest share that could have been shown.',
    head: ['pair', 'votes', 'share of the first', 'p, Holm', 'if independent', 'captions', 'could show'],
    rows: pairs.map((pair): Cell[] => {
      const { a, b, wins, losses, ties, raters, independent, majority, couldShow, couldShowClustered, worth } = pair;
      const smallest = (share: number | null) => (share === null ? 'nothing' : percent(share));
      return [
        html`${nameIn(systems, a)} : ${nameIn(systems, b)}${pair.preferred === null ? undefined : html`<small class="good">${nameIn(systems, pair.preferred)} preferred</small>`}`,
        html`${wins} : ${losses}<small>${ties === 0 ? '' : html`${counted(ties, 'draw')}, `}${counted(raters, 'rater')}, ${counted(pair.captions, 'caption')}</small>`,
        html`${percentWithin(pair)}${pair.by === 'votes' ? html`<small>all alike: as if independent</small>` : undefined}`,
        html`${probability(pair.p)}<small>${probability(pair.holm)}</small>`,
        html`${percentWithin({ share: pair.share, ...independent })}<small>p ${probability(independent.p)}, Holm ${probability(independent.holm)}</small>`,
        majority.a + majority.b + majority.even === 0
          ? '–'
          : html`${majority.a} : ${majority.b}${majority.even === 0 ? undefined : html`<small>${majority.even} even</small>`}`,
        html`${smallest(couldShow)}${worth === null ? undefined : html`<small>${smallest(couldShowClustered)}: worth ${counted(Math.round(worth), 'vote')}</small>`}`,
      ];
    }),
  });
}

function singleTable({ singles }: QuestionResults, systems: Systems): Html {
  return table({
    caption:
      'Single pictures. Errors: painted pictures that were called real and real ones that were called painted, both kinds counting alike; one half means that nobody can tell. Fisher’s test is of independent votes without draws.',
    head: ['pictures', 'said real', 'share said real', 'errors beside real ones', 'p, Holm', 'Fisher’s p'],
    rows: singles.map((single): Cell[] => {
      const { system, votes, saidReal, ties, raters, captions, errors } = single;
      return [
        html`${nameIn(systems, system)}${errors?.toldApart ? html`<small>told apart</small>` : undefined}`,
        html`${saidReal} of ${votes}<small>${ties === 0 ? '' : html`${counted(ties, 'draw')}, `}${counted(raters, 'rater')}, ${counted(captions, 'caption')}</small>`,
        percentWithin(single),
        errors === null ? '–' : percentWithin(errors),
        errors === null ? '–' : html`${probability(errors.p)}<small>${probability(errors.holm)}</small>`,
        errors === null ? '–' : probability(errors.fisher),
      ];
    }),
  });
}
