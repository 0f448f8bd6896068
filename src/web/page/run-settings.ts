/** @file The settings of a run with what each means, those that were chosen first; and the command that goes on with it. */
import type { RunDetail, Setting } from '../studio/messages.ts';
import { command, element } from './dom.ts';

export function settingsSection({ settings, command: words, card, path }: RunDetail): HTMLElement {
  const chosen = settings.filter(({ isChosen }) => isChosen);
  const rest = settings.filter(({ isChosen }) => !isChosen);
  return element(
    'section',
    { 'aria-label': 'settings' },
    element('h2', {}, 'Settings'),
    element('p', { class: 'soft' }, `Those that differ from the defaults; all are in ${path}/config.json.`),
    settingsTable(chosen, 'settings that differ from the defaults'),
    element(
      'details',
      {},
      element('summary', {}, `${rest.length} settings at their defaults`),
      settingsTable(rest, 'settings at their defaults'),
    ),
    element('h2', {}, 'In the terminal'),
    element(
      'p',
      {},
      card.isShipped === true
        ? 'Starts a training of yours from this model:'
        : 'Goes on with this training, from its last save; DATA is what it was trained on:',
    ),
    command(words),
  );
}

function settingsTable(settings: readonly Setting[], caption: string): HTMLElement {
  const rows = settings.map(({ name, value, description }) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, name),
      element('td', { class: 'run-value' }, typeof value === 'string' ? value : JSON.stringify(value)),
      element('td', { class: 'soft' }, description),
    ),
  );
  return element(
    'div',
    { class: 'wide', tabindex: 0, role: 'region', 'aria-label': caption },
    element('table', { class: 'run-settings' }, element('tbody', {}, rows)),
  );
}
