/** @file What is under way: the stage, how far it is, how fast, and how long it takes still; and what was said on the way. */
import type { ProgressEvent } from '../../library/progress.ts';
import { formatNumber } from '../../report/numbers.ts';
import { element, fill } from '../../web/page/dom.ts';
import { about } from '../../web/page/times.ts';
import { Pace } from './pace.ts';

/** Milliseconds between two drawings. */
const REST = 250;

export class ProgressView {
  readonly root = element('section', { class: 'under-way', 'aria-label': 'progress', hidden: true });
  private readonly stage = element('p');
  private readonly done = element('span');
  private readonly figures = element('p', { class: 'soft' });
  private readonly said = element('ul', { class: 'said', 'aria-live': 'polite' });
  private pace: Pace | undefined;
  private note = '';
  private drawnAt = 0;

  constructor() {
    const bar = element('div', { class: 'bar', role: 'progressbar', 'aria-label': 'this stage' }, this.done);
    fill(this.root, this.stage, bar, this.figures, this.said);
  }

  /** What was said before is no more of interest. */
  begin(): void {
    fill(this.said);
    this.root.hidden = false;
    this.root.classList.toggle('is-resting', false);
    this.stage.textContent = 'Reads the pictures and what was saved';
  }

  /** Nothing is under way any more; what was said stays. */
  rest(): void {
    this.pace = undefined;
    fill(this.stage);
    fill(this.figures);
    this.done.style.width = '0';
    this.root.hidden = this.said.childElementCount === 0;
    this.root.classList.toggle('is-resting', true);
  }

  taking(done: number, total: number): void {
    this.root.hidden = false;
    this.stage.textContent = 'Copies the pictures to where this page keeps them';
    this.done.style.width = `${(100 * done) / Math.max(1, total)}%`;
  }

  take(event: ProgressEvent): void {
    const now = performance.now() / 1000;
    switch (event.type) {
      case 'stage':
        this.root.hidden = false;
        this.pace = new Pace(event, now);
        this.note = '';
        this.draw(true);
        return;
      case 'step':
        this.pace?.take(event, now);
        if (event.beforehand === true)
          this.figures.textContent = `${event.note ?? ''} ${event.step} of ${event.total ?? ''}`;
        else {
          this.note = [event.loss === undefined ? '' : `loss ${formatNumber(event.loss)}`, event.note ?? '']
            .filter(Boolean)
            .join(', ');
          this.draw(false);
        }
        return;
      case 'end':
        this.say(`${event.stage}: ${event.summary ?? 'done'} (${about(event.milliseconds / 1000)})`);
        return;
      case 'skip':
        this.say(`${event.stage}: ${event.reason}`);
        return;
      case 'message':
        this.say(event.text);
        return;
      case 'pictures':
        return;
    }
  }

  private say(text: string): void {
    this.root.hidden = false;
    this.said.append(element('li', {}, text));
    this.said.scrollTop = this.said.scrollHeight;
  }

  private draw(isDue: boolean): void {
    const now = performance.now();
    const { pace } = this;
    if (pace === undefined || (!isDue && now - this.drawnAt < REST)) return;
    this.drawnAt = now;
    const { stage, index, of, unit = 'steps', secondsAfter } = pace.stage;
    this.stage.textContent = index === undefined ? stage : `${index} of ${of}: ${stage}, ${pace.place}`;
    const { share = 0, rate } = pace;
    this.done.style.width = `${100 * share}%`;
    this.done.parentElement?.setAttribute('aria-valuenow', String(Math.round(100 * share)));
    const left = pace.left(now / 1000);
    const after = secondsAfter === undefined || secondsAfter === null || secondsAfter === 0 ? 0 : secondsAfter;
    this.figures.textContent = [
      this.note,
      rate === undefined ? '' : `${formatNumber(rate)} ${unit} a second`,
      left === undefined ? '' : `about ${about(left + after)} left${after > 0 ? ' in all' : ''}`,
    ]
      .filter(Boolean)
      .join('; ');
    document.title = `${Math.floor(100 * share)}% ${stage}`;
  }
}
