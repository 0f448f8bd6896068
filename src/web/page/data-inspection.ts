/** @file What `tessera data inspect` says of a data set, once it is asked for, and the pictures that look alike. */
import type { DataFacts, InspectionAnswer } from '../studio/data/messages.ts';
import { call, keyed } from './api.ts';
import { element, failure, fill } from './dom.ts';
import { every } from './polling.ts';

/** Images up to which it is done without being asked for. */
const SMALL = 1000;

/** The section, which asks for itself. */
export function inspectionView(facts: DataFacts, signal: AbortSignal): HTMLElement {
  const { id, images } = facts;
  const place = element('div', { 'aria-live': 'polite' });
  const path = `/api/data/${id}/inspection`;
  let following: AbortController | undefined;
  const follow = () => {
    following?.abort();
    following = new AbortController();
    const own = AbortSignal.any([signal, following.signal]);
    every(500, own, async () => {
      const answer = await call<InspectionAnswer>(path, { signal: own });
      draw(answer);
      if (answer.state !== 'under way') following?.abort();
    });
  };
  const begin = () => {
    void call<InspectionAnswer>(path, { method: 'POST', body: {}, signal }).then(follow, (error: unknown) => {
      if (!signal.aborted) fill(place, failure(error));
    });
  };
  const draw = (answer: InspectionAnswer) => {
    fill(place, answer.state === 'none' ? askView(images, begin) : resultView(answer, id));
  };
  if (images <= SMALL) begin();
  else
    void call<InspectionAnswer>(path, { signal }).then(
      answer => (answer.state === 'under way' ? follow() : draw(answer)),
      () => {},
    );
  return element('section', {}, element('h2', {}, 'A closer look'), place);
}

/** What no picture came of, each with its reason. */
function problemList(problems: DataFacts['problems']): HTMLElement[] {
  if (problems.length === 0) return [];
  return [
    element('h3', {}, 'What cannot be used'),
    element(
      'ul',
      { class: 'data-problems' },
      problems.map(({ id, what }) => element('li', {}, element('code', {}, id), ` ${what}`)),
    ),
  ];
}

function askView(images: number, begin: () => void): HTMLElement {
  return element(
    'p',
    {},
    element('button', { type: 'button', onclick: begin }, `Decode all ${images} pictures`),
    ' finds those that are broken, and those that look alike.',
  );
}

function resultView(answer: Exclude<InspectionAnswer, { readonly state: 'none' }>, data: string): HTMLElement[] {
  if (answer.state === 'failed') return [failure(new Error(answer.message))];
  if (answer.state === 'under way') {
    const { done, total } = answer;
    return [
      element(
        'p',
        {},
        element('progress', { max: total, value: done }),
        ` ${Math.round((100 * done) / Math.max(1, total))}%`,
      ),
    ];
  }
  const { lines, problems, twins, groups } = answer;
  return [
    element('pre', { class: 'work-lines', tabindex: 0, 'aria-label': 'what the inspection found' }, lines.join('\n')),
    ...problemList(problems),
    element(
      'h3',
      {},
      groups === 0
        ? 'No pictures look alike'
        : `${groups} ${groups === 1 ? 'group' : 'groups'} of pictures that look alike`,
    ),
    element(
      'p',
      { class: 'soft' },
      'By an average hash of 8 x 8 cells and their colours: copies in another size or encoding, not crops. Such pictures on both sides of the split make the held-out loss look better than it is.',
    ),
    ...twins.map(group =>
      element(
        'ul',
        { class: 'strip data-twins' },
        group.map(({ index, id }) =>
          element(
            'li',
            {},
            element('img', {
              src: keyed(`/api/data/${data}/pictures/${index}?size=96`),
              alt: id,
              title: id,
              loading: 'lazy',
              height: 72,
            }),
            element('span', {}, id),
          ),
        ),
      ),
    ),
  ];
}
