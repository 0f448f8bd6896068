/**
 * @file Runs beside one another: the same captions painted by each from the same seed, any two pictures laid over each other, and from here a
 * report with measurements, or a study that asks people.
 */
import type { Home, RunCard } from '../studio/messages.ts';
import { call, keyed, listen } from './api.ts';
import { compareNext } from './compare-next.ts';
import { element, fill } from './dom.ts';
import type { Page } from './page.ts';
import { type WipePicture, wipeView } from './wipe.ts';

/** What of the painting's events this page looks at. */
interface Painted {
  readonly images: readonly { readonly url: string; readonly caption: string }[];
}

const MOST_CAPTIONS = 16;

export const comparePage: Page = {
  open: async (main, _, { query, signal, setTitle }) => {
    setTitle('Compare');
    const home = await call<Home>('/api/home', { signal });
    const runs = home.runs.filter(({ canPaint }) => canPaint);
    if (runs.length === 0) {
      fill(
        main,
        element('h1', {}, 'Compare'),
        element('p', {}, 'No run can paint yet: what is compared here are pictures of trained runs.'),
      );
      return undefined;
    }
    const asked = (query.get('runs') ?? '').split(',');
    const chosen = new Set(runs.filter(({ id }) => asked.includes(id)).map(({ id }) => id));
    if (chosen.size === 0) for (const { id } of runs.slice(0, 2)) chosen.add(id);
    const captions = element('textarea', { id: 'compare-captions', rows: 4, spellcheck: 'false' });
    const seed = element('input', { id: 'compare-seed', type: 'number', min: 0, max: 0xffffffff, value: 1 });
    const paint = element('button', { class: 'main' }, 'Paint');
    const grid = element('div');
    const order = () => ({
      runs: runs.filter(({ id }) => chosen.has(id)),
      captions: linesOf(captions.value),
      seed: Number(seed.value),
    });
    const form = element(
      'form',
      { class: 'compare-form' },
      runChoice(runs, chosen),
      element(
        'p',
        {},
        element('label', { for: 'compare-captions' }, `Captions, one a line, ${MOST_CAPTIONS} at most`),
        captions,
      ),
      element('p', { class: 'form-end' }, element('label', { for: 'compare-seed' }, 'Seed of all ', seed), paint),
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      const { runs: those, captions: lines } = order();
      const wrong = those.length === 0 ? 'Choose a run.' : lines.length === 0 ? 'Write a caption.' : undefined;
      if (wrong !== undefined) fill(grid, element('p', { class: 'bad', role: 'alert' }, wrong));
      else paintGrid(grid, { ...order(), captions: lines.slice(0, MOST_CAPTIONS), signal });
    });
    fill(
      main,
      element('h1', {}, 'Compare'),
      element('p', { class: 'lead' }, 'The same captions, painted by each run from the same seed.'),
      form,
      grid,
      compareNext(home, { order, signal }),
    );
    captions.value = (await firstCaptions([...chosen][0], signal)).join('\n');
    return undefined;
  },
};

function linesOf(text: string): string[] {
  return [
    ...new Set(
      text
        .split('\n')
        .map(line => line.trim())
        .filter(line => line !== ''),
    ),
  ];
}

function runChoice(runs: readonly RunCard[], chosen: Set<string>): HTMLElement {
  return element(
    'fieldset',
    { class: 'form-group' },
    element('legend', {}, 'Runs'),
    element(
      'div',
      { class: 'compare-runs' },
      runs.map(({ id, name, title }) => {
        const box = element('input', { type: 'checkbox', checked: chosen.has(id) });
        box.addEventListener('change', () => (box.checked ? chosen.add(id) : chosen.delete(id)));
        return element('label', {}, box, ' ', name, element('small', { class: 'soft' }, ` ${title}`));
      }),
    ),
  );
}

/** Some captions that a run knows, to begin with. */
async function firstCaptions(run: string, signal: AbortSignal): Promise<readonly string[]> {
  const offers = await call<{ readonly captions: readonly { readonly caption: string }[] }>(
    `/api/runs/${run}/captions?search=`,
    {
      signal,
    },
  ).catch(() => ({ captions: [] }));
  return offers.captions.slice(0, 4).map(({ caption }) => caption);
}

