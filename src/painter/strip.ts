/** @file The pictures that have been painted since the page was opened, the newest first; one that is chosen is shown again. */
import { element, fill } from '../web/page/dom.ts';
import { describe, type Result } from './asked.ts';

/** Pictures that are remembered. */
const MOST = 60;

export class Strip {
  readonly root = element('section', {
    class: 'strip-of-results',
    'aria-label': 'pictures painted so far',
    hidden: true,
  });
  private readonly list = element('ul');
  private readonly onChoose: (result: Result) => void;
  private readonly entries = new Map<Result, HTMLButtonElement>();

  constructor(onChoose: (result: Result) => void) {
    this.onChoose = onChoose;
    fill(this.root, element('h2', {}, 'Painted so far'), this.list);
  }

  add(result: Result): void {
    const { width, height } = result.picture;
    const canvas = element('canvas', { width, height, 'aria-hidden': 'true' });
    canvas.getContext('2d')?.putImageData(result.picture, 0, 0);
    const words = describe(result);
    const onclick = () => {
      this.mark(result);
      this.onChoose(result);
    };
    const button = element('button', { type: 'button', title: words, 'aria-label': words, onclick }, canvas);
    this.entries.set(result, button);
    this.list.prepend(element('li', {}, button));
    this.root.hidden = this.entries.size < 2;
    const [oldest] = this.entries.keys();
    if (this.entries.size > MOST) {
      this.entries.get(oldest)?.parentElement?.remove();
      this.entries.delete(oldest);
    }
    this.mark(result);
  }

  /** Marks the one that is shown. */
  private mark(shown: Result): void {
    for (const [result, button] of this.entries) {
      if (result === shown) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    }
  }
}
