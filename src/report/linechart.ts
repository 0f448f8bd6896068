/**
 * @file A line chart as SVG: lines with bands around them, named at their ends, round numbers on both axes, guides
 * across. Colours come from the page's style sheet (class `tone-...`), so that it works on light and on dark; lines
 * differ in their dashes too, for those who see no colours.
 */
import { type Html, html, px } from './markup.ts';
import { type Axis, formatTick, linearAxis, logAxis, placeOn } from './numbers.ts';

export interface Line {
  readonly name: string;
  /** A class of the style sheet: `tone-${tone}`. */
  readonly tone: string;
  /** 0 is solid. */
  readonly dash?: number;
  /** y null: a gap. */
  readonly points: readonly { readonly x: number; readonly y: number | null }[];
  /** Spread around the line. */
  readonly band?: readonly { readonly x: number; readonly low: number; readonly high: number }[];
  /** Where something went wrong. */
  readonly crosses?: readonly { readonly x: number; readonly y: number; readonly title: string }[];
  /** Whether every point is marked. */
  readonly dots?: boolean;
  /** One run beside the line of its group. */
  readonly thin?: boolean;
}

export interface LineChart {
  /** What a reader who cannot see it is told. */
  readonly title: string;
  /** `range`: its ends, where they are not those of the lines, whose points lie all within. */
  readonly x: { readonly label: string; readonly log?: boolean; readonly range?: readonly [low: number, high: number] };
  readonly y: { readonly label: string; readonly log?: boolean; readonly zero?: boolean };
  readonly lines: readonly Line[];
  /** Horizontal lines with a name: floors, ceilings, values without training. */
  readonly guides?: readonly { readonly y: number; readonly name: string }[];
  /** Vertical lines with a name: where something happened. */
  readonly marks?: readonly { readonly x: number; readonly name: string }[];
  readonly width?: number;
  readonly height?: number;
  /** Names at the ends of the lines; without, the figure has a legend. */
  readonly named?: boolean;
}

/** Average width of a letter of the labels, in their 11.5 px. */
const LETTER = 6.1;
const LINE_HEIGHT = 14;
const TOP = 30;
const BOTTOM = 42;

/** Where the axes of a chart lie, in its own pixels. */
export interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly x: Axis;
  readonly y: Axis;
}

/** Draws it; without any finite point the chart says so. */
export function lineChart(chart: LineChart): Html {
  const { title, guides = [], marks = [], width = 560, height = 300, named = true } = chart;
  const drawn = linesWithPoints(chart);
  const frame = frameOfChart(chart);
  if (frame === undefined) return html`<p class="missing">${title}: nothing was measured</p>`;
  const ends = named ? spreadLabels(drawn, frame) : [];
  return html`<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
<title>${title}</title>
${axes(frame, chart)}
${guides.map(guide => drawGuide(guide, frame))}
${marks.map(mark => drawMark(mark, frame))}
${drawn.map(line => drawBand(line, frame))}
${drawn.map(line => drawLine(line, frame))}
${ends.map(({ line, at }) => html`<text class="name tone-${line.tone}" x="${px(frame.right + 7)}" y="${px(at + 4)}">${line.name}</text>\n`)}</svg>`;
}

function linesWithPoints({ lines }: LineChart): readonly Line[] {
  return lines.filter(({ points }) => points.some(({ x, y }) => Number.isFinite(x) && y !== null));
}

/** Where the axes of a chart are when it is drawn; undefined where there is nothing to draw. */
export function frameOfChart(chart: LineChart): Frame | undefined {
  const { width = 560, height = 300 } = chart;
  const drawn = linesWithPoints(chart);
  return drawn.length === 0 ? undefined : frameOf(chart, drawn, { width, height });
}

function frameOf(chart: LineChart, drawn: readonly Line[], size: { width: number; height: number }): Frame {
  const xs = drawn.flatMap(({ points }) => points.flatMap(({ x, y }) => (y === null ? [] : [x])));
  const ys = drawn.flatMap(({ points, band = [] }) => [
    ...points.flatMap(({ y }) => y ?? []),
    ...band.flatMap(({ low, high }) => [low, high]),
  ]);
  const all = [...ys, ...(chart.guides ?? []).map(({ y }) => y)];
  const about = size.width > 420 ? 7 : 5;
  const { range } = chart.x;
  const x =
    chart.x.log === true
      ? logAxis(range ?? xs)
      : linearAxis(range ?? xs, { zero: range === undefined, tight: true, about });
  const y = chart.y.log === true ? logAxis(all) : linearAxis(all, { zero: chart.y.zero, about: 5 });
  const longest = Math.max(...y.ticks.map(tick => formatTick(tick).length));
  const names = chart.named === false ? 0 : Math.max(...drawn.map(({ name }) => name.length));
  const right = size.width - (names > 0 ? Math.min(size.width / 3, names * LETTER + 12) : 14);
  return { left: 14 + longest * LETTER, right, top: TOP, bottom: size.height - BOTTOM, x, y };
}

function place(frame: Frame, x: number, y: number): { readonly x: number; readonly y: number } {
  const { left, right, top, bottom } = frame;
  const across = Math.min(1, Math.max(0, placeOn(frame.x, x)));
  // On a logarithmic axis what is 0 or less lies on the lower edge.
  const up = frame.y.log && y <= 0 ? 0 : Math.min(1, Math.max(0, placeOn(frame.y, y)));
  return { x: left + across * (right - left), y: bottom - up * (bottom - top) };
}

