/** @file The first page: what lies in the folder. */
import type { Home, RunCard } from '../studio/messages.ts';
import { call } from './api.ts';
import { command, element, fill } from './dom.ts';
import type { Page } from './page.ts';

export const homePage: Page = {
  open: async (main, _, { signal, setTitle }) => {
    setTitle('Runs');
    const home = await call<Home>('/api/home', { signal });
    fill(
      main,
      element('h1', {}, 'Runs'),
      element('p', { class: 'lead' }, home.folder),
      home.runs.length === 0 ? noRuns() : element('ul', { class: 'cards' }, home.runs.map(runCard)),
    );
    return undefined;
  },
};

function noRuns(): HTMLElement {
  return element(
    'div',
    {},
    element('p', {}, 'No run lies here yet. Train one, in another terminal:'),
    command('tessera train --data datasets/shapes --out runs/first --minutes 5'),
  );
}

function runCard({ name, title, step, steps, live, problem }: RunCard): HTMLElement {
  const state = problem ?? `${title}, step ${step} of ${steps}`;
  return element(
    'li',
    { class: 'card' },
    element('h2', {}, live ? element('span', { class: 'live' }) : '', name),
    element('p', { class: 'soft' }, state),
  );
}
