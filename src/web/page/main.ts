/** @file The entry of the studio's pages: takes the key, and shows the page that the address names. */
import { askOtherTabs, keepKey, takeKey } from './api.ts';
import { comparePage } from './compare.ts';
import { dataPage } from './data.ts';
import { datasetsPage } from './datasets.ts';
import { element, failure, fill } from './dom.ts';
import { homePage } from './home.ts';
import { type Listed, paramsOf } from './page.ts';
import { paintPage } from './paint.ts';
import { runPage } from './run.ts';
import { studyPage } from './study.ts';
import { trainingsPage } from './trainings.ts';

/** All pages. Another one adds its line. */
const pages: readonly Listed[] = [
  { path: '/', page: homePage, menu: 'Runs' },
  { path: '/run/:run', page: runPage },
  { path: '/paint/:run', page: paintPage },
  { path: '/data', page: datasetsPage, menu: 'Data' },
  { path: '/data/:data', page: dataPage },
  { path: '/compare', page: comparePage, menu: 'Compare' },
  { path: '/trainings', page: trainingsPage, menu: 'Trainings' },
  { path: '/study/:study', page: studyPage },
];

const main = document.querySelector('main')!;
const top = document.querySelector('header')!;
/** Leaves the page that is shown. */
let leave = () => {};

async function show(): Promise<void> {
  leave();
  if (!(await takeKey()) && !(await askOtherTabs())) {
    askForKey();
    return;
  }
  const [path, search = ''] = location.hash.replace(/^#/, '').split('?');
  const address = path === '' ? '/' : path;
  const leaving = new AbortController();
  const { signal } = leaving;
  leave = () => leaving.abort();
  fill(main);
  drawTop(address);
  const setTitle = (title: string) => {
    if (!signal.aborted) document.title = `${title} · Tessera`;
  };
  const found = findPage(address);
  if (found === undefined) {
    fill(main, element('h1', {}, 'There is no such page'), element('p', {}, element('a', { href: '#/' }, 'All runs')));
    return;
  }
  try {
    // Pages draw into a room of their own: what arrives after it was left is drawn where nobody sees it.
    const room = main.appendChild(element('div'));
    const query = new URLSearchParams(search);
    const knows = (other: string) => findPage(other) !== undefined;
    const close = await found.page.open(room, found.params, { query, signal, setTitle, knows });
    if (close === undefined) return;
    if (signal.aborted) close();
    else signal.addEventListener('abort', close, { once: true });
  } catch (error) {
    if (signal.aborted) return;
    if (!(await takeKey())) askForKey();
    else fill(main, element('h1', {}, 'This page cannot be shown'), failure(error));
  }
}

function findPage(address: string) {
  return pages.flatMap(({ path, page }) => {
    const params = paramsOf(path, address.split('?')[0]);
    return params === undefined ? [] : [{ page, params }];
  })[0];
}

function drawTop(address: string): void {
  const links = pages.flatMap(({ path, menu }) =>
    menu === undefined
      ? []
      : element('a', { href: `#${path}`, 'aria-current': path === address ? 'page' : undefined }, menu),
  );
  fill(
    top,
    element('a', { class: 'brand', href: '#/' }, 'Tessera studio'),
    element('nav', { 'aria-label': 'pages' }, links),
  );
}

/** Of a tab that was opened without it. */
function askForKey(): void {
  const input = element('input', { id: 'key', autocomplete: 'off', spellcheck: 'false', size: 36 });
  const form = element(
    'form',
    {},
    element('p', {}, element('label', { for: 'key' }, 'Address or key from the terminal')),
    element('p', {}, input, ' ', element('button', { class: 'main' }, 'Open')),
  );
  form.addEventListener('submit', event => {
    event.preventDefault();
    keepKey(/[0-9a-f]{32}/.exec(input.value)?.[0] ?? input.value.trim());
    void show();
  });
  fill(
    main,
    element('h1', {}, 'This tab has no key'),
    element('p', {}, 'Open the address that `tessera studio` printed in its terminal, or put it in here.'),
    form,
  );
  input.focus();
}

addEventListener('hashchange', () => {
  void show().then(() => main.focus());
});
void show();
