/** @file Other runs to be laid over the one that is shown: chosen from a list, taken away by their buttons. */
import type { RunCard } from '../studio/messages.ts';
import { element, fill } from './dom.ts';

/** Runs at once: more lines nobody tells apart. */
const MOST = 5;

export class OthersView {
  readonly root = element('div', { class: 'run-others' });
  chosen: readonly string[] = [];
  private readonly onChoice: (ids: readonly string[]) => void;

  constructor(onChoice: (ids: readonly string[]) => void) {
    this.onChoice = onChoice;
  }

  /** @param cards the runs that there are beside this one */
  set(cards: readonly RunCard[], chosen: readonly string[]): void {
    this.chosen = chosen.slice(0, MOST);
    const free = cards.filter(({ id, problem }) => !this.chosen.includes(id) && problem === undefined);
    if (cards.length === 0) {
      fill(this.root);
      return;
    }
    const select = element(
      'select',
      { id: 'others', disabled: free.length === 0 || this.chosen.length === MOST },
      element('option', { value: '' }, 'choose a run'),
      free.map(({ id, name, title }) => element('option', { value: id }, `${name} (${title})`)),
    );
    select.addEventListener('change', () => {
      if (select.value !== '') this.onChoice([...this.chosen, select.value]);
    });
    const chips = this.chosen.map((id, i) => {
      const name = cards.find(card => card.id === id)?.name ?? id;
      const button = element(
        'button',
        { type: 'button', class: `chip tone-run-${(i + 1) % 6}`, 'aria-label': `take ${name} away` },
        `${name} ×`,
      );
      button.addEventListener('click', () => this.onChoice(this.chosen.filter(each => each !== id)));
      return button;
    });
    fill(this.root, element('label', { for: 'others' }, 'Lay another run over this one '), select, chips);
  }
}
