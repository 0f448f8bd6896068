/** @file What is asked of a painting: captions, seed, how many, and settings, the run's own where nothing is put in. */
import type { PaintingFacts, PaintingSetting, PaintOrder } from '../studio/paint/messages.ts';
import { element, fill, type Inner } from './dom.ts';
import { CaptionsField } from './paint-captions.ts';

/** How a setting is called and what may be put in. */
interface Field {
  readonly title: string;
  readonly note: string;
  readonly min: number;
  readonly max?: number;
  readonly step: number | 'any';
}

const FIELDS: Readonly<Record<PaintingSetting['name'], Field>> = {
  temperature: { title: 'Temperature', note: 'below 1 safer, above wilder', min: 0, max: 100, step: 'any' },
  fineTemperature: {
    title: 'Fine codes',
    note: 'temperature of all but coarse codes, over theirs',
    min: 0,
    max: 100,
    step: 'any',
  },
  topK: { title: 'Top k', note: 'draws among the k likeliest codes; 0: all', min: 0, step: 1 },
  topP: { title: 'Top p', note: 'draws among the likeliest with this share', min: 0.001, max: 1, step: 'any' },
  cfgScale: { title: 'Guidance', note: 'how closely it follows the caption; 1: off', min: 0, max: 100, step: 'any' },
  steps: { title: 'Steps', note: 'from noise to picture', min: 1, max: 1000, step: 1 },
};

const WEIGHTS: Readonly<Record<string, string>> = { ema: 'averaged', best: 'best, held out', last: 'last' };

export interface FormOptions {
  readonly facts: PaintingFacts;
  readonly signal: AbortSignal;
  readonly onPaint: () => void;
}

export class PaintForm {
  readonly root = element('div', { class: 'paint-form' });
  readonly captions: CaptionsField;
  private readonly facts: PaintingFacts;
  private readonly seeds = numberInput('paint-seed', { min: 0, max: 2 ** 32 - 1, value: 0 });
  private readonly counts = numberInput('paint-count', { min: 1, max: 16, value: 4 });
  private readonly settings = new Map<PaintingSetting['name'], HTMLInputElement>();
  private readonly weights = element('select', { id: 'paint-weights' });

  constructor({ facts, signal, onPaint }: FormOptions) {
    this.facts = facts;
    const { id, captions } = facts;
    this.captions = new CaptionsField({ run: id, isKnown: captions !== null, signal, onPaint });
    const next = () => {
      this.nextSeed();
      onPaint();
    };
    for (const kind of facts.weights) {
      const words = `${WEIGHTS[kind] ?? kind}${kind === facts.chosen ? ' (default)' : ''}`;
      this.weights.append(element('option', { value: kind, selected: kind === facts.chosen }, words));
    }
    fill(
      this.root,
      this.captions.root,
      element(
        'div',
        { class: 'paint-row' },
        labelled('Images', this.counts),
        labelled('Seed', this.seeds),
        element('button', { type: 'button', onclick: next, title: 'paint with the next seed' }, 'Next seed'),
      ),
      element(
        'details',
        { class: 'paint-settings' },
        element('summary', {}, 'Settings'),
        facts.settings.map(setting => this.setting(setting)),
        facts.weights.length < 2 ? undefined : labelled('Weights', this.weights),
        withoutEffect(facts.settings),
      ),
    );
    this.root.addEventListener('keydown', event => {
      if (event.key === 'Enter' && event.target instanceof HTMLInputElement) onPaint();
    });
  }

  /** What is asked for; undefined, and the wrong field is shown, where a number does not fit. */
  read(): PaintOrder | undefined {
    const wrong = [this.counts, this.seeds, ...this.settings.values()].find(input => !input.checkValidity());
    if (wrong !== undefined) {
      const details = wrong.closest('details');
      if (details !== null) details.open = true;
      wrong.reportValidity();
      return undefined;
    }
    const given = [...this.settings].filter(([, { value }]) => value !== '');
    const weights = this.facts.weights.find(kind => kind === this.weights.value);
    return {
      run: this.facts.id,
      captions: this.captions.captions,
      seed: Number(this.seeds.value),
      numImages: Number(this.counts.value),
      ...Object.fromEntries(given.map(([name, { value }]) => [name, Number(value)])),
      ...(weights !== undefined && weights !== this.facts.chosen && { weights }),
    };
  }

  /** Shows what was asked for before. */
  write(order: PaintOrder): void {
    this.captions.captions = order.captions;
    this.seeds.value = String(order.seed);
    this.counts.value = String(order.numImages);
    for (const [name, input] of this.settings) input.value = order[name] === undefined ? '' : String(order[name]);
    this.weights.value = order.weights ?? this.facts.chosen;
  }

  nextSeed(): void {
    this.seeds.value = String((Number(this.seeds.value) + 1) % 2 ** 32);
  }

  private setting({ name, value }: PaintingSetting): HTMLElement | undefined {
    const { title, note, ...range } = FIELDS[name];
    const id = `paint-${name}`;
    if (value === null) return undefined; // see withoutEffect
    const input = numberInput(id, { ...range, placeholder: value });
    input.setAttribute('aria-describedby', `${id}-note`);
    this.settings.set(name, input);
    return field(title, input, element('span', { id: `${id}-note` }, `${note}; the run's: ${value}`));
  }
}

/** The settings of an order in a line, as far as they are not the run's. */
export function describeOrder(order: PaintOrder): string {
  const set = Object.entries(FIELDS).flatMap(([name, { title }]) => {
    const value = order[name as PaintingSetting['name']];
    return value === undefined ? [] : [`${title.toLowerCase()} ${value}`];
  });
  const weights = order.weights === undefined ? [] : [`${WEIGHTS[order.weights]} weights`];
  return [
    `seed ${order.seed}`,
    ...set,
    ...weights,
    ...(order.completion === undefined ? [] : ['completing a picture']),
  ].join(', ');
}

/** Settings that the run does not follow, switched off, below the reason that they share. */
function withoutEffect(settings: readonly PaintingSetting[]): HTMLElement[] {
  const reasons = [...new Set(settings.flatMap(({ value, why = '' }) => (value === null ? [why] : [])))];
  return reasons.map((why, i) => {
    const id = `paint-none-${i}`;
    const fields = settings.filter(setting => setting.value === null && (setting.why ?? '') === why);
    const off = ({ name }: PaintingSetting) =>
      labelled(
        FIELDS[name].title,
        element('input', { type: 'number', id: `paint-${name}`, disabled: true, 'aria-describedby': id }),
      );
    return element(
      'div',
      { class: 'paint-none' },
      element('p', { class: 'soft', id }, `Without effect: ${why}.`),
      element('div', { class: 'paint-row' }, fields.map(off)),
    );
  });
}

function numberInput(id: string, attributes: Readonly<Record<string, string | number | undefined>>): HTMLInputElement {
  return element('input', { type: 'number', inputmode: 'decimal', id, ...attributes });
}

function labelled(title: string, input: HTMLElement): HTMLElement {
  return element('p', { class: 'paint-field' }, element('label', { for: input.id }, title), input);
}

function field(title: string, input: HTMLElement, note: Inner): HTMLElement {
  return element(
    'p',
    { class: 'paint-field paint-setting' },
    element('label', { for: input.id }, title),
    input,
    element('small', { class: 'soft' }, note),
  );
}
