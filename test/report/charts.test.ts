/**
 * @file Charts: SVG that an independent parser (librsvg, through sharp) accepts and draws, with every value where its axis
 * says it is.
 */
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { dotChart, histogram } from '../../src/report/dotchart.ts';
import { frameOfChart, legend, lineChart, spread } from '../../src/report/linechart.ts';
import { html } from '../../src/report/markup.ts';

const nasty = `<b>&"'</b> é 星`;

/** Numbers of an attribute of all elements of a class, in their order. */
function attributes(markup: string, element: RegExp, name: string): number[] {
  return [...markup.matchAll(new RegExp(`<${element.source}[^>]*>`, 'g'))].map(([tag]) =>
    Number(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1]),
  );
}

const chart = lineChart({
  title: nasty,
  x: { label: 'time, min' },
  y: { label: 'KID' },
  lines: [
    { name: nasty, tone: 'dcgan', dots: true, points: [0, 5, 10].map(x => ({ x, y: 2 * x })) },
    {
      name: 'b',
      tone: 'r3gan',
      points: [
        { x: 0, y: 3 },
        { x: 4, y: null },
        { x: 8, y: 4 },
        { x: 9, y: 5 },
      ],
      band: [
        { x: 0, low: 1, high: 4 },
        { x: 8, low: 2, high: 6 },
      ],
      crosses: [{ x: 9, y: 5, title: nasty }],
    },
  ],
  guides: [{ y: 10, name: 'floor' }],
}).markup;

