/** @file One picture of a painting: as it appears, and once it is done with what can be done with it, how unsure it was, and what it is like. */
import type { DoneImage, NearestPicture } from '../studio/paint/messages.ts';
import { call, keyed } from './api.ts';
import { element, failure, fill } from './dom.ts';
import { heatLayer } from './heat.ts';

/** What a picture needs of the page. */
export interface PictureOptions {
  readonly signal: AbortSignal;
  /** Takes the picture to be completed; absent where the run completes none. */
  readonly onComplete?: (picture: Blob) => void;
}

export class PictureView {
  readonly root = element('figure', { class: 'paint-picture' });
  private readonly options: PictureOptions;
  private readonly board = element('div', { class: 'paint-board' });
  private readonly image = element('img', { alt: 'not painted yet' });
  private readonly foot = element('figcaption');
  private readonly near = element('div', { class: 'paint-near', 'aria-live': 'polite' });
  private done: DoneImage | undefined;
  private heat: HTMLCanvasElement | undefined;
  private asked = '';

  /** @param size side of the picture in pixels */
  constructor(size: number, options: PictureOptions) {
    this.options = options;
    this.image.width = size;
    this.image.height = size;
    fill(this.root, fill(this.board, this.image), this.foot);
    this.root.classList.add('paint-empty');
  }

  /** Shows what is there of it. @param png in base 64 */
  appear(png: string): void {
    this.root.classList.remove('paint-empty');
    this.image.src = `data:image/png;base64,${png}`;
    this.image.alt = 'unfinished picture';
  }

  finish(done: DoneImage): void {
    this.done = done;
    this.root.classList.remove('paint-empty');
    this.image.src = keyed(done.url);
    this.image.alt = `${done.caption || 'no caption'}, image ${done.index} of seed ${done.seed}`;
    if (done.logProbabilities !== undefined) this.heat = heatLayer(done.logProbabilities);
    const { onComplete } = this.options;
    fill(
      this.foot,
      element('a', { href: keyed(done.url), download: done.file, 'aria-label': `save image ${done.index}` }, 'Save'),
      onComplete === undefined
        ? undefined
        : element(
            'button',
            { type: 'button', class: 'paint-link', onclick: () => void this.complete(onComplete) },
            'Complete',
          ),
    );
    fill(this.root, this.board, this.foot, this.near);
  }

  showHeat(shown: boolean): void {
    if (this.heat === undefined) return;
    this.board.classList.toggle('paint-grey', shown);
    if (shown) this.board.append(this.heat);
    else this.heat.remove();
  }

  /** Shows the nearest training image. @param data of which set; undefined: none is shown */
  async showNearest(data: string | undefined): Promise<void> {
    if (this.done === undefined) return;
    if (data === undefined) {
      this.asked = '';
      fill(this.near);
      return;
    }
    if (this.asked === data) return;
    this.asked = data;
    fill(this.near, element('small', { class: 'soft' }, 'looking …'));
    const { signal } = this.options;
    try {
      const found = await call<NearestPicture>(`${this.done.url}/nearest?data=${data}`, { signal });
      if (this.asked !== data) return;
      const { url, caption, distance, of } = found;
      const title = `of ${of} training images; distance: root mean square of the differences, 0 for a copy`;
      fill(
        this.near,
        element('img', { src: url, alt: `nearest training image: ${caption}` }),
        element('small', { title }, `${caption} (${distance.toFixed(3)})`),
      );
    } catch (error) {
      if (!signal.aborted && this.asked === data) fill(this.near, failure(error));
    }
  }

  private async complete(take: (picture: Blob) => void): Promise<void> {
    const response = await fetch(this.image.src, { signal: this.options.signal });
    if (response.ok) take(await response.blob());
  }
}
