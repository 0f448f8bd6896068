/**
 * @file Two small charts as SVG: values with their intervals, one a row, and a histogram of one sample beside another.
 */
import { type Html, html, px } from './markup.ts';
import { formatNumber, formatTick, linearAxis, placeOn } from './numbers.ts';

/** A value and how sure it is. */
export interface Dot {
  readonly name: string;
  readonly tone: string;
  /** null: not measured. */
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** Instead of the value, at the right. */
  readonly text?: string;
}

export interface DotChart {
  readonly title: string;
  readonly label: string;
  readonly dots: readonly Dot[];
  readonly guides?: readonly { readonly x: number; readonly name: string }[];
  readonly width?: number;
  /** Ends of the axis, where they are given by what is measured, such as 0 and 1 of a share. */
  readonly range?: readonly [low: number, high: number];
}

const LETTER = 6.3;
const ROW = 24;

/** One row a value: a dot, its interval, its name at the left and its number at the right. */
export function dotChart({ title, label, dots, guides = [], width = 560, range }: DotChart): Html {
  const known = dots.flatMap(({ value, low, high }) => [value, low, high].filter(v => v !== null));
  if (known.length === 0) return html`<p class="missing">${title}: nothing was measured</p>`;
  const limit = range === undefined ? limitOf(dots) : Number.POSITIVE_INFINITY;
  const ends = [...known, ...guides.map(({ x }) => x)].filter(value => value <= limit);
  const axis = linearAxis(range ?? ends, { about: 5 });
  const texts = dots.map(({ text, value }) => text ?? (value === null ? '–' : formatNumber(value)));
  const left = Math.min(width / 2.5, Math.max(...dots.map(({ name }) => name.length)) * LETTER + 14);
  const right = width - Math.max(...texts.map(text => text.length)) * LETTER - 16;
  const top = guides.length > 0 ? 26 : 8;
  const bottom = top + dots.length * ROW;
  const at = (value: number) => px(left + Math.min(1, Math.max(0, placeOn(axis, value))) * (right - left));
  const height = bottom + 40;
  const rows = dots.map(({ name, tone, value, low, high }, i) => {
    const y = px(top + (i + 0.5) * ROW);
    const markOf = (beyond: boolean) =>
      beyond
        ? html`<path class="value tone-${tone}" d="M${px(right - 6)} ${px(Number(y) - 5)}l9 5l-9 5z"><title>${name}: ${texts[i]}, beyond the axis</title></path>`
        : html`<circle class="value tone-${tone}" cx="${at(value ?? 0)}" cy="${y}" r="4.5"><title>${name}: ${texts[i]}</title></circle>`;
    return html`<text class="rowname" text-anchor="end" x="${px(left - 10)}" y="${y}" dy="4">${name}</text>
${low === null || high === null || low > axis.high ? undefined : html`<line class="interval tone-${tone}" x1="${at(low)}" x2="${at(high)}" y1="${y}" y2="${y}" />`}
${value === null ? undefined : markOf(value > axis.high)}
<text class="tick" x="${px(right + 12)}" y="${y}" dy="4">${texts[i]}</text>\n`;
  });
  return html`<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${px(height)}" width="${width}" height="${px(height)}" role="img" aria-label="${title}">
<title>${title}</title>
${axis.ticks.map(
  tick =>
    html`<line class="grid" x1="${at(tick)}" x2="${at(tick)}" y1="${top}" y2="${px(bottom)}" /><text class="tick" text-anchor="middle" x="${at(tick)}" y="${px(bottom + 16)}">${formatTick(tick)}</text>\n`,
)}${guides.map(
  ({ x, name }) =>
    html`<line class="guide" x1="${at(x)}" x2="${at(x)}" y1="${top - 4}" y2="${px(bottom)}" /><text class="guided" text-anchor="middle" x="${at(x)}" y="${top - 9}">${name}</text>\n`,
)}${rows}<text class="label" text-anchor="end" x="${px(right)}" y="${px(bottom + 34)}">${label}</text>
</svg>`;
}

/** Values far above the others would press these together: they lie beyond the axis, as arrows. */
function limitOf(dots: readonly Dot[]): number {
  const values = dots.flatMap(({ value }) => value ?? []).sort((a, b) => a - b);
  const typical = values[values.length >> 1];
  return values.length > 2 && typical > 0 ? 4 * typical : Number.POSITIVE_INFINITY;
}

export interface Histogram {
  readonly title: string;
  readonly label: string;
  readonly tone: string;
  readonly name: string;
  readonly values: readonly number[];
  /** Drawn as an outline over the bars. */
  readonly beside: { readonly name: string; readonly values: readonly number[] };
  readonly width?: number;
  readonly height?: number;
  /** Values above are counted in the last bar. */
  readonly most: number;
}

const BARS = 20;

/** Shares of two samples in equal bins from 0 to `most`. */
export function histogram(chart: Histogram): Html {
  const { title, label, tone, name, values, beside, most, width = 380, height = 210 } = chart;
  if (values.length === 0) return html`<p class="missing">${title}: nothing was measured</p>`;
  const bars = binned(values, most);
  const outline = binned(beside.values, most);
  const y = linearAxis([0, ...bars, ...outline], { about: 3 });
  const [left, right, top, bottom] = [40, width - 8, 30, height - 40];
  const atX = (share: number) => left + share * (right - left);
  const atY = (share: number) => bottom - placeOn(y, share) * (bottom - top);
  const steps = outline.map(
    (share, i) => `L${px(atX(i / BARS))},${px(atY(share))}L${px(atX((i + 1) / BARS))},${px(atY(share))}`,
  );
  const x = linearAxis([0, most], { about: 4 });
  return html`<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
<title>${title}</title>
<text class="label" x="0" y="13">share of images: ${name} as bars, ${beside.name} as a line</text>
${y.ticks.map(
  tick =>
    html`<line class="grid" x1="${left}" x2="${right}" y1="${px(atY(tick))}" y2="${px(atY(tick))}" /><text class="tick" text-anchor="end" x="${left - 6}" y="${px(atY(tick))}" dy="4">${formatTick(tick)}</text>\n`,
)}${bars.map((share, i) =>
  share === 0
    ? undefined
    : html`<rect class="bar tone-${tone}" x="${px(atX(i / BARS) + 0.75)}" y="${px(atY(share))}" width="${px((right - left) / BARS - 1.5)}" height="${px(bottom - atY(share))}" />\n`,
)}<path class="outline" d="M${px(left)},${px(bottom)}${steps.join('')}L${px(right)},${px(bottom)}" />
${x.ticks
  .filter(tick => tick <= most)
  .map(
    tick =>
      html`<text class="tick" text-anchor="middle" x="${px(atX(tick / most))}" y="${px(bottom + 16)}">${formatTick(tick)}${tick === most ? '+' : ''}</text>\n`,
  )}<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}" />
<text class="label" text-anchor="end" x="${right}" y="${bottom + 33}">${label}</text>
</svg>`;
}

/** The share of values in each of the equal bins. */
function binned(values: readonly number[], most: number): number[] {
  const counts = new Array<number>(BARS).fill(0);
  for (const value of values) counts[Math.min(BARS - 1, Math.max(0, Math.floor((value / most) * BARS)))]++;
  return counts.map(count => (values.length === 0 ? 0 : count / values.length));
}
