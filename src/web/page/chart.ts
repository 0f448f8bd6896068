/** @file A chart on the page: drawn as wide as there is room, with a cursor that tells values, and a stretch that can be chosen with the mouse. */
import { type Frame, frameOfChart, type LineChart, lineChart } from '../../report/linechart.ts';
import { formatCount, formatNumber, placeOn } from '../../report/numbers.ts';
import { element, fill, markup } from './dom.ts';
import type { Figure } from './stage-charts.ts';

export interface ChartEvents {
  /** The cursor is at a step; undefined: it has gone. */
  readonly onCursor: (step: number | undefined) => void;
  readonly onRange: (from: number, to: number) => void;
}

/** Pixels that a stretch has at least: less was a click. */
const LEAST = 6;

export class ChartView {
  readonly root: HTMLElement;
  private readonly heading = element('span');
  private readonly readout = element('span', { class: 'readout', 'aria-live': 'polite' });
  private readonly room: HTMLElement;
  private readonly events: ChartEvents;
  private shown: LineChart | undefined;
  private frame: Frame | undefined;
  private drawn = '';
  /** Where the cursor is. */
  private step: number | undefined;
  /** The point that arrows have come to. */
  private at: number | undefined;

  constructor(events: ChartEvents) {
    this.events = events;
    this.room = element('div', { class: 'plot', tabindex: 0, role: 'group' });
    this.root = element('figure', { class: 'graph' }, element('figcaption', {}, this.heading, this.readout), this.room);
    this.listen();
  }

  /** Draws a figure, if it is not drawn already. @param width in pixels */
  draw({ heading, chart }: Figure, width: number, height: number): void {
    this.shown = { ...chart, width, height };
    const text = JSON.stringify(this.shown);
    if (text === this.drawn) return;
    this.drawn = text;
    this.heading.textContent = heading;
    this.room.setAttribute('aria-label', `${heading}: arrow keys go from value to value`);
    this.frame = frameOfChart(this.shown);
    fill(this.room, markup(lineChart(this.shown)));
    this.cursor(this.step);
  }

  /** Shows the values at a step, or nearest to it. */
  cursor(step: number | undefined): void {
    this.step = step;
    this.room.querySelector('.cursor')?.remove();
    const { frame, shown } = this;
    if (step === undefined || frame === undefined || shown === undefined) {
      this.readout.textContent = '';
      return;
    }
    const found = shown.lines.flatMap(line => {
      const at = nearestTo(line, step);
      return at === undefined || line.tone === 'faint' ? [] : [{ name: line.name, ...at }];
    });
    const share = placeOn(frame.x, step);
    if (found.length === 0 || share < -0.01 || share > 1.01) {
      this.readout.textContent = '';
      return;
    }
    const nearest = found.reduce((best, each) => (Math.abs(each.x - step) < Math.abs(best.x - step) ? each : best)).x;
    const values = found.map(({ name, x, y }) => {
      const elsewhere = x === nearest ? '' : ` (step ${formatCount(x)})`; // what is measured less often
      return `${name === '' ? '' : `${name} `}${formatNumber(y)}${elsewhere}`;
    });
    this.readout.textContent = `step ${formatCount(nearest)}: ${values.join(', ')}`;
    this.line('cursor', frame.left + share * (frame.right - frame.left));
  }

  /** A line from top to bottom. */
  private line(kind: string, x: number): SVGLineElement {
    const { top, bottom } = this.frame!;
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
    for (const [name, value] of Object.entries({ class: kind, x1: x, x2: x, y1: top, y2: bottom })) {
      line.setAttribute(name, String(value));
    }
    this.room.querySelector('svg')?.append(line);
    return line;
  }

  private listen(): void {
    this.room.addEventListener('keydown', event => this.walk(event));
    this.room.addEventListener('blur', () => this.events.onCursor(undefined));
    let from: number | undefined;
    let begun: SVGLineElement | undefined;
    this.room.addEventListener('pointermove', event => this.events.onCursor(this.stepAt(event)));
    this.room.addEventListener('pointerleave', () => this.events.onCursor(undefined));
    this.room.addEventListener('pointerdown', event => {
      if (event.button !== 0 || event.pointerType === 'touch' || this.frame === undefined) return;
      event.preventDefault(); // no text is selected
      from = event.clientX;
      begun = this.line('begun', this.placeOf(event));
      this.room.setPointerCapture(event.pointerId);
    });
    this.room.addEventListener('pointerup', event => {
      begun?.remove();
      const start = from;
      from = undefined;
      if (start === undefined || Math.abs(event.clientX - start) < LEAST) return;
      const ends = [this.stepAt({ clientX: start }), this.stepAt(event)].sort((a, b) => a - b);
      this.events.onRange(Math.round(ends[0]), Math.round(ends[1]));
    });
    this.room.addEventListener('pointercancel', () => {
      begun?.remove();
      from = undefined;
    });
  }

  /** Arrows go from value to value of the first line. */
  private walk(event: KeyboardEvent): void {
    const steps = this.shown?.lines.find(({ tone }) => tone !== 'faint')?.points.map(({ x }) => x) ?? [];
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || steps.length === 0) return;
    event.preventDefault();
    this.at = Math.min(steps.length - 1, Math.max(0, (this.at ?? (by < 0 ? steps.length : -1)) + by));
    this.events.onCursor(steps[this.at]);
  }

  /** Where a pointer is, in the chart's pixels. */
  private placeOf({ clientX }: Pick<PointerEvent, 'clientX'>): number {
    const svg = this.room.querySelector('svg');
    const { left, width } = (svg ?? this.room).getBoundingClientRect();
    return ((clientX - left) / Math.max(1, width)) * (this.shown?.width ?? width);
  }

  private stepAt(event: Pick<PointerEvent, 'clientX'>): number {
    const { frame } = this;
    if (frame === undefined) return 0;
    const share = (this.placeOf(event) - frame.left) / (frame.right - frame.left);
    return frame.x.low + Math.min(1, Math.max(0, share)) * (frame.x.high - frame.x.low);
  }
}

/** The measured point of a line that is nearest to a step. */
function nearestTo({ points }: LineChart['lines'][number], step: number): { x: number; y: number } | undefined {
  let best: { x: number; y: number } | undefined;
  for (const { x, y } of points) {
    if (y !== null && (best === undefined || Math.abs(x - step) < Math.abs(best.x - step))) best = { x, y };
  }
  return best;
}
