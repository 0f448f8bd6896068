/** @file The curves of a stage on the page: one cursor and one stretch of steps for all charts, smoothing, logarithms. */

import { ChartView } from './chart.ts';
import { element, fill } from './dom.ts';
import { chartsOf, type Figure, type Series } from './stage-charts.ts';

export interface CurvesOptions {
  /** The steps that are to be shown; undefined: all. */
  readonly onRange: (range: readonly [number, number] | undefined) => void;
  /** What stands beside the first chart. */
  readonly front: HTMLElement;
}

/** Wider than this, charts stand beside one another. */
const COLUMN = 320;
const GAP = 26;

export class CurvesView {
  readonly root: HTMLElement;
  range: readonly [number, number] | undefined;
  private readonly options: CurvesOptions;
  private readonly charts = new Map<string, ChartView>();
  private readonly first = element('div', { class: 'run-first' });
  private readonly rest = element('div', { class: 'run-charts' });
  private readonly smooth = element('input', { type: 'range', id: 'smooth', min: 0, max: 99, value: 0 });
  private readonly log = element('input', { type: 'checkbox', id: 'log' });
  private readonly from = element('input', { type: 'number', id: 'from', min: 0, class: 'step', placeholder: 'first' });
  private readonly to = element('input', { type: 'number', id: 'to', min: 0, class: 'step', placeholder: 'last' });
  private readonly all = element('button', { type: 'button', disabled: true }, 'All steps');
  private readonly watching: ResizeObserver;
  private series: readonly Series[] = [];
  private loss = 'loss';
  private asked = 0;

  constructor(options: CurvesOptions) {
    this.options = options;
    const controls = element(
      'div',
      { class: 'run-controls' },
      element('label', { for: 'smooth' }, 'Smooth losses ', this.smooth),
      element('label', { for: 'log' }, this.log, ' logarithmic'),
      element('label', { for: 'from' }, 'Steps ', this.from),
      element('label', { for: 'to' }, 'to ', this.to),
      this.all,
    );
    this.root = element(
      'section',
      { 'aria-label': 'curves' },
      element('div', { class: 'run-front' }, this.first, options.front),
      controls,
      this.rest,
    );
    this.smooth.addEventListener('input', () => this.redraw());
    this.log.addEventListener('change', () => this.redraw());
    for (const input of [this.from, this.to]) input.addEventListener('change', () => this.takeRange());
    this.all.addEventListener('click', () => this.setRange(undefined));
    this.watching = new ResizeObserver(() => this.redraw());
    this.watching.observe(this.root);
  }

  close(): void {
    this.watching.disconnect();
    cancelAnimationFrame(this.asked);
  }

  /** Shows these runs. @param series the run itself first; none: nothing was logged */
  draw(series: readonly Series[], loss: string): void {
    if (series[0]?.stage.name !== this.series[0]?.stage.name) this.cursor(undefined);
    this.series = series;
    this.loss = loss;
    this.redraw();
  }

  /** Shows all values at a step. */
  cursor(step: number | undefined): void {
    for (const chart of this.charts.values()) chart.cursor(step);
  }

  /** Once before the next picture, however often it is asked for. */
  private redraw(): void {
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(() => this.drawNow());
  }

  private drawNow(): void {
    if (this.series.length === 0) {
      fill(
        this.first,
        element('p', { class: 'missing' }, 'Nothing was logged yet: curves appear here with the first lines.'),
      );
      fill(this.rest);
      return;
    }
    const { range } = this;
    const look = { loss: this.loss, smooth: Number(this.smooth.value) / 100, log: this.log.checked, range };
    const [main, ...others] = chartsOf(this.series, look);
    const whole = this.root.clientWidth;
    this.place(this.first, main === undefined ? [] : [main], { width: this.first.clientWidth, height: 340 });
    const columns = Math.max(1, Math.floor((whole + GAP) / (COLUMN + GAP)));
    this.place(this.rest, others, { width: Math.floor((whole - (columns - 1) * GAP) / columns), height: 220 });
  }

  private place(root: HTMLElement, figures: readonly Figure[], size: { width: number; height: number }): void {
    const views = figures.map(figure => {
      const view = this.charts.get(figure.id) ?? this.makeChart();
      this.charts.set(figure.id, view);
      view.draw(figure, Math.max(200, size.width), size.height);
      return view.root;
    });
    const isSame = views.length === root.children.length && views.every((view, i) => root.children[i] === view);
    if (!isSame) fill(root, views);
  }

  private makeChart(): ChartView {
    return new ChartView({
      onCursor: step => this.cursor(step),
      onRange: (from, to) => this.setRange([from, to]),
    });
  }

  private setRange(range: readonly [number, number] | undefined): void {
    this.from.value = range === undefined ? '' : String(range[0]);
    this.to.value = range === undefined ? '' : String(range[1]);
    this.all.disabled = range === undefined;
    this.options.onRange(range);
  }

  private takeRange(): void {
    const longest = Math.max(...this.series.map(({ stage }) => stage.step), 1);
    const [from, to] = [this.from.valueAsNumber || 0, this.to.valueAsNumber || longest];
    this.setRange(from < to && (from > 0 || to < longest) ? [from, to] : undefined);
  }
}
