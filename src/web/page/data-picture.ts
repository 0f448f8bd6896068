/**
 * @file One picture of a data set, on top of the page: itself, its captions as pieces, and beside it what a run's patch tokenizer makes of it,
 * eight times as large, with the grid of its patches.
 */
import type { CaptionPieces, DataDetail, DataFacts, DataItem } from '../studio/data/messages.ts';
import { call, keyed } from './api.ts';
import { element, failure, fill } from './dom.ts';

/** How many times as large, where there is room. */
const ZOOM = 8;
/** Room that a dialog takes around a picture. */
const AROUND = 72;

interface Shown {
  readonly facts: DataFacts;
  readonly items: readonly DataItem[];
  /** Which of them. */
  readonly at: number;
  /** Id of a run; '' for none. */
  readonly run: string;
}

/** Opens it; arrow keys turn to the picture before and after, Escape closes it. */
export function openPicture(shown: Shown): void {
  const { items } = shown;
  let at = shown.at;
  const body = element('div');
  const dialog = element('dialog', { class: 'data-dialog', 'aria-label': 'picture' });
  const close = element('button', { type: 'button', onclick: () => dialog.close() }, 'Close');
  let leaving = new AbortController();
  const turn = (by: number) => {
    const next = at + by;
    if (next < 0 || next >= items.length) return;
    at = next;
    void show();
  };
  const show = async () => {
    leaving.abort();
    leaving = new AbortController();
    const { signal } = leaving;
    try {
      await draw(body, { ...shown, at }, signal);
    } catch (error) {
      if (!signal.aborted) fill(body, failure(error));
    }
  };
  const back = element('button', { type: 'button', onclick: () => turn(-1) }, 'Previous');
  const forward = element('button', { type: 'button', onclick: () => turn(1) }, 'Next');
  dialog.append(element('p', { class: 'data-dialog-head' }, back, forward, close), body);
  dialog.addEventListener('keydown', event => {
    if (event.key === 'ArrowLeft') turn(-1);
    else if (event.key === 'ArrowRight') turn(1);
  });
  dialog.addEventListener('close', () => {
    leaving.abort();
    dialog.remove();
  });
  addEventListener('hashchange', () => dialog.close(), { once: true });
  document.body.append(dialog);
  dialog.showModal();
  void show();
}

async function draw(body: HTMLElement, { facts, items, at, run }: Shown, signal: AbortSignal): Promise<void> {
  const { index } = items[at];
  const asked = run === '' ? '' : `?run=${run}`;
  const detail = await call<DataDetail>(`/api/data/${facts.id}/items/${index}${asked}`, { signal });
  const { id, width, height, bytes, encoding, captions, pieces, grid } = detail;
  const large = keyed(`/api/data/${facts.id}/pictures/${index}?size=512`);
  const copies = facts.runs.find(each => each.id === run)?.copies === true;
  const beside = element('div', { class: 'data-pair' });
  fill(
    body,
    element('p', { class: 'soft data-name' }, `${id}, ${width} x ${height} ${encoding}, ${Math.ceil(bytes / 1024)} kB`),
    captions.map((caption, i) => captionView(caption, pieces?.[i])),
    run === ''
      ? element(
          'p',
          { class: 'soft' },
          'Choose a run in "As seen by" to see how it reads this caption and copies this picture.',
        )
      : undefined,
    run !== '' && grid !== null && copies
      ? beside
      : element('img', { src: large, alt: captions[0] ?? '', class: 'data-large' }),
  );
  if (run !== '' && grid !== null && copies) await drawPair(beside, { data: facts.id, detail, run, grid, signal });
}

interface PairOptions {
  readonly data: string;
  readonly detail: DataDetail;
  readonly run: string;
  readonly grid: number;
  readonly signal: AbortSignal;
}

/** The picture as the run sees it, and its copy through the run's patch tokenizer. */
async function drawPair(place: HTMLElement, { data, detail, run, grid, signal }: PairOptions): Promise<void> {
  const { index, imageSize, captions } = detail;
  const size = imageSize ?? 0;
  const square = keyed(`/api/data/${data}/squares/${index}?run=${run}`);
  const copy = element('div', { class: 'data-waiting' }, 'the patch tokenizer is at work');
  const view = zoomed(square, { size, grid, words: captions[0] ?? '' });
  fill(place, figure('as the run sees it', view), figure('from its codes', copy), gridSwitch(place));
  try {
    const picture = await (await fetch(square, { signal })).blob();
    const given = await call<{ readonly reconstruction: string }>(`/api/pictures?run=${run}`, {
      method: 'POST',
      body: picture,
      signal,
    });
    copy.replaceWith(zoomed(keyed(given.reconstruction), { size, grid, words: 'the same from its codes' }));
  } catch (error) {
    if (!signal.aborted) copy.replaceWith(failure(error));
  }
}

function figure(words: string, inner: HTMLElement): HTMLElement {
  return element('figure', {}, element('figcaption', {}, words), inner);
}

function zoomed(
  src: string,
  { size, grid, words }: { readonly size: number; readonly grid: number; readonly words: string },
): HTMLElement {
  const side = size * Math.max(1, Math.min(ZOOM, Math.floor((innerWidth - AROUND) / size)));
  const lines = element('div', { class: 'data-grid' });
  lines.style.backgroundSize = `${side / grid}px ${side / grid}px`;
  const box = element(
    'div',
    { class: 'data-zoom' },
    element('img', { src, alt: words, width: side, height: side }),
    lines,
  );
  box.style.width = `${side}px`;
  return element('div', { class: 'data-scroll', tabindex: 0 }, box);
}

/** Whether the grid of patches is shown. */
function gridSwitch(place: HTMLElement): HTMLElement {
  const input = element('input', { type: 'checkbox', id: 'data-grid', checked: true });
  input.addEventListener('change', () => place.classList.toggle('data-no-grid', !input.checked));
  return element('p', {}, element('label', { for: 'data-grid' }, input, ' show the patches'));
}

/** A caption as text, or as the pieces that a run reads it in; what is cut is struck out. */
function captionView(caption: string, pieces: CaptionPieces | undefined): HTMLElement {
  if (pieces === undefined) return element('p', { class: 'data-caption' }, caption);
  const { read } = pieces;
  const cut = pieces.pieces.length - read;
  return element(
    'div',
    {},
    element(
      'p',
      { class: 'data-caption data-pieces' },
      pieces.pieces.map(({ id, text }, i) =>
        element(
          'span',
          { class: i < read ? 'data-piece' : 'data-piece data-cut', title: `id ${id}` },
          text.replace(/^ /, '\u00a0'),
        ),
      ),
    ),
    element(
      'p',
      { class: 'soft' },
      `${pieces.pieces.length} ids${cut > 0 ? `, of which the last ${cut} are cut` : ''}`,
    ),
  );
}
