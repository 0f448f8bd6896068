/** @file Trainings that the page starts and stops, those that others have started, and the form of a new one. */
import type { Home, RunCard } from '../studio/messages.ts';
import type { WorkCard, WorkTicket } from '../studio/trainings/messages.ts';
import { call } from './api.ts';
import { element, failure, fill } from './dom.ts';
import type { Page } from './page.ts';
import { every } from './polling.ts';
import { trainingForm } from './training-form.ts';
import { isOver, stopWork, workView } from './work-view.ts';

export const trainingsPage: Page = {
  open: async (main, _, { query, signal, setTitle }) => {
    setTitle('Trainings');
    const home = await call<Home>('/api/home', { signal });
    const list = element('div', { class: 'works', 'aria-live': 'off' });
    const others = element('div');
    const form = element('div');
    const again = () => void showWorks(list, others, signal);
    fill(
      main,
      element('h1', {}, 'Trainings'),
      element(
        'p',
        { class: 'lead' },
        'What is started here ends with the studio: a training is asked to stop, saves, and goes on when it is started again.',
      ),
      list,
      others,
      element('h2', {}, 'Start a training'),
      form,
    );
    await trainingForm(form, { home, query, signal, onStart: again });
    every(1000, signal, () => showWorks(list, others, signal));
    return undefined;
  },
};

/** What was shown last, so that nothing is drawn anew, and nobody loses what is selected, while nothing changes. */
const shown = new WeakMap<HTMLElement, string>();

async function showWorks(list: HTMLElement, others: HTMLElement, signal: AbortSignal): Promise<void> {
  const { works } = await call<{ readonly works: readonly WorkCard[] }>('/api/trainings', { signal });
  const { runs } = await call<Home>('/api/home', { signal });
  const own = new Set(works.filter(work => !isOver(work)).map(({ run }) => run));
  const watched = runs.filter(({ id, live }) => live && !own.has(id));
  draw(list, works, () =>
    works.length === 0
      ? [element('p', { class: 'soft' }, 'Nothing was started from this page yet.')]
      : works.map(work => workView(work, each => void stop(each, list))),
  );
  draw(others, watched, () =>
    watched.length === 0 ? [] : [element('h2', {}, 'Started elsewhere'), watchedList(watched)],
  );
}

function draw(place: HTMLElement, what: unknown, make: () => readonly HTMLElement[]): void {
  const state = JSON.stringify(what);
  if (shown.get(place) === state) return;
  shown.set(place, state);
  fill(place, make());
}

async function stop(work: WorkCard, list: HTMLElement): Promise<void> {
  try {
    const { work: told }: WorkTicket = await stopWork(work);
    list.querySelector(`[data-work="${told.id}"]`)?.replaceWith(workView(told, () => {}));
  } catch (error) {
    list.prepend(failure(error));
  }
}

/** Another process trains these: they are watched, and stopped where they were started. */
function watchedList(runs: readonly RunCard[]): HTMLElement {
  return element(
    'ul',
    {},
    runs.map(({ id, name, step, steps }) =>
      element(
        'li',
        {},
        element('a', { href: `#/run/${id}` }, name),
        `, step ${step} of ${steps}: stop it where it was started`,
      ),
    ),
  );
}
