/** @file The plan of a training before it begins: how long it may take, what comes of that in words, and what is not used. */
import { element, fill } from '../../web/page/dom.ts';
import type { Planned, Unused } from '../messages.ts';

const MINUTES = 10;

export class PlanView {
  readonly root: HTMLElement;
  /** Told whether there is a plan to be trained. */
  onReady: (isReady: boolean) => void = () => {};
  private readonly minutes = element('input', { type: 'number', id: 'minutes', min: 1, max: 1440, value: MINUTES });
  private readonly room = element('div', { 'aria-live': 'polite' });
  private readonly plan: (fields: Readonly<Record<string, unknown>>) => void;
  private isAsked = false;
  private isChanged = false;

  /** @param plan has one made by these fields */
  constructor(name: string, plan: (fields: Readonly<Record<string, unknown>>) => void) {
    this.plan = plan;
    this.root = element(
      'section',
      { 'aria-label': 'plan' },
      element('h1', {}, name),
      element('p', { class: 'actions' }, element('label', { for: 'minutes' }, 'Minutes to train'), this.minutes),
      this.room,
    );
    this.minutes.addEventListener('change', () => this.ask());
  }

  /** Asks for a plan; while one is made, for another one after it. */
  ask(): void {
    this.onReady(false);
    if (this.isAsked) {
      this.isChanged = true;
      return;
    }
    this.isAsked = true;
    fill(this.room, element('p', { class: 'soft' }, 'Looks at the pictures and measures this device: some seconds.'));
    this.plan({ plan: { minutes: this.minutes.valueAsNumber || MINUTES } });
  }

  /** @param planned undefined: it could not be made, which stands elsewhere */
  show(planned: Planned | undefined): void {
    this.isAsked = false;
    if (this.isChanged) {
      this.isChanged = false;
      this.ask();
      return;
    }
    if (planned === undefined) {
      fill(this.room);
      return;
    }
    const { lines, backend, problems, unused } = planned;
    const rows = lines.map(line => {
      const [, label = '', text = ''] = /^(\S+)\s+(.*)$/s.exec(line) ?? [];
      return [label, text.replace(/ \([^()]*--minutes N\)/, '')] as const;
    });
    const shown = [
      ...rows.filter(([label]) => label !== 'memory'),
      ['computes on', WHERE[backend] ?? backend] as const,
    ];
    fill(
      this.room,
      element(
        'table',
        { class: 'plan' },
        element(
          'tbody',
          {},
          shown.map(([label, text]) =>
            element('tr', {}, element('th', { scope: 'row' }, label), element('td', {}, text)),
          ),
        ),
      ),
      leftOut(problems, count => `${count} left out, which cannot be used`),
      leftOut(unused, count => `${count} that ${count.startsWith('1 ') ? 'is' : 'are'} no part of the data`),
    );
    this.onReady(true);
  }
}

const WHERE: Readonly<Record<string, string>> = {
  webgpu: 'the graphics processor (WebGPU)',
  native: 'the processor (WebAssembly)',
  wasm: 'the processor (WebAssembly)',
  cpu: 'the processor (JavaScript, very slow)',
};

function leftOut(files: readonly Unused[], words: (count: string) => string): HTMLElement | undefined {
  if (files.length === 0) return undefined;
  return element(
    'details',
    { class: 'left-out', open: files.length < 4 },
    element('summary', {}, words(files.length === 1 ? '1 file' : `${files.length} files`)),
    element(
      'ul',
      {},
      files.map(({ id, what }) => element('li', {}, `${id}: ${what}`)),
    ),
  );
}
