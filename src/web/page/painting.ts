/** @file One painting on the page: its state while it waits and is painted, its pictures as they appear, and what can be done with it then. */
import type { PaintEvents, PaintingFacts, PaintOrder } from '../studio/paint/messages.ts';
import { call, keyed, listen } from './api.ts';
import { command, element, fill } from './dom.ts';
import { download } from './download.ts';
import { maskFile } from './mask-file.ts';
import { describeOrder } from './paint-form.ts';
import { PictureView } from './paint-picture.ts';
import type { Slots } from './slots.ts';

export interface PaintingOptions {
  readonly facts: PaintingFacts;
  readonly job: string;
  readonly order: PaintOrder;
  readonly signal: AbortSignal;
  /** Streams of events that are open at a time. */
  readonly slots: Slots;
  /** Asks for the same with another seed. */
  readonly onAgain: (order: PaintOrder) => void;
  readonly onComplete?: (picture: Blob) => void;
  /** Called when there is something new to be shown. */
  readonly onDone: () => void;
}

export class PaintingView {
  readonly root = element('section', { class: 'paint-painting' });
  private readonly options: PaintingOptions;
  private readonly state = element('p', { class: 'paint-state', role: 'status' });
  private readonly bar = element('progress', { max: 1, 'aria-label': 'painted' });
  private readonly notes = element('div');
  private readonly after = element('div', { class: 'paint-after' });
  private readonly pictures: PictureView[];
  private unlisten = () => {};

  constructor(options: PaintingOptions) {
    this.options = options;
    const { facts, job, order, signal, onComplete } = options;
    const count = order.captions.length * order.numImages;
    this.pictures = Array.from({ length: count }, () => new PictureView(facts.imageSize, { signal, onComplete }));
    this.root.style.setProperty('--side', `${sideOf(facts.imageSize)}px`);
    fill(
      this.root,
      element('p', { class: 'soft paint-order' }, describeOrder(order)),
      this.state,
      this.notes,
      order.captions.map((caption, i) => [
        element('h3', {}, caption || '(no caption)'),
        element(
          'div',
          { class: 'paint-pictures' },
          this.pictures.slice(i * order.numImages, (i + 1) * order.numImages).map(({ root }) => root),
        ),
      ]),
      this.after,
    );
    this.say('Waits for its turn …');
    options.slots.take(leave => {
      if (signal.aborted) return;
      const unlisten = this.listen(job);
      this.unlisten = () => {
        unlisten();
        leave();
      };
      signal.addEventListener('abort', this.unlisten, { once: true });
    });
  }

  private listen(job: string): () => void {
    return listen(() => `/api/paint/${job}/events`, {
      queued: ({ position }: PaintEvents['queued']) =>
        this.say(position === 1 ? 'Waits for one painting before it' : `Waits for ${position} paintings before it`),
      started: ({ polite }: PaintEvents['started']) => {
        this.say('Opening the model …');
        if (polite !== null) this.note(polite);
      },
      progress: ({ painted, of }: PaintEvents['progress']) => {
        this.say(`Painting, ${Math.floor((100 * painted) / of)}%`);
        this.bar.value = painted / of;
      },
      tiles: ({ image, png }: PaintEvents['tiles']) => this.pictures[image]?.appear(png),
      warning: ({ line }: PaintEvents['warning']) => this.note(line),
      done: (done: PaintEvents['done']) => this.finish(done),
      failed: (failed: PaintEvents['failed']) => this.fail(failed),
    });
  }

  showHeat(shown: boolean): void {
    for (const picture of this.pictures) picture.showHeat(shown);
  }

  /** One picture after another: the data set is read once. */
  async showNearest(data: string | undefined): Promise<void> {
    for (const picture of this.pictures) await picture.showNearest(data);
  }

  /** Stops it. */
  cancel(): void {
    void call(`/api/paint/${this.options.job}`, { method: 'DELETE' }).catch(() => {}); // it is over, then
  }

  private say(words: string): void {
    const stop = element('button', { type: 'button', onclick: () => this.cancel() }, 'Cancel');
    if (this.state.firstElementChild === this.bar) this.state.children[1].textContent = words;
    else fill(this.state, this.bar, element('span', {}, words), stop);
  }

  private note(words: string): void {
    const there = [...this.notes.children].some(({ textContent }) => textContent === words);
    if (!there) this.notes.append(element('p', { class: 'soft' }, words));
  }

  private fail({ message, hint, cancelled }: PaintEvents['failed']): void {
    this.unlisten();
    fill(this.state);
    const words = cancelled ? 'Cancelled' : message;
    fill(
      this.after,
      element(
        'p',
        { class: cancelled ? 'soft' : 'failure', role: 'status' },
        words,
        hint === undefined ? '' : `; ${hint}`,
      ),
    );
    if (cancelled) for (const picture of this.pictures) picture.root.remove();
  }

  private finish({ images, command: line, needs, unseen }: PaintEvents['done']): void {
    this.unlisten();
    const { order, facts, onAgain, onDone } = this.options;
    fill(this.state);
    for (const [i, image] of images.entries()) this.pictures[i]?.finish(image);
    if (unseen !== null) this.note(unseen);
    for (const { caption, cut } of images) {
      if (cut !== undefined) this.note(`"${caption.slice(0, 40)} …" is longer than ${cut} ids, and was cut`);
    }
    const again = () => onAgain({ ...order, seed: (order.seed + 1) % 2 ** 32 });
    const { completion } = order;
    fill(
      this.after,
      element(
        'p',
        { class: 'paint-row' },
        element('button', { type: 'button', class: 'paint-again', onclick: again }, 'Same settings, next seed'),
      ),
      element(
        'details',
        {},
        element('summary', {}, 'The command that paints this'),
        command(line),
        completion === undefined
          ? undefined
          : element(
              'p',
              { class: 'soft' },
              'It reads ',
              element(
                'a',
                { href: keyed(`/api/pictures/${completion.picture}`), download: 'picture.png' },
                'picture.png',
              ),
              needs.includes('mask.png') ? [' and ', maskButton(completion.keep, facts.imageSize)] : undefined,
              ', to be saved first where the command is run.',
            ),
      ),
    );
    onDone();
  }
}

/** How large a picture of some pixels is shown: a whole number of times. */
function sideOf(pixels: number): number {
  return pixels * Math.max(1, Math.round(128 / pixels));
}

function maskButton(keep: readonly boolean[], size: number): HTMLElement {
  const save = async () => download(await maskFile(keep, size), 'mask.png');
  return element('button', { type: 'button', class: 'paint-link', onclick: () => void save() }, 'mask.png');
}
