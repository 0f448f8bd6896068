/** @file The stages of a training as bands, as wide as they are long; the one that is chosen is whose curves are shown. */
import { formatCount } from '../../report/numbers.ts';
import type { RunDetail, StageCurves } from '../studio/messages.ts';
import { element, fill } from './dom.ts';
import { about } from './times.ts';

export class StagesView {
  readonly root = element('div', { class: 'stages', role: 'tablist', 'aria-label': 'stages of the training' });
  chosen: string | undefined;
  /** Whether the stage that is trained is shown, whichever that is. */
  private following = true;
  private readonly onChoice: () => void;
  private drawn = '';

  constructor(onChoice: () => void) {
    this.onChoice = onChoice;
    this.root.addEventListener('keydown', event => this.turn(event));
  }

  choose(name: string | undefined): void {
    this.chosen = name;
  }

  /** Goes to the stage that is trained now, unless another one was chosen. */
  follow(name: string | undefined): void {
    if (this.following && name !== undefined) this.chosen = name;
  }

  draw(stages: RunDetail['stages'], logs: readonly StageCurves[], { card }: RunDetail): void {
    const shown = stages
      .filter(({ name }) => name !== 'codes')
      .map(({ name, title, seconds }) => {
        const log = logs.find(each => each.name === name);
        const isNow = card.live && card.stage === name;
        const total = isNow && card.steps > 0 ? card.steps : (log?.total ?? 0);
        return {
          name,
          title,
          weight: Math.max(log?.seconds ?? 0, seconds ?? 0),
          words: wordsOf(log, total, seconds),
          log,
          total,
        };
      });
    const text = JSON.stringify([shown.map(({ log, ...rest }) => [rest, log?.step]), this.chosen]);
    if (text === this.drawn) return;
    this.drawn = text;
    const hadFocus = this.root.contains(document.activeElement);
    const longest = Math.max(1, ...shown.map(({ weight }) => weight));
    const tabs = shown.map(({ name, title, weight, words, log, total }) => {
      const isChosen = name === this.chosen;
      const tab = element(
        'button',
        {
          type: 'button',
          role: 'tab',
          'aria-selected': String(isChosen),
          tabindex: isChosen ? 0 : -1,
          disabled: log === undefined,
          'data-stage': name,
        },
        element('span', { class: 'stage-name' }, title),
        element('span', { class: 'stage-state' }, words),
        element(
          'span',
          { class: 'stage-bar', 'aria-hidden': 'true' },
          bar(log === undefined || total === 0 ? 0 : log.step / total),
        ),
      );
      tab.addEventListener('click', () => this.take(name));
      tab.style.flexGrow = String(0.3 + weight / longest);
      return tab;
    });
    fill(this.root, tabs);
    if (hadFocus) this.focus();
  }

  private take(name: string): void {
    this.chosen = name;
    this.following = false;
    this.onChoice();
    this.focus();
  }

  private focus(): void {
    this.root.querySelector<HTMLElement>('[aria-selected=true]')?.focus();
  }

  /** Arrows go from stage to stage. */
  private turn(event: KeyboardEvent): void {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const tabs = [...this.root.querySelectorAll<HTMLButtonElement>('button:not(:disabled)')];
    const at = tabs.findIndex(tab => tab.dataset.stage === this.chosen);
    const next = tabs[at + by]?.dataset.stage;
    if (next !== undefined) this.take(next);
  }
}

function wordsOf(log: StageCurves | undefined, total: number, planned: number | null): string {
  if (log === undefined) return planned === null ? 'not begun' : `not begun; planned: ${about(planned)}`;
  const took = log.seconds === null ? '' : `, ${about(log.seconds)}`;
  if (log.step >= total) return `${formatCount(log.step)} steps${took}`;
  return `step ${formatCount(log.step)} of ${formatCount(total)}${took}`;
}

function bar(share: number): HTMLElement {
  const done = element('span');
  done.style.width = `${Math.min(100, 100 * share)}%`;
  return done;
}
