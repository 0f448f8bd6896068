/** @file The head of a run's page: its name, whether it is trained now, how far, how long still, and what became of it. */
import { formatCount, formatNumber } from '../../report/numbers.ts';
import type { Judgement, RunDetail } from '../studio/messages.ts';
import { element, fill, type Inner, prose } from './dom.ts';
import { about, ago } from './times.ts';

const KINDS: Readonly<Record<Judgement['kind'], readonly [word: string, kind: string]>> = {
  stable: ['stable', 'good'],
  collapsed: ['collapsed', 'bad'],
  diverged: ['diverged', 'bad'],
  unchecked: ['not judged', 'soft'],
};

export function drawHead(root: HTMLElement, detail: RunDetail, knows: (address: string) => boolean): void {
  const { card, path, engine, judgement, trainer, notes } = detail;
  const links = [
    { to: `/paint/${card.id}`, words: 'Paint with it', when: card.canPaint },
    { to: `/compare?runs=${card.id}`, words: 'Compare', when: card.canPaint },
  ].filter(({ to, when }) => when && knows(to));
  const facts: [string, Inner][] = [
    ['Now', nowOf(detail)],
    ...(judgement === null ? [] : [['Verdict', verdict(judgement)] as [string, Inner]]),
    ...(card.best === null
      ? []
      : [['Lowest', `${card.judgedBy} ${formatNumber(card.best, 4)}, as of its last save`] as [string, Inner]]),
    ...(engine === null
      ? []
      : [
          [
            'Engine',
            `${engine.backend}, ${engine.precision}${trainer === null ? '' : `; process ${trainer.pid} on ${trainer.host}`}`,
          ] as [string, Inner],
        ]),
    ...(notes.length === 0 ? [] : [['Notes', notes.map(note => element('p', {}, note))] as [string, Inner]]),
  ];
  fill(
    root,
    element('h1', {}, card.name),
    element(
      'p',
      { class: 'lead' },
      card.isShipped === true ? `${card.title}; comes with Tessera` : [`${card.title} in `, element('code', {}, path)],
    ),
    links.length === 0
      ? undefined
      : element(
          'p',
          { class: 'run-links' },
          links.map(({ to, words }) => element('a', { href: `#${to}`, class: 'button' }, words)),
        ),
    element(
      'dl',
      { class: 'findings run-facts' },
      facts.map(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]),
    ),
  );
}

function verdict({ kind, words }: Judgement): Inner {
  const [word, tone] = KINDS[kind];
  return [element('b', { class: tone }, word), '. ', prose(words)];
}

/** What happens at this moment. */
function nowOf({ card, left, after, stages }: RunDetail): Inner {
  const { live, stage, step, steps, rate, unit, at, isShipped } = card;
  if (!live) {
    const what =
      stage === null
        ? 'nothing was logged yet'
        : step >= steps && stage === card.family
          ? 'trained to its end'
          : steps === 0
            ? `step ${formatCount(step)}`
            : `stopped at step ${formatCount(step)} of ${formatCount(steps)}`;
    return isShipped === true ? what : `${what}; last written ${ago(at)}`;
  }
  const dot = element('span', { class: 'live', 'aria-hidden': 'true' });
  if (stage === null) return [dot, 'begins: nothing was logged yet'];
  const title = stages.find(({ name }) => name === stage)?.title ?? stage;
  if (step >= steps && stage !== card.family) {
    return [dot, `training: ${title} is done; what comes next has not logged yet`];
  }
  const pace = rate === null ? '' : `, ${formatNumber(rate)} ${unit} a second`;
  return [
    dot,
    `training: ${title}, step ${formatCount(step)} of ${formatCount(steps)} (${percent(step, steps)})${pace}`,
    leftOf(left, after),
  ];
}

function leftOf(left: number | null, after: number | null): string {
  if (left === null) return '';
  const then =
    after === null ? ', and what comes after it' : after === 0 ? '' : `, and then ${about(after)} as planned`;
  return `; about ${about(left)} left${then}`;
}

export function percent(step: number, steps: number): string {
  return steps === 0 ? '' : `${Math.floor((100 * step) / steps)}%`;
}
