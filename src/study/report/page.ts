/** @file A study's results as one HTML page, and as a section of another page. */
import { findingsList, renderDocument, type Section } from '../../report/document.ts';
import { type Html, html, table } from '../../report/markup.ts';
import { measureOf } from '../../report/measures.ts';
import { formatNumber } from '../../report/numbers.ts';
import { findingsOf } from './findings.ts';
import { preferenceCharts, preferenceTables } from './panels.ts';
import type { QuestionResults, StudyResults } from './results.ts';
import { counted, nameIn, percent, percentWithin, probability, seconds } from './wording.ts';

export interface PageOptions {
  /** The time of the report. */
  readonly made: Date;
  /** The command that makes it again. */
  readonly command: string;
}

/** The whole page: no network, no script. */
export function studyPage(results: StudyResults, { made, command }: PageOptions): string {
  const { study, raters, questions } = results;
  const votes = questions.reduce((sum, question) => sum + question.votes, 0);
  const facts = [
    counted(votes, 'vote'),
    counted(raters.kept, 'rater'),
    counted(study.captions, 'caption'),
    counted(results.systems.length, 'system'),
  ];
  return renderDocument({
    title: `Study: ${study.wording.title}`,
    heading: study.wording.title,
    lead: facts.join(' · '),
    sections: [
      {
        id: 'findings',
        short: 'Findings',
        title: 'Findings',
        body: html`<p class="soft">Made from the numbers below by fixed sentences; nothing here was written by hand.</p>
${findingsList(findingsOf(results))}`,
      },
      ...questions.map(question => questionSection(question, results)),
      { id: 'raters', short: 'Raters', title: 'Who was counted', body: ratersPanel(results) },
      { id: 'answers', short: 'Answers', title: 'How people answered', body: behaviourTable(questions) },
      ...(results.correlations.length === 0
        ? []
        : [{ id: 'metrics', short: 'Metrics', title: 'What metrics say', body: correlationTable(results) }]),
      { id: 'method', short: 'Method', title: 'How it was asked', body: methodPanel(results) },
    ],
    footer: html`Made by <code>${command}</code> on ${made.toISOString().slice(0, 10)}, of the study ${study.hash.slice(0, 12)}.`,
  });
}

/** What people said, as one section of a page such as that of `compare`. */
export function studySection(results: StudyResults): Section {
  const { raters, questions } = results;
  const asks = new Set(questions.map(({ ask }) => ask));
  const findings = findingsOf(results).filter(({ topic }) => asks.has(topic) || topic === 'Who was counted');
  return {
    id: 'study',
    short: 'People',
    title: `What ${counted(raters.kept, 'person').replace('persons', 'people')} said`,
    body: html`${findingsList(findings)}
${questions.map(question => html`<h3>${question.ask}</h3>\n${preferenceCharts(question, results)}\n`)}`,
  };
}

function questionSection(question: QuestionResults, results: StudyResults): Section {
  const { ask, votes, raters, captions, unjudged } = question;
  const missing = unjudged.map(pair =>
    pair.flatMap(name => (name === '' ? [] : [nameIn(results.systems, name)])).join(' and '),
  );
  return {
    id: `question-${question.question}`,
    short: question.question,
    title: ask,
    body: html`<p>${counted(votes, 'vote')} of ${counted(raters, 'rater')} on ${counted(captions, 'caption')}.</p>
${preferenceCharts(question, results)}
${preferenceTables(question, results)}
${missing.length === 0 ? undefined : html`<p class="missing">Nobody judged: ${missing.join('; ')}.</p>`}`,
  };
}

/** Who was left out, and what difference it makes. */
function ratersPanel({ raters, study, questions, everyone, systems }: StudyResults): Html {
  const { answered, kept, excluded, unchecked, catches, right } = raters;
  const all = (everyone ?? []).flatMap(question => {
    const own = questions.find(each => each.question === question.question);
    const pairs = question.pairs.map(pair => {
      const counted = own?.pairs.find(({ a, b }) => a === pair.a && b === pair.b);
      return [`${question.ask} ${nameIn(systems, pair.a)} beside ${nameIn(systems, pair.b)}`, counted, pair] as const;
    });
    const singles = question.singles.map(single => {
      const counted = own?.singles.find(({ system }) => system === single.system);
      return [`${question.ask} ${nameIn(systems, single.system)}, taken for real`, counted, single] as const;
    });
    return [...pairs, ...singles];
  });
  return html`<p>${counted(answered, 'rater')} answered, ${kept} count. Left out is who had less than ${percent(study.threshold)} of control trials right, a threshold that was fixed with the study${catches === 0 ? '' : html`; the others had ${right} of ${catches} right`}${unchecked === 0 ? '' : html`, and ${unchecked} of them met none`}.</p>
${
  excluded.length === 0
    ? undefined
    : html`${table({
        caption: 'Raters that were left out',
        head: ['rater', 'control trials right'],
        rows: excluded.map(each => [each.rater, `${each.right} of ${each.catches}`]),
      })}
${table({
  caption: 'The same shares with everyone, and without those who were left out',
  head: ['', 'those who count', 'everyone'],
  rows: all.map(([what, counted, every]) => [
    what,
    counted === undefined ? '–' : percentWithin(counted),
    percentWithin(every),
  ]),
})}`
}`;
}

