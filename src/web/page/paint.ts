/** @file The page that paints with a run, and completes pictures with it. */
import type { PaintingFacts, PaintOrder, PaintTicket, Remembered } from '../studio/paint/messages.ts';
import { call } from './api.ts';
import { element, failure, fill } from './dom.ts';
import { heatLegend } from './heat.ts';
import type { Page } from './page.ts';
import { CompletionView } from './paint-completion.ts';
import { PaintForm } from './paint-form.ts';
import { PaintingView } from './painting.ts';
import { Slots } from './slots.ts';

/** Most paintings that are shown. */
const MOST = 30;

export const paintPage: Page = {
  open: async (main, { run }, { signal, setTitle }) => {
    const facts = await call<PaintingFacts>(`/api/runs/${run}/painting`, { signal });
    setTitle(`Paint with ${facts.name}`);
    if (facts.problem !== null) {
      fill(main, ...heading(facts), element('p', {}, `It cannot paint yet: ${facts.problem}.`));
      return undefined;
    }
    const page = new PaintPage(facts, signal);
    fill(main, ...heading(facts), page.root);
    await page.remember();
    return undefined;
  },
};

function heading({ id, name, title, imageSize, captions, polite }: PaintingFacts): HTMLElement[] {
  const knows = captions === null ? '' : `, trained on ${captions.toLocaleString('en')} captions`;
  return [
    element('h1', {}, 'Paint'),
    element(
      'p',
      { class: 'lead' },
      'With ',
      element('a', { href: `#/run/${id}` }, name),
      `: ${title}, ${imageSize} × ${imageSize} pixels${knows}`,
    ),
    ...(polite === null ? [] : [element('p', { class: 'warning' }, polite)]),
  ];
}

class PaintPage {
  readonly root = element('div', { class: 'paint' });
  private readonly facts: PaintingFacts;
  private readonly signal: AbortSignal;
  private readonly form: PaintForm;
  private readonly completion: CompletionView;
  private readonly trouble = element('div', { 'aria-live': 'polite' });
  private readonly list = element('div', { class: 'paint-list' });
  private readonly heat = element('input', { type: 'checkbox', id: 'paint-heat' });
  private readonly near = element('input', { type: 'checkbox', id: 'paint-near' });
  private readonly sets = element('select', { 'aria-label': 'data set to look in' });
  private readonly slots = new Slots(2);
  private paintings: PaintingView[] = [];

  constructor(facts: PaintingFacts, signal: AbortSignal) {
    this.facts = facts;
    this.signal = signal;
    const paint = () => void this.paint();
    this.form = new PaintForm({ facts, signal, onPaint: paint });
    this.completion = new CompletionView({ facts, signal });
    const button = element('button', { type: 'button', class: 'main', onclick: paint }, 'Paint');
    fill(
      this.root,
      element(
        'div',
        { class: 'paint-left' },
        this.form.root,
        this.completion.root,
        this.trouble,
        element('p', { class: 'paint-go' }, button, element('small', { class: 'soft' }, 'Ctrl-Enter in the captions')),
      ),
      element('div', { class: 'paint-right' }, this.looks(), this.list),
    );
    this.drawEmpty();
    const key = (event: KeyboardEvent) => this.key(event);
    document.addEventListener('keydown', key);
    signal.addEventListener('abort', () => document.removeEventListener('keydown', key));
  }

  /** Shows what was painted before, as far as the studio still has it. */
  async remember(): Promise<void> {
    const { paintings } = await call<Remembered>(`/api/runs/${this.facts.id}/paintings`, { signal: this.signal });
    for (const { job, order } of paintings.slice(-MOST)) this.add(job, order);
    const last = paintings.at(-1);
    if (last !== undefined) this.form.write(last.order);
    if (last?.order.completion !== undefined) this.completion.restore(last.order.completion);
    this.form.captions.focus();
  }

  private async paint(asked?: PaintOrder): Promise<void> {
    if (asked !== undefined) this.form.write(asked);
    const read = asked ?? this.form.read();
    if (read === undefined) return;
    fill(this.trouble);
    if (asked === undefined && this.completion.isWhole) {
      fill(
        this.trouble,
        element('p', { class: 'warning' }, 'Every patch of the picture is kept: mark those to paint anew.'),
      );
      return;
    }
    const order = { ...read, completion: asked === undefined ? this.completion.completion : asked.completion };
    try {
      const { job, captions } = await call<PaintTicket>('/api/paint', {
        method: 'POST',
        body: order,
        signal: this.signal,
      });
      this.add(job, { ...order, captions }).root.scrollIntoView({ block: 'nearest' });
    } catch (error) {
      if (!this.signal.aborted) fill(this.trouble, failure(error));
    }
  }

  /** Puts a painting above the others. */
  private add(job: string, order: PaintOrder): PaintingView {
    const { facts, signal } = this;
    const view: PaintingView = new PaintingView({
      ...{ facts, job, order, signal, slots: this.slots },
      onAgain: next => void this.paint(next),
      onComplete: facts.grid === null ? undefined : picture => void this.completion.take(picture),
      onDone: () => {
        view.showHeat(this.heat.checked);
        if (this.near.checked) void view.showNearest(this.sets.value);
      },
    });
    this.paintings = [view, ...this.paintings];
    if (this.paintings.length === 1) fill(this.list);
    this.list.prepend(view.root);
    for (const old of this.paintings.splice(MOST)) old.root.remove();
    return view;
  }

  private drawEmpty(): void {
    fill(
      this.list,
      element('p', {}, 'Write a caption, or take one that it knows, and press Paint.'),
      element(
        'p',
        { class: 'soft' },
        'Pictures appear here, and stay until the studio is closed; save those that you like.',
      ),
    );
  }

  /** What is laid over the pictures and shown beside them. */
  private looks(): HTMLElement {
    const { facts, heat, near, sets } = this;
    const legend = heatLegend();
    legend.hidden = true;
    const distances = element(
      'p',
      { class: 'paint-legend soft' },
      'In brackets: how far it is, pixel by pixel; 0 is a copy',
    );
    distances.hidden = true;
    heat.disabled = facts.grid === null;
    heat.addEventListener('change', () => {
      legend.hidden = !heat.checked;
      for (const painting of this.paintings) painting.showHeat(heat.checked);
    });
    const showNearest = async () => {
      sets.hidden = facts.datasets.length < 2 || !near.checked;
      distances.hidden = !near.checked;
      for (const painting of this.paintings) await painting.showNearest(near.checked ? sets.value : undefined);
    };
    near.disabled = facts.datasets.length === 0;
    near.addEventListener('change', () => void showNearest());
    sets.addEventListener('change', () => void showNearest());
    sets.hidden = true;
    for (const { id, name } of facts.datasets) sets.append(element('option', { value: id }, name));
    return element(
      'div',
      { class: 'paint-looks' },
      element('label', { for: heat.id }, heat, ' Where it was unsure ', element('kbd', {}, 'h')),
      element('label', { for: near.id }, near, ' Nearest training image ', element('kbd', {}, 'n')),
      near.disabled
        ? element('small', { class: 'soft' }, 'no data set is open: tessera studio --data FOLDER')
        : undefined,
      sets,
      distances,
      legend,
    );
  }

  /** Keys of the page, where nothing is typed. */
  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (
      event.target instanceof Element &&
      event.target.closest('input:not([type=checkbox]), textarea, select') !== null
    )
      return;
    if (event.key === 'h') this.heat.click();
    else if (event.key === 'n') this.near.click();
  }
}
