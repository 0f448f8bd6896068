/** @file The first page: what lies in the folder, the runs as cards that are drawn as far as somebody scrolls. */
import { formatCount, formatNumber } from '../../report/numbers.ts';
import type { Home, RunCard } from '../studio/messages.ts';
import { call, keyed } from './api.ts';
import { command, element, failure, fill } from './dom.ts';
import type { Page } from './page.ts';
import { percent } from './run-head.ts';
import { ago } from './times.ts';

/** Cards that are drawn at once, and more whenever the end comes near. */
const DRAWN = 48;
/** Milliseconds after which the page looks again. */
const PERIOD = 4000;

export const homePage: Page = {
  open: async (main, _, { signal, setTitle, knows }) => {
    setTitle('Runs');
    const view = new HomeView(main, knows);
    view.set(await call<Home>('/api/home', { signal }));
    const timer = setInterval(() => {
      if (document.hidden) return;
      call<Home>('/api/home', { signal }).then(
        home => view.set(home),
        (error: unknown) => !signal.aborted && view.fail(error),
      );
    }, PERIOD);
    return () => {
      clearInterval(timer);
      view.close();
    };
  },
};

const ORDERS = {
  newest: ['newest first', (a: RunCard, b: RunCard) => b.at.localeCompare(a.at)],
  name: ['by name', (a: RunCard, b: RunCard) => a.name.localeCompare(b.name, undefined, { numeric: true })],
  best: ['lowest held-out loss first', (a: RunCard, b: RunCard) => (a.best ?? Infinity) - (b.best ?? Infinity)],
} as const;

class HomeView {
  private readonly knows: (address: string) => boolean;
  private readonly lead = element('p', { class: 'lead' });
  private readonly trouble = element('div');
  private readonly search = element('input', {
    type: 'search',
    'aria-label': 'search runs by name or family',
    placeholder: 'Search runs by name or family',
  });
  private readonly order = element(
    'select',
    { 'aria-label': 'order of the runs' },
    Object.entries(ORDERS).map(([value, [words]]) => element('option', { value }, words)),
  );
  private readonly tools = element('div', { class: 'home-tools' }, this.search, this.order);
  private readonly none = element('div');
  private readonly list = element('ul', { class: 'cards' });
  private readonly end = element('div', { 'aria-hidden': 'true' });
  private readonly rest = element('div');
  private readonly nearing: IntersectionObserver;
  private readonly drawn = new Map<string, { readonly text: string; readonly item: HTMLElement }>();
  private home: Home | undefined;
  private places = '';
  private shown = DRAWN;