function behaviourTable(questions: readonly QuestionResults[]): Html {
  const rows = questions.map(({ ask, votes, agreement, behaviour }) => {
    const { position, times, session, repeats } = behaviour;
    const [early, late] = times.quartiles;
    return [
      ask,
      agreement.percent === null
        ? '–'
        : html`${percent(agreement.percent)}<small>alpha ${agreement.alpha === null ? '–' : formatNumber(agreement.alpha, 2)}, ${agreement.units} trials</small>`,
      position === null
        ? '–'
        : html`${position.left} of ${position.decided}<small>p ${probability(position.p)}</small>`,
      html`${seconds(times.median)}<small>${seconds(early)} to ${seconds(late)}</small>`,
      html`${seconds(times.decided)}<small>${seconds(times.undecided)}</small>`,
      session === null ? '–' : html`${seconds(session.first.medianMs)}<small>${seconds(session.last.medianMs)}</small>`,
      session === null || session.first.known === 0
        ? '–'
        : html`${session.first.right} of ${session.first.known}<small>${session.last.right} of ${session.last.known}${session.p === null ? '' : html`; p ${probability(session.p)}`}</small>`,
      repeats.pairs === 0 ? '–' : `${repeats.same} of ${repeats.pairs}`,
      times.hasty === 0 ? '–' : `${times.hasty} of ${votes}`,
    ];
  });
  return table({
    caption:
      'Agreement: share of pairs of answers to one trial that are the same; alpha (Krippendorff) is 1 where all agree, 0 where they agree as chance would, and low where nearly all answers are alike. Left: the left picture, of votes that chose one. Times are medians. Real pictures known: preferred, or called real, and painted ones called painted, in the first and below in the last third of a session.',
    head: [
      'question',
      'agreement',
      'left',
      html`time<small>middle half</small>`,
      html`of a choice<small>of none</small>`,
      html`first third<small>last third</small>`,
      html`real pictures known<small>last third</small>`,
      'same twice',
      'within 0.3 s',
    ],
    rows,
  });
}

function correlationTable({ correlations, questions }: StudyResults): Html {
  return table({
    caption:
      'Rank correlation of what people said with metrics, over systems; metrics of which less is better are turned. Of three or four systems even a perfect order is no evidence: the last column says how often a chance order is as far from 0.',
    head: ['question and metric', 'systems', 'Spearman', 'Kendall', 'by chance'],
    rows: correlations.map(({ question, metric, features, systems, spearman, kendall, p }) => [
      html`${questions.find(each => each.question === question)?.ask ?? question}<small>${[measureOf(metric).title, features].filter(Boolean).join(', ')}</small>`,
      systems.map(({ name }) => name).join(', '),
      spearman === null ? '–' : formatNumber(spearman, 2),
      kendall === null ? '–' : formatNumber(kendall, 2),
      p === null ? '–' : probability(p),
    ]),
  });
}

/** What has to be known to ask it again, the words as people read them. */
function methodPanel({ study, systems }: StudyResults): Html {
  const { wording, trials, images, cannotTell, exposureMs, captions, heldOut, seed, hash } = study;
  const answers = (key: string) => {
    const { left, right } = wording.questions[key] ?? { left: '', right: '' };
    return [left, right, ...(cannotTell ? ['cannot tell'] : [])].map(answer => `“${answer}”`).join(', ');
  };
  const facts: (readonly [string, string])[] = [
    [
      'systems',
      systems.map(({ name, kind }) => (kind === 'painted' ? name : `${name} (${nameIn(systems, name)})`)).join(', '),
    ],
    [
      'captions',
      `${captions}${heldOut === null ? '' : heldOut ? ', of held-out pictures' : ', of pictures that were trained on'}`,
    ],
    ['trials a session', String(trials)],
    ['pictures a side', String(images)],
    ['shown', exposureMs === null ? 'until the answer' : `for ${exposureMs} ms`],
    ['seed', String(seed)],
    ['study', hash],
  ];
  return html`${table({ caption: 'The design', head: ['', ''], rows: facts.map(each => [...each]) })}
<h3>What people read</h3>
<p>${wording.intro}</p>
<p>${wording.consent}</p>
${study.questions.map(key => html`<p><b>${wording.questions[key]?.ask ?? key}</b> ${answers(key)}</p>\n`)}
<h3>How it was counted</h3>
<p>“Cannot tell” counts as half a vote for each. The interval resamples raters with all their votes, and captions with all theirs, since votes of one person, or on one caption, are not independent; p is by the same error, and Holm’s correction is over all pairs of a question. Beside it stands what would follow if every vote were independent: the interval of Clopper and Pearson, and the exact binomial test without draws. Strengths are Bradley and Terry’s with Davidson’s draws, half a vote for and against an average system added to each, so that a system that always won has a finite strength.</p>`;
}