describe('a line chart', () => {
  test('is well-formed, whatever its names hold', async () => {
    const { width, height } = await sharp(Buffer.from(chart)).metadata();
    expect({ width, height }).toEqual({ width: 560, height: 300 });
    expect(chart).not.toContain('<b>');
    expect(chart).toContain('&lt;b&gt;&amp;&quot;&#39;&lt;/b&gt; é 星');
  });

  test('puts its points on straight lines between the ticks', () => {
    const [xs, ys] = ['cx', 'cy'].map(name => attributes(chart, /circle class="dot/, name));
    expect(xs).toHaveLength(3);
    expect(xs[1]).toBeCloseTo((xs[0] + xs[2]) / 2, 1);
    expect(ys[1]).toBeCloseTo((ys[0] + ys[2]) / 2, 1);
    // 0, 5, ... 20 at the left: the first and the last point lie on the outermost of them.
    const grid = attributes(chart, /line class="grid"/, 'y1');
    expect(grid).toHaveLength(5);
    expect([ys[0], ys[2]]).toEqual([grid[0], grid[4]]);
    expect(attributes(chart, /line class="guide"/, 'y1')).toEqual([grid[2]]);
  });

  test('marks where something happened, on an axis that begins and ends where it is told to', () => {
    const zoomed = {
      title: 'loss',
      x: { label: 'step', range: [100, 300] as const },
      y: { label: 'loss' },
      lines: [{ name: 'a', tone: 'dcgan', dots: true, points: [120, 200, 280].map(x => ({ x, y: x })) }],
      marks: [{ x: 200, name: nasty }],
    };
    const { markup } = lineChart(zoomed);
    const dots = attributes(markup, /circle class="dot/, 'cx');
    expect(attributes(markup, /line class="guide"/, 'x1')).toEqual([dots[1]]);
    expect(attributes(markup, /line class="guide"/, 'x2')).toEqual([dots[1]]);
    const frame = frameOfChart(zoomed)!;
    // 120 lies a tenth from the left.
    expect(dots[0]).toBeCloseTo(frame.left + (frame.right - frame.left) / 10, 1);
    expect(markup).not.toContain('<b>');
    expect(frameOfChart({ ...zoomed, lines: [] })).toBeUndefined();
  });

  test('leaves a gap where nothing was measured', () => {
    const paths = [...chart.matchAll(/class="line [^"]*" d="([^"]*)"/g)].map(([, path]) =>
      path.replaceAll(/[^ML]/g, ''),
    );
    expect(paths).toEqual(['MLL', 'MML']);
  });

  test('says so if there is nothing to draw', () => {
    const empty = { title: 'KID', x: { label: 'x' }, y: { label: 'y' } };
    const lines = [{ name: 'a', tone: 'dcgan', points: [{ x: 1, y: null }] }];
    expect(lineChart({ ...empty, lines }).markup).toBe('<p class="missing">KID: nothing was measured</p>');
    expect(lineChart({ ...empty, lines: [] }).markup).toContain('nothing was measured');
  });

  test('in logarithms holds zeros and negative values at its lower edge', async () => {
    const points = [-1, 0, 1, 10, 100].map((y, x) => ({ x, y }));
    const { markup } = lineChart({
      title: 'log',
      x: { label: 'x' },
      y: { label: 'y', log: true },
      lines: [{ name: 'a', tone: 'dcgan', points, dots: true }],
    });
    const ys = attributes(markup, /circle class="dot/, 'cy');
    expect(ys[0]).toBe(ys[1]);
    expect(ys[0]).toBe(ys[2]); // the least positive value is the edge
    expect(ys[3]).toBeCloseTo((ys[2] + ys[4]) / 2, 1);
    await sharp(Buffer.from(markup)).metadata();
  });

  test('moves the names of lines apart, and no further than needed', () => {
    const range = { low: 0, high: 100 };
    expect(spread([10, 50, 90], 14, range)).toEqual([10, 50, 90]);
    expect(spread([50, 50, 51], 14, range)).toEqual([50, 64, 78]);
    expect(spread([96, 97, 98], 14, range)).toEqual([72, 86, 100]);
  });

  test('has a legend that tells lines by their dashes too', () => {
    const { markup } = legend([
      { name: 'a', tone: 'dcgan' },
      { name: nasty, tone: 'dcgan', dash: 1 },
    ]);
    expect([...markup.matchAll(/dash-(\d)/g)].map(([, dash]) => dash)).toEqual(['0', '1']);
    expect(markup).not.toContain('<b>');
  });
});

describe('a chart of dots', () => {
  const dot = (name: string, value: number | null, half = 1) => ({
    name,
    tone: 'diffusion',
    value,
    low: value === null ? null : value - half,
    high: value === null ? null : value + half,
  });

  test('has a dot in the middle of its interval, and names and numbers beside it', async () => {
    const { markup } = dotChart({ title: 'KID', label: 'KID', dots: [dot(nasty, 4), dot('b', 6), dot('c', null)] });
    await sharp(Buffer.from(markup)).metadata();
    const [low, high] = ['x1', 'x2'].map(name => attributes(markup, /line class="interval/, name));
    const centres = attributes(markup, /circle class="value/, 'cx');
    expect(centres).toHaveLength(2);
    centres.forEach((x, i) => {
      expect(x).toBeCloseTo((low[i] + high[i]) / 2, 1);
    });
    // The axis has a tick at 4 and one at 6, and that is where the dots are.
    const ticks = new Map(
      [...markup.matchAll(/text-anchor="middle" x="([\d.]+)"[^>]*>([^<]+)</g)].map(([, x, text]) => [text, Number(x)]),
    );
    expect([ticks.get('4'), ticks.get('6')]).toEqual(centres);
    expect(markup).toContain('>4.00<');
    expect(markup).toContain('>–<');
  });

  test('points to values far beyond the others with an arrow', () => {
    const { markup } = dotChart({ title: 'KID', label: 'KID', dots: [dot('a', 10), dot('b', 12), dot('c', 900)] });
    expect(attributes(markup, /circle class="value/, 'cx')).toHaveLength(2);
    expect(markup).toContain('c: 900, beyond the axis');
    expect(markup).not.toMatch(/>1,000</);
  });
});

describe('a histogram', () => {
  test('has bars as high as the shares', async () => {
    const { markup } = histogram({
      title: nasty,
      label: 'ratio',
      tone: 'r3gan',
      name: 'samples',
      values: [0.05, 0.06, 0.55, 9],
      beside: { name: 'held out', values: [1, 1] },
      most: 2,
    });
    await sharp(Buffer.from(markup)).metadata();
    const heights = attributes(markup, /rect class="bar/, 'height');
    expect(heights).toHaveLength(3);
    expect(heights[0]).toBeCloseTo(2 * heights[1], 1);
    expect(heights[2]).toBe(heights[1]); // what lies beyond is counted in the last bar
    const right = attributes(markup, /rect class="bar/, 'x');
    expect(Math.max(...right)).toBe(right[2]);
  });
});

describe('a template', () => {
  test('escapes texts, joins lists and leaves markup alone', () => {
    const inner = html`<i>${'<&>'}</i>`;
    expect(html`<p title="${'"\''}">${[inner, null, undefined, 3, ['a', inner]]}</p>`.markup).toBe(
      '<p title="&quot;&#39;"><i>&lt;&amp;&gt;</i>3a<i>&lt;&amp;&gt;</i></p>',
    );
  });

  test('replaces what XML cannot hold', () => {
    expect(html`${'a\u0000b\ud800c\u001b'}`.markup).toBe('a\ufffdb\ufffdc\ufffd');
  });
});