  constructor(main: HTMLElement, knows: (address: string) => boolean) {
    this.knows = knows;
    fill(
      main,
      element('h1', {}, 'Runs'),
      this.lead,
      this.trouble,
      this.tools,
      this.none,
      this.list,
      this.end,
      this.rest,
    );
    for (const control of [this.search, this.order]) {
      control.addEventListener('input', () => {
        this.shown = DRAWN;
        this.draw();
      });
    }
    this.nearing = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting !== true) return;
        this.shown += DRAWN;
        this.draw();
      },
      { rootMargin: '600px' },
    );
    this.nearing.observe(this.end);
  }

  close(): void {
    this.nearing.disconnect();
  }

  set(home: Home): void {
    fill(this.trouble);
    this.home = home;
    const own = home.runs.filter(({ isShipped }) => isShipped !== true);
    const live = own.filter(run => run.live).length;
    const counts = `${formatCount(own.length)} ${own.length === 1 ? 'run' : 'runs'} in `;
    fill(this.lead, counts, element('code', {}, home.folder), live === 0 ? '' : `, ${live} in training`);
    this.tools.hidden = own.length < 2;
    this.draw();
    this.drawPlaces(home);
  }

  fail(error: unknown): void {
    fill(this.trouble, failure(error));
  }

  private draw(): void {
    if (this.home === undefined) return;
    const runs = this.home.runs.filter(({ isShipped }) => isShipped !== true);
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const order = ORDERS[this.order.value as keyof typeof ORDERS][1];
    const found = runs
      .filter(({ name, family, title }) =>
        words.every(word => `${name} ${family} ${title}`.toLowerCase().includes(word)),
      )
      .sort((a, b) => Number(b.live) - Number(a.live) || order(a, b));
    fill(
      this.none,
      runs.length === 0 ? noRuns(this.home) : found.length === 0 ? element('p', {}, 'No run is called so.') : undefined,
    );
    const items = found.slice(0, this.shown).map(card => this.item(card));
    // What stays where it is is not touched: pictures are not loaded again, and the focus stays.
    for (const [i, item] of items.entries()) {
      if (this.list.children[i] !== item) this.list.insertBefore(item, this.list.children[i] ?? null);
    }
    while (this.list.children.length > items.length) this.list.lastElementChild!.remove();
  }

  private item(card: RunCard): HTMLElement {
    const text = JSON.stringify([card, ago(card.at)]);
    const known = this.drawn.get(card.id);
    if (known?.text === text) return known.item;
    const item = known?.item ?? element('li');
    drawCard(item, card);
    this.drawn.set(card.id, { text, item });
    return item;
  }

  private drawPlaces({ runs, datasets, studies, left }: Home): void {
    const shipped = runs.filter(({ isShipped }) => isShipped === true);
    const text = JSON.stringify([shipped, datasets, studies, left]);
    if (text === this.places) return;
    this.places = text;
    const list = (kind: string, places: Home['datasets']) =>
      element(
        'ul',
        { class: 'places' },
        places.map(({ id, name }) => {
          const address = `/${kind}/${id}`;
          return element('li', {}, this.knows(address) ? element('a', { href: `#${address}` }, name) : name);
        }),
      );
    fill(
      this.rest,
      shipped.length === 0
        ? undefined
        : [
            element('h2', {}, 'Comes with Tessera'),
            element(
              'ul',
              { class: 'cards' },
              shipped.map(card => this.item(card)),
            ),
          ],
      element('h2', {}, 'Data'),
      datasets.length === 0
        ? [
            element('p', {}, 'No data set lies here. Draw one whose captions are exact:'),
            command('tessera data shapes --out datasets/shapes'),
          ]
        : list('data', datasets),
      studies.length === 0 ? undefined : [element('h2', {}, 'Studies'), list('study', studies)],
      left.length === 0
        ? undefined
        : [
            element('h2', {}, 'Not shown'),
            element(
              'ul',
              { class: 'places' },
              left.map(line => element('li', { class: 'soft' }, line)),
            ),
          ],
    );
  }
}

function noRuns({ folder, datasets }: Home): HTMLElement {
  const data = datasets[0]?.path ?? 'datasets/shapes';
  return element(
    'div',
    {},
    element('p', {}, 'No run lies here yet. Train one in another terminal, and it appears:'),
    datasets.length === 0 ? command(`tessera data shapes --out ${data} --count 2000`) : undefined,
    command(`tessera train --data ${data} --out ${folder}/first --minutes 5`),
  );
}

function drawCard(
  item: HTMLElement,
  {
    id,
    name,
    title,
    stage,
    stageTitle,
    step,
    steps,
    live,
    best,
    at,
    hasSamples,
    family,
    problem,
    judgedBy,
    isShipped,
  }: RunCard,
): void {
  const isMain = stage === family;
  const state =
    problem !== undefined
      ? problem
      : stage === null
        ? 'nothing was logged yet'
        : `${isMain ? '' : `${stageTitle}, `}step ${formatCount(step)}${steps === 0 ? '' : ` of ${formatCount(steps)}`}${live ? ` (${percent(step, steps)})` : ''}`;
  const done = element('span');
  done.style.width = steps === 0 ? '0' : `${Math.min(100, (100 * step) / steps)}%`;
  item.className = live ? 'card is-live' : 'card';
  const picture =
    hasSamples && problem === undefined
      ? element('img', {
          src: keyed(`/api/runs/${id}/sheets/samples/last?at=${Date.parse(at)}`),
          alt: `samples of ${name}`,
          loading: 'lazy',
        })
      : element(
          'p',
          {},
          isShipped === true ? 'a model to paint with' : problem === undefined ? 'no samples yet' : 'cannot be shown',
        );
  fill(
    item,
    element('div', { class: 'look' }, picture),
    element('div', { class: 'bar', 'aria-hidden': 'true' }, done),
    element(
      'div',
      { class: 'words' },
      element(
        'h2',
        {},
        live ? element('span', { class: 'live', 'aria-hidden': 'true' }) : undefined,
        element('a', { href: `#/run/${id}` }, name),
        live ? element('span', { class: 'hidden' }, ', in training') : undefined,
      ),
      element('p', { class: 'soft' }, `${title === '' ? family : title}${isShipped === true ? '' : ` · ${ago(at)}`}`),
      element('p', {}, state),
      best === null ? undefined : element('p', { class: 'soft' }, `lowest ${judgedBy} ${formatNumber(best)}`),
    ),
  );
}
