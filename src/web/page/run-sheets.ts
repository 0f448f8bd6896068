/**
 * @file The pictures of a training: sheets by step under one slider for all runs that are shown, which stays at the newest until it
 * is moved; and how the codes were used at that step.
 */
import { formatCount, formatNumber } from '../../report/numbers.ts';
import type { Sheets, Usage } from '../studio/messages.ts';
import { call, keyed } from './api.ts';
import { element, fill, prose } from './dom.ts';
import { usageChart } from './usage-chart.ts';

type Kind = 'samples' | 'reconstructions';

export interface SheetsOptions {
  /** The pictures of a step are shown now. */
  readonly onStep: (step: number | undefined) => void;
  readonly signal: AbortSignal;
}

const NONE: Sheets = { samples: [], reconstructions: [], newest: { samples: 0, reconstructions: 0, usage: 0 } };
const WORDS: Readonly<Record<Kind, readonly [heading: string, missing: string]>> = {
  samples: [
    'Samples',
    'No samples are here: `--sample-every` says after how many steps of a training some are painted.',
  ],
  reconstructions: ['Reconstructions', 'No reconstructions are here.'],
};

export class SheetsView {
  readonly root: HTMLElement;
  /** How the codes were used, where that is known. */
  readonly codes = element('section', { 'aria-label': 'codes' });
  private readonly own: string;
  private readonly options: SheetsOptions;
  private readonly known = new Map<string, Sheets>();
  private readonly heading = element('span');
  private readonly slider = element('input', { type: 'range', min: 0, 'aria-label': 'step of the pictures' });
  private readonly room = element('div', { class: 'sheets' });
  private usage: readonly Usage[] = [];
  private usageAt = 0;
  private kind: Kind = 'samples';
  private shown: readonly string[] = [];
  private nameOf = (_: string) => '';
  /** The step that was chosen; undefined: the newest. */
  private step: number | undefined;

  constructor(own: string, options: SheetsOptions) {
    this.own = own;
    this.options = options;
    this.root = element(
      'div',
      { class: 'run-pictures' },
      element('p', { class: 'sheet-head' }, this.heading, this.slider),
      this.room,
    );
    this.slider.addEventListener('input', () => this.choose(this.steps()[this.slider.valueAsNumber]));
  }

  async read(id: string): Promise<void> {
    this.known.set(id, await call<Sheets>(`/api/runs/${id}/sheets`, { signal: this.options.signal }));
    await this.readUsage();
  }

  /** What there is of a run by now. */
  set(id: string, sheets: Sheets): void {
    this.known.set(id, sheets);
    this.draw();
    if (id === this.own) void this.readUsage().catch(() => {});
  }

  show(kind: Kind, ids: readonly string[], nameOf: (id: string) => string): void {
    if (kind !== this.kind) this.step = undefined;
    this.kind = kind;
    this.shown = ids;
    this.nameOf = nameOf;
    this.draw();
  }

  /** Goes some sheets on or back. @returns false where there are none */
  turn(by: number): boolean {
    const steps = this.steps();
    if (steps.length < 2) return false;
    const at = this.place(steps) + by;
    this.choose(steps[Math.min(steps.length - 1, Math.max(0, at))]);
    return true;
  }

  private choose(step: number | undefined): void {
    const steps = this.steps();
    this.step = step === steps.at(-1) ? undefined : step;
    this.draw();
    this.options.onStep(step);
  }

  /** All steps of which any run has a sheet. */
  private steps(): number[] {
    const all = this.shown.flatMap(id => (this.known.get(id) ?? NONE)[this.kind]);
    return [...new Set(all)].sort((a, b) => a - b);
  }

  private place(steps: readonly number[]): number {
    if (this.step === undefined) return steps.length - 1;
    return Math.max(
      0,
      steps.findLastIndex(step => step <= this.step!),
    );
  }

  private draw(): void {
    const steps = this.steps();
    const at = this.place(steps);
    const step = steps[at];
    const [heading, missing] = WORDS[this.kind];
    const isNewest = at === steps.length - 1;
    this.heading.textContent =
      step === undefined ? heading : `${heading}, step ${formatCount(step)}${isNewest ? ' (newest)' : ''}`;
    this.slider.hidden = steps.length < 2;
    this.slider.max = String(steps.length - 1);
    this.slider.value = String(at);
    this.slider.setAttribute('aria-valuetext', `step ${step}`);
    const sheets = this.shown.flatMap(id => this.sheetOf(id, step));
    if (sheets.length === 0) fill(this.room, element('p', { class: 'missing' }, prose(missing)));
    else this.keep(sheets);
    this.drawCodes(step);
  }

  /** The newest sheet of a run up to a step. */
  private sheetOf(id: string, step: number | undefined) {
    const { newest, ...steps } = this.known.get(id) ?? NONE;
    const own = steps[this.kind].findLast(each => step === undefined || each <= step) ?? steps[this.kind][0];
    if (own === undefined && newest[this.kind] === 0) return [];
    const path = `/api/runs/${id}/sheets/${this.kind}/${own ?? 'last'}`;
    const several = this.shown.length > 1;
    const words = `${this.nameOf(id)}${own === undefined || own === step ? '' : `, step ${formatCount(own)}`}`;
    const version = own === undefined || own === steps[this.kind].at(-1) ? newest[this.kind] : 0;
    return [
      {
        key: `${path}?v=${Math.round(version)}`,
        alt: `${WORDS[this.kind][0]} of ${words}`,
        words: several ? words : undefined,
      },
    ];
  }

  /** Keeps the pictures that are there, and changes only what is another one: nothing flickers. */
  private keep(sheets: readonly { key: string; alt: string; words: string | undefined }[]): void {
    const figures = [...this.room.querySelectorAll('figure')];
    if (figures.length !== sheets.length) {
      fill(
        this.room,
        sheets.map(() =>
          element('figure', {}, element('figcaption'), element('a', { target: '_blank' }, element('img'))),
        ),
      );
    }
    for (const [i, figure] of [...this.room.querySelectorAll('figure')].entries()) {
      const { key, alt, words } = sheets[i];
      const [img, link] = [figure.querySelector('img')!, figure.querySelector('a')!];
      if (img.dataset.key !== key) {
        img.dataset.key = key;
        img.src = keyed(key);
        link.href = keyed(key);
      }
      img.alt = alt;
      figure.querySelector('figcaption')!.textContent = words ?? '';
    }
  }

  private async readUsage(): Promise<void> {
    const at = this.known.get(this.own)?.newest.usage ?? 0;
    if (at === this.usageAt) return;
    this.usageAt = at;
    this.usage = (await call<{ usage: Usage[] }>(`/api/runs/${this.own}/usage`, { signal: this.options.signal })).usage;
    this.draw();
  }

  private drawCodes(step: number | undefined): void {
    const found = this.usage.findLast(each => step === undefined || each.step <= step) ?? this.usage.at(-1);
    if (found === undefined || this.kind !== 'reconstructions') {
      fill(this.codes);
      return;
    }
    fill(
      this.codes,
      element('h2', {}, 'Codes'),
      element(
        'p',
        {},
        `At step ${formatCount(found.step)}, ${formatCount(found.used)} of ${formatCount(found.codes)} codes occur in held-out images (${formatNumber((100 * found.used) / found.codes, 2)}%). A codebook that is used evenly is a flat line; one that fell together is a cliff at the left.`,
      ),
      usageChart(found, this.codes.clientWidth),
    );
  }
}
