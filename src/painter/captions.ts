/** @file The field of the caption, with captions that the run knows, and words that it has never seen. */
import type { LearntCaptions } from '../runs/learnt/parse.ts';
import { listCaptions, searchCaptions } from '../runs/learnt/search.ts';
import { unseenWords } from '../runs/learnt/unseen.ts';
import { element, fill } from '../web/page/dom.ts';

/** Captions that are offered at once. */
const OFFERED = 8;
/** Milliseconds without a key after which captions are looked for. */
const PAUSE = 120;
/** Longest caption that is a surprise: long ones are mostly variants of others. */
const SHORT = 24;

export class CaptionField {
  readonly root = element('div', { class: 'ask-caption' });
  private readonly input: HTMLInputElement;
  private readonly unseen = element('p', { class: 'paint-unseen', 'aria-live': 'polite' });
  private readonly offers = element('p', { class: 'paint-offers' });
  private known: LearntCaptions | undefined;
  private examples: readonly string[];
  /** Surprises to come. */
  private readonly surprises: string[];
  private timer = 0;

  private readonly onPaint: () => void;

  /** @param examples what is offered first; @param onPaint a caption was chosen */
  constructor(examples: readonly string[], onPaint: () => void) {
    this.examples = examples;
    this.surprises = draw(examples, examples.length);
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
    this.look();
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
    if (known === undefined) return;
    const all = listCaptions(known, known.kept).captions.map(({ caption }) => caption);
    const short = all.filter(({ length }) => length <= SHORT);
    if (this.examples.length === 0) this.examples = short.length > 0 ? short : all;
    this.surprises.push(...draw(short, short.length));
    this.look();
  }

  /** A caption that the run knows; undefined if it knows none. */
  surprise(): string | undefined {
    return this.surprises.shift() ?? draw(this.examples, 1)[0];
  }

  private look(): void {
    const { known, caption } = this;
    const unseen = known === undefined ? [] : unseenWords(caption, known);
    fill(
      this.unseen,
      unseen.map(({ word, nearest }) => [
        element('b', {}, word),
        ' is a word it never saw in training',
        nearest === undefined
          ? '. '
          : ['; it knows ', this.offer(nearest.word, () => this.replace(word, nearest.word)), ' '],
      ]),
    );
    const others = this.similar();
    // Whoever has a caption may want another one.
    const rest = draw(
      this.examples.filter(text => text !== caption && !others.includes(text)),
      OFFERED - others.length,
    );
    const offered = others.length > 0 && !this.isKnown(caption) ? others : [...others, ...rest];
    fill(
      this.offers,
      offered.length === 0
        ? undefined
        : element('span', { class: 'soft' }, others.length > 0 ? 'It knows' : 'For example'),
      offered.map(text => this.offer(text, () => this.choose(text))),
    );
  }

  /** Known captions with the words that stand there. */
  private similar(): string[] {
    const { known, caption } = this;
    if (known === undefined || caption === '') return [];
    const found = searchCaptions(known, caption, OFFERED + 1);
    const near = found?.instead?.found ?? found?.some;
    const all = [...(found?.found.captions ?? []), ...(near?.captions ?? [])].map(each => each.caption);
    return all.filter(other => other !== caption).slice(0, this.isKnown(caption) ? OFFERED / 2 : OFFERED);
  }

  private isKnown(caption: string): boolean {
    return this.known?.lists.some(({ captions }) => captions.includes(caption)) === true;
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
