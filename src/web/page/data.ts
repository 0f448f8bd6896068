/** @file A data set: its pictures by pages, looked for by words and sides, what is wrong with it, and each picture as a run sees it. */
import type { DataFacts, DataItem, DataPage } from '../studio/data/messages.ts';
import { call, keyed } from './api.ts';
import { inspectionView } from './data-inspection.ts';
import { openPicture } from './data-picture.ts';
import { element, failure, fill } from './dom.ts';
import type { Page } from './page.ts';

/** What of the data is shown: it stands in the address, so that a page can be left and come back to. */
interface View {
  page: number;
  search: string;
  side: string;
  run: string;
}

const SIDES: readonly (readonly [value: string, text: string])[] = [
  ['', 'all sides'],
  ['train', 'trained on'],
  ['validation', 'held out'],
  ['test', 'test'],
];
/** What the mark of a picture says. */
const MARKS: Readonly<Record<string, string>> = { validation: 'held out', test: 'test' };

export const dataPage: Page = {
  open: async (main, { data }, { query, signal, setTitle }) => {
    const facts = await call<DataFacts>(`/api/data/${data}`, { signal });
    setTitle(facts.name);
    const view: View = {
      page: Number(query.get('page') ?? '1'),
      search: query.get('search') ?? '',
      side: query.get('side') ?? '',
      run: query.get('run') ?? '',
    };
    const sheet = element('div');
    const show = async () => {
      const asked = new URLSearchParams({ ...view, page: String(view.page) });
      history.replaceState(null, '', `#/data/${data}?${asked}`);
      try {
        drawSheet(sheet, {
          facts,
          view,
          turn,
          page: await call<DataPage>(`/api/data/${data}/items?${asked}`, { signal }),
        });
      } catch (error) {
        if (!signal.aborted) fill(sheet, failure(error));
      }
    };
    const turn = (page: number) => {
      view.page = page;
      void show().then(() => sheet.scrollIntoView({ block: 'start' }));
    };
    fill(
      main,
      heading(facts),
      filters(facts, view, () => void show()),
      sheet,
      problems(facts),
      inspectionView(facts, signal),
    );
    await show();
    return undefined;
  },
};

function heading({ name, format, images, sides, published, notices }: DataFacts): HTMLElement[] {
  const { train, validation, test } = sides;
  const counts = `${images} captioned images (${format}): ${train} to train on, ${validation} held out${test > 0 ? `, ${test} test` : ''}`;
  return [
    element('h1', {}, name),
    element('p', { class: 'lead' }, counts),
    ...[published, ...notices].flatMap(line => (line === null ? [] : [element('p', { class: 'soft' }, line)])),
  ];
}

function filters({ runs }: DataFacts, view: View, show: () => void): HTMLElement {
  const search = element('input', {
    type: 'search',
    id: 'data-search',
    value: view.search,
    placeholder: 'words of captions',
  });
  const side = choice('data-side', SIDES, view.side);
  const whose = runs.map(({ id, name, knows }) => [id, knows ? name : `${name} (other data)`] as const);
  const run = choice('data-run', [['', 'a new run'], ...whose], view.run);
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const changed = () => {
    Object.assign(view, { search: search.value, side: side.value, run: run.value, page: 1 });
    show();
  };
  search.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(changed, 200);
  });
  for (const each of [side, run]) each.addEventListener('change', changed);
  const named = (text: string, control: HTMLElement) =>
    element('p', { class: 'data-filter' }, element('label', { for: control.id }, text), control);
  return element(
    'div',
    { class: 'data-filters', role: 'search' },
    named('Captions or names with', search),
    named('Side', side),
    named('As seen by', run),
  );
}

function choice(id: string, options: readonly (readonly [string, string])[], value: string): HTMLSelectElement {
  const made = element(
    'select',
    { id },
    options.map(([each, text]) => element('option', { value: each }, text)),
  );
  made.value = options.some(([each]) => each === value) ? value : '';
  return made;
}

interface SheetOptions {
  readonly facts: DataFacts;
  readonly view: View;
  readonly page: DataPage;
  readonly turn: (page: number) => void;
}

function drawSheet(sheet: HTMLElement, { facts, view, page, turn }: SheetOptions): void {
  const { items, total, pages } = page;
  const found = view.search === '' && view.side === '' ? '' : `${total} of ${facts.images} found. `;
  const range = pages > 1 ? `Page ${page.page} of ${pages}.` : '';
  const pager = () => (pages > 1 ? pagerView(page, turn) : undefined);
  fill(
    sheet,
    element('p', { class: 'soft', role: 'status' }, `${found}${range}`),
    pager(),
    total === 0 ? element('p', {}, 'No caption has all of these words on this side.') : undefined,
    element(
      'ul',
      { class: 'data-sheet' },
      items.map((item, i) =>
        element(
          'li',
          {},
          element(
            'button',
            { type: 'button', class: 'data-cell', onclick: () => openPicture({ facts, items, at: i, run: view.run }) },
            thumbnail(facts.id, item),
            element('span', {}, item.captions[0] ?? ''),
            item.side !== null && item.side in MARKS ? element('i', {}, MARKS[item.side]) : undefined,
            item.side === null ? element('i', {}, 'not of this run') : undefined,
          ),
        ),
      ),
    ),
    pager(),
  );
}

function thumbnail(data: string, { index, id }: DataItem): HTMLElement {
  const picture = element('img', {
    src: keyed(`/api/data/${data}/pictures/${index}?size=96`),
    alt: '',
    loading: 'lazy',
    width: 96,
    height: 96,
    title: id,
  });
  picture.addEventListener('error', () => {
    picture.replaceWith(element('span', { class: 'data-broken' }, 'cannot be decoded'));
  });
  return picture;
}

function pagerView({ page, pages }: DataPage, turn: (page: number) => void): HTMLElement {
  const button = (text: string, to: number) =>
    element('button', { type: 'button', disabled: to < 1 || to > pages, onclick: () => turn(to) }, text);
  const number = element('input', { type: 'number', min: 1, max: pages, value: page, 'aria-label': 'page' });
  number.addEventListener('change', () => turn(Number(number.value)));
  return element(
    'p',
    { class: 'data-pager' },
    button('Previous', page - 1),
    number,
    ` of ${pages}`,
    button('Next', page + 1),
  );
}

function problems({ problems: wrong, unused }: DataFacts): HTMLElement[] {
  const list = (title: string, lines: DataFacts['problems']) =>
    lines.length === 0
      ? []
      : [
          element('h2', {}, title),
          element(
            'ul',
            { class: 'data-problems' },
            lines.map(({ id, what }) => element('li', {}, element('code', {}, id), ` ${what}`)),
          ),
        ];
  return [...list('What cannot be used', wrong), ...list('Other files', unused)];
}