interface GridOptions {
  readonly runs: readonly RunCard[];
  readonly captions: readonly string[];
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** Ends the paintings of the grid before. */
let stopBefore = () => {};

/** Paints and shows a row a caption, a column a run; two pictures that are chosen are laid over each other below. */
function paintGrid(place: HTMLElement, { runs, captions, seed, signal }: GridOptions): void {
  stopBefore();
  const stopping = new AbortController();
  stopBefore = () => stopping.abort();
  const own = AbortSignal.any([signal, stopping.signal]);
  const wipe = element('div');
  const chooser = pairChooser(wipe);
  const cells = runs.map(() =>
    captions.map(() => element('td', { class: 'compare-cell' }, element('span', { class: 'soft' }, 'waits'))),
  );
  const heads = runs.map(({ id, name }) =>
    element('th', { scope: 'col' }, element('a', { href: `#/run/${id}` }, name), element('small', { role: 'status' })),
  );
  fill(
    place,
    element(
      'div',
      { class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'pictures' },
      element(
        'table',
        { class: 'grid compare-grid' },
        element('caption', {}, 'Choose two pictures to lay them over each other.'),
        element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'caption'), heads)),
        element(
          'tbody',
          {},
          captions.map((caption, row) =>
            element(
              'tr',
              {},
              element('th', { scope: 'row' }, caption),
              cells.map(column => column[row]),
            ),
          ),
        ),
      ),
    ),
    wipe,
  );
  for (const [column, run] of runs.entries()) {
    void paintColumn(
      { run, captions, seed, cells: cells[column], said: heads[column].querySelector('small')!, chooser },
      own,
    );
  }
}

interface Column {
  readonly run: RunCard;
  readonly captions: readonly string[];
  readonly seed: number;
  readonly cells: readonly HTMLElement[];
  readonly said: HTMLElement;
  readonly chooser: (picture: WipePicture, button: HTMLElement) => void;
}

async function paintColumn({ run, captions, seed, cells, said, chooser }: Column, signal: AbortSignal): Promise<void> {
  const fail = (message: string) => {
    fill(said, '');
    for (const cell of cells) fill(cell, element('span', { class: 'bad' }, message));
  };
  try {
    const body = { run: run.id, captions, seed, numImages: 1 };
    const { job } = await call<{ readonly job: string }>('/api/paint', { method: 'POST', body, signal });
    const end = listen(() => `/api/paint/${job}/events`, {
      queued: ({ position }: { readonly position: number }) =>
        fill(said, position === 0 ? 'next' : `${position} before it`),
      started: () => fill(said, 'paints'),
      progress: ({ painted, of }: { readonly painted: number; readonly of: number }) => {
        fill(said, `${Math.round((100 * painted) / Math.max(1, of))}%`);
      },
      tiles: ({ image, png }: { readonly image: number; readonly png: string }) => {
        if (cells[image] !== undefined) showIn(cells[image], `data:image/png;base64,${png}`, '');
      },
      done: ({ images }: Painted) => {
        end();
        fill(said, '');
        for (const [i, { url, caption }] of images.entries()) {
          if (cells[i] === undefined) continue;
          const src = keyed(url);
          const picture = showIn(cells[i], src, caption);
          const button = element(
            'button',
            { type: 'button', class: 'compare-pick', 'aria-pressed': 'false', 'aria-label': `${run.name}: ${caption}` },
            picture,
          );
          button.addEventListener('click', () => chooser({ src, words: `${run.name}: ${caption}` }, button));
          fill(cells[i], button);
        }
      },
      failed: ({ message }: { readonly message: string }) => {
        end();
        fail(message);
      },
    });
    signal.addEventListener(
      'abort',
      () => {
        end();
        void call(`/api/paint/${job}`, { method: 'DELETE', body: {} }).catch(() => {});
      },
      { once: true },
    );
  } catch (error) {
    if (!signal.aborted) fail(error instanceof Error ? error.message : String(error));
  }
}

function showIn(cell: HTMLElement, src: string, alt: string): HTMLImageElement {
  const picture = element('img', { src, alt, class: 'compare-picture' });
  fill(cell, picture);
  return picture;
}

/** Keeps the two pictures that were chosen last. */
function pairChooser(place: HTMLElement): Column['chooser'] {
  const chosen: { readonly picture: WipePicture; readonly button: HTMLElement }[] = [];
  return (picture, button) => {
    const at = chosen.findIndex(each => each.button === button);
    if (at >= 0) chosen.splice(at, 1);
    else chosen.push({ picture, button });
    if (chosen.length > 2) chosen.shift()?.button.setAttribute('aria-pressed', 'false');
    button.setAttribute('aria-pressed', String(at < 0));
    const [a, b] = chosen;
    if (b === undefined) fill(place);
    else {
      fill(place, wipeView(a.picture, b.picture));
      place.scrollIntoView({ block: 'nearest' });
    }
  };
}
