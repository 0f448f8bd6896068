/** @file The field of the caption, with captions that the run knows, and words that it has never seen. */
import type { LearntCaptions } from '../runs/learnt/parse.ts';
import { listCaptions, searchCaptions } from '../runs/learnt/search.ts';
import { unseenWords } from '../runs/learnt/unseen.ts';
import { element, fill } from '../web/page/dom.ts';

/** Captions that are offered at once. */
const OFFERED = 8;
/** Milliseconds without a key after which captions are looked for. */
const PAUSE = 120;
/** Of the captions of the most pictures: surprises are drawn among all of these. */
const SURPRISES = 3000;

export class CaptionField {
  readonly root = element('div', { class: 'ask-caption' });
  private readonly input: HTMLInputElement;
  private readonly unseen = element('p', { class: 'paint-unseen', 'aria-live': 'polite' });
  private readonly offers = element('p', { class: 'paint-offers' });
  private known: LearntCaptions | undefined;
  private some: readonly string[] = [];
  private timer = 0;

  private readonly onPaint: () => void;

  /** @param onPaint a known caption was chosen */
  constructor(onPaint: () => void) {
    this.onPaint = onPaint;
    this.input = element('input', {
      ...{ type: 'text', id: 'caption', enterkeyhint: 'go', autocomplete: 'off', maxlength: 500 },
      ...{ placeholder: 'say what to paint', 'aria-describedby': 'unseen' },
    });
    this.unseen.id = 'unseen';
    this.input.addEventListener('input', () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.look(), PAUSE);
    });
    fill(this.root, element('label', { for: 'caption' }, 'What shall it paint?'), this.input);
  }

  /** What stands below the field. */
  readonly help = element('div', { class: 'ask-help' }, this.unseen, this.offers);

  get caption(): string {
    return this.input.value.trim();
  }

  set caption(caption: string) {
    this.input.value = caption;
    this.look();
  }

  focus(): void {
    this.input.focus();
  }

  /** Takes what the run knows, as soon as that is there. */
  know(known: LearntCaptions | undefined): void {
    this.known = known;
    if (known !== undefined) this.some = listCaptions(known, SURPRISES).captions.map(({ caption }) => caption);
    this.look();
  }

  /** A caption that the run knows; undefined if it knows none. */
  surprise(): string | undefined {
    return draw(this.some, 1)[0];
  }

  private look(): void {
    const { known, caption } = this;
    if (known === undefined) return;
    fill(
      this.unseen,
      unseenWords(caption, known).map(({ word, nearest }) => [
        element('b', {}, word),
        ' is a word it never saw in training',
        nearest === undefined
          ? '. '
          : ['; it knows ', this.offer(nearest.word, () => this.replace(word, nearest.word)), ' '],
      ]),
    );
    const found = caption === '' ? undefined : searchCaptions(known, caption, OFFERED + 1);
    const near = found?.instead?.found ?? found?.some;
    const wanted = [...(found?.found.captions ?? []), ...(near?.captions ?? [])].map(found => found.caption);
    const others = wanted.filter(other => other !== caption).slice(0, OFFERED);
    const offered = caption === '' || others.length === 0 ? draw(this.some, OFFERED) : others;
    fill(
      this.offers,
      element('span', { class: 'soft' }, caption === '' || others.length === 0 ? 'It knows, for example,' : 'It knows'),
      offered.map(text => this.offer(text, () => this.choose(text))),
    );
  }

  private offer(text: string, onclick: () => void): HTMLElement {
    return element('button', { type: 'button', class: 'paint-offer', onclick }, text);
  }

  private choose(caption: string): void {
    this.caption = caption;
    this.onPaint();
  }

  private replace(word: string, known: string): void {
    const at = this.caption.toLowerCase().indexOf(word);
    this.caption = at < 0 ? this.caption : this.caption.slice(0, at) + known + this.caption.slice(at + word.length);
    this.focus();
  }
}

/** Some of a list, drawn without repeats. */
function draw<T>(list: readonly T[], count: number): T[] {
  const rest = [...list];
  return Array.from({ length: Math.min(count, rest.length) }, () => {
    return rest.splice(Math.floor(Math.random() * rest.length), 1)[0];
  });
}