function axes(frame: Frame, { x, y }: LineChart): Html {
  const { left, right, top, bottom } = frame;
  const rows = frame.y.ticks.map(tick => {
    const at = px(place(frame, frame.x.low, tick).y);
    return html`<line class="grid" x1="${px(left)}" x2="${px(right)}" y1="${at}" y2="${at}" /><text class="tick" text-anchor="end" x="${px(left - 6)}" y="${at}" dy="4">${formatTick(tick)}</text>\n`;
  });
  const columns = frame.x.ticks.map(tick => {
    const at = px(place(frame, tick, frame.y.low).x);
    return html`<line class="axis" x1="${at}" x2="${at}" y1="${px(bottom)}" y2="${px(bottom + 4)}" /><text class="tick" text-anchor="middle" x="${at}" y="${px(bottom + 17)}">${formatTick(tick)}</text>\n`;
  });
  return html`<text class="label" x="0" y="13">${y.label}</text>
${rows}<line class="axis" x1="${px(left)}" x2="${px(right)}" y1="${px(bottom)}" y2="${px(bottom)}" />
${columns}<text class="label" text-anchor="end" x="${px(right)}" y="${px(bottom + 35)}">${x.label}</text>
<line class="edge" x1="${px(left)}" x2="${px(left)}" y1="${px(top)}" y2="${px(bottom)}" />`;
}

function drawGuide({ y, name }: { readonly y: number; readonly name: string }, frame: Frame): Html {
  const at = place(frame, frame.x.low, y).y;
  return html`<line class="guide" x1="${px(frame.left)}" x2="${px(frame.right)}" y1="${px(at)}" y2="${px(at)}" /><text class="guided" x="${px(frame.left + 5)}" y="${px(at < frame.top + LINE_HEIGHT ? at + 13 : at - 4)}">${name}</text>\n`;
}

function drawMark({ x, name }: { readonly x: number; readonly name: string }, frame: Frame): Html {
  const at = place(frame, x, frame.y.low).x;
  const isRight = at > (frame.left + frame.right) / 2;
  return html`<line class="guide" x1="${px(at)}" x2="${px(at)}" y1="${px(frame.top)}" y2="${px(frame.bottom)}" /><text class="guided" text-anchor="${isRight ? 'end' : 'start'}" x="${px(at + (isRight ? -5 : 5))}" y="${px(frame.top + 9)}">${name}</text>\n`;
}

function drawBand({ band = [], tone }: Line, frame: Frame): Html | undefined {
  if (band.length < 2) return undefined;
  const upper = band.map(({ x, high }) => corner(frame, x, high));
  const lower = band.map(({ x, low }) => corner(frame, x, low)).reverse();
  return html`<polygon class="band tone-${tone}" points="${[...upper, ...lower].join(' ')}" />\n`;
}

function drawLine({ points, tone, dash = 0, dots, thin, crosses = [], name }: Line, frame: Frame): Html {
  let path = '';
  let pen = 'M';
  for (const { x, y } of points) {
    if (y === null) {
      pen = 'M';
      continue;
    }
    path += `${pen}${corner(frame, x, y)}`;
    pen = 'L';
  }
  const marks = points.flatMap(({ x, y }) => (y === null || dots !== true ? [] : [place(frame, x, y)]));
  return html`<path class="line tone-${tone} dash-${dash}${thin === true ? ' thin' : ''}" d="${path}"><title>${name}</title></path>
${marks.map(at => html`<circle class="dot tone-${tone}" cx="${px(at.x)}" cy="${px(at.y)}" r="2.4" />`)}${crosses.map(
  cross => {
    const { x, y } = place(frame, cross.x, cross.y);
    return html`<path class="cross tone-${tone}" d="M${px(x - 5)} ${px(y - 5)}L${px(x + 5)} ${px(y + 5)}M${px(x - 5)} ${px(y + 5)}L${px(x + 5)} ${px(y - 5)}"><title>${cross.title}</title></path>`;
  },
)}`;
}

function corner(frame: Frame, x: number, y: number): string {
  const at = place(frame, x, y);
  return `${px(at.x)},${px(at.y)}`;
}

/** Where the names go: at the lines' ends, moved apart where they would lie on each other. */
function spreadLabels(lines: readonly Line[], frame: Frame): { readonly line: Line; readonly at: number }[] {
  const wanted = lines.map(line => {
    const last = line.points.findLast(({ y }) => y !== null);
    return { line, at: place(frame, last?.x ?? 0, last?.y ?? 0).y };
  });
  wanted.sort((a, b) => a.at - b.at);
  const placed = spread(
    wanted.map(({ at }) => at),
    LINE_HEIGHT,
    { low: frame.top, high: frame.bottom },
  );
  return wanted.map(({ line }, i) => ({ line, at: placed[i] }));
}

/**
 * Moves sorted places apart until neighbours are at least `least` from each other, as little as a pass down and one
 * back up do, inside the range if there is room.
 */
export function spread(places: readonly number[], least: number, range: { low: number; high: number }): number[] {
  const moved = [...places];
  for (let i = 1; i < moved.length; i++) moved[i] = Math.max(moved[i], moved[i - 1] + least);
  let limit = range.high;
  for (let i = moved.length - 1; i >= 0; i--) {
    moved[i] = Math.min(moved[i], limit);
    limit = moved[i] - least;
  }
  const over = range.low - moved[0];
  return over > 0 && places[0] >= range.low ? moved.map(at => at + over) : moved;
}

/** Names of lines and their strokes, for figures of several charts. */
export function legend(lines: readonly Pick<Line, 'name' | 'tone' | 'dash'>[]): Html {
  return html`<ul class="legend">${lines.map(
    ({ name, tone, dash = 0 }) =>
      html`<li><svg xmlns="http://www.w3.org/2000/svg" width="26" height="10" aria-hidden="true"><line class="line tone-${tone} dash-${dash}" x1="1" x2="25" y1="5" y2="5" /></svg>${name}</li>`,
  )}</ul>`;
}
