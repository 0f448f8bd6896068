/** @file The field of captions: one a line, with captions that the run knows, and words that it has never seen. */
import type { CaptionOffers } from '../studio/paint/messages.ts';
import { call } from './api.ts';
import { element, fill } from './dom.ts';

/** Milliseconds without a key after which captions are looked for. */
const PAUSE = 150;

export interface CaptionsOptions {
  readonly run: string;
  /** Whether the run knows its captions. */
  readonly isKnown: boolean;
  readonly signal: AbortSignal;
  /** Ctrl-Enter. */
  readonly onPaint: () => void;
}

export class CaptionsField {
  readonly root = element('div', { class: 'paint-captions' });
  private readonly options: CaptionsOptions;
  private readonly text: HTMLTextAreaElement;
  private readonly unseen = element('p', { class: 'paint-unseen', 'aria-live': 'polite' });
  private readonly offers = element('p', { class: 'paint-offers' });
  private timer = 0;
  private asked = 0;

  constructor(options: CaptionsOptions) {
    this.options = options;
    const { onPaint } = options;
    this.text = element('textarea', {
      id: 'paint-captions',
      rows: 2,
      spellcheck: 'false',
      placeholder: 'empty: paints without one',
    });
    this.text.addEventListener('keydown', event => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      onPaint();
    });
    for (const name of ['input', 'click', 'keyup']) this.text.addEventListener(name, () => this.soon());
    fill(
      this.root,
      element('label', { for: 'paint-captions' }, 'Caption, or several, one a line'),
      this.text,
      this.unseen,
      this.offers,
    );
    if (options.isKnown) void this.look();
    else
      fill(this.offers, element('span', { class: 'soft' }, 'This run does not know the captions it was trained on.'));
  }

  /** Without empty lines; nothing is one empty caption, by which a model paints without. */
  get captions(): string[] {
    const lines = this.text.value.split('\n').map(line => line.trim());
    const captions = [...new Set(lines.filter(line => line !== ''))];
    return captions.length === 0 ? [''] : captions;
  }

  set captions(captions: readonly string[]) {
    this.text.value = captions.join('\n');
    this.fit();
    this.soon();
  }

  focus(): void {
    this.text.focus();
  }

  private fit(): void {
    this.text.rows = Math.min(8, Math.max(2, this.text.value.split('\n').length));
  }

  private soon(): void {
    this.fit();
    if (!this.options.isKnown) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), PAUSE);
  }

  /** The line that is being written: where it begins and ends. */
  private get line(): readonly [from: number, to: number] {
    const { value, selectionStart } = this.text;
    const end = value.indexOf('\n', selectionStart);
    return [value.lastIndexOf('\n', selectionStart - 1) + 1, end < 0 ? value.length : end];
  }

  private async look(): Promise<void> {
    const { run, signal } = this.options;
    const asked = ++this.asked;
    const line = this.text.value.slice(...this.line);
    const path = `/api/runs/${run}/captions?search=${encodeURIComponent(line)}`;
    const found = await call<CaptionOffers>(path, { signal }).catch(() => undefined); // painting says what is wrong
    if (found !== undefined && asked === this.asked) this.draw(line, found);
  }

  private draw(line: string, { captions, unseen }: CaptionOffers): void {
    const others = captions.filter(({ caption }) => caption !== line.trim());
    fill(
      this.unseen,
      unseen.map(({ word, near }) => [
        element('b', {}, word),
        ' was never seen in training',
        near.length === 0 ? '. ' : ['; it knows ', near.map(known => [this.wordButton(word, known), ' '])],
      ]),
    );
    fill(
      this.offers,
      others.length === 0
        ? undefined
        : element('span', { class: 'soft' }, line.trim() === '' ? 'It knows ' : 'Known captions '),
      others.map(({ caption }) => [
        element('button', { type: 'button', class: 'paint-offer', onclick: () => this.put(caption) }, caption),
        ' ',
      ]),
    );
  }

  private wordButton(word: string, known: string): HTMLElement {
    const [from, to] = this.line;
    const replace = () => {
      const line = this.text.value.slice(from, to);
      const at = line.toLowerCase().indexOf(word);
      this.put(at < 0 ? line : line.slice(0, at) + known + line.slice(at + word.length));
    };
    return element('button', { type: 'button', class: 'paint-offer', onclick: replace }, known);
  }

  /** Puts a caption in the place of the line. */
  private put(caption: string): void {
    const [from, to] = this.line;
    this.text.setRangeText(caption, from, to, 'end');
    this.text.focus();
    this.soon();
  }
}
