import { describe, expect, it } from 'vitest';
import { halfBlockRow, halfBlocks } from '../../src/cli/terminal/halfblocks.ts';
import { type Output, TerminalReporter } from '../../src/cli/terminal/progress.ts';
import { canRedraw, colourSupport } from '../../src/cli/terminal/support.ts';
import { cutToWidth, displayWidth, formatCount, formatDuration, formatLoss } from '../../src/cli/terminal/text.ts';
import { blank, type Picture, type Rgb } from '../../src/image/images.ts';
import type { StageOptions } from '../../src/runs/session.ts';

const RED: Rgb = [255, 0, 0];
const BLUE: Rgb = [0, 0, 255];

/**
 * A terminal that understands what ours may send: newline, carriage return, cursor up, erase, colours; and that scrolls
 * and wraps. `screen` is what a person sees, with what has scrolled off above it.
 */
class Terminal implements Output {
  columns: number;
  rows: number;
  readonly writes: string[] = [];
  #lines: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(columns = 80, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): void {
    this.writes.push(text);
    for (const [token] of text.matchAll(/\p{Cc}\[[\d;?]*[A-Za-z]|[\s\S]/gu)) this.#accept(token);
  }

  get screen(): string[] {
    return this.#lines.map(line =>
      Array.from(line, cell => cell ?? ' ')
        .join('')
        .trimEnd(),
    );
  }

  #accept(token: string): void {
    if (token === '\r') this.#column = 0;
    else if (token === '\n') this.#newline();
    else if (token.startsWith('\x1b')) this.#control(token);
    else {
      if (this.#column + displayWidth(token) > this.columns) this.#newline();
      this.#lines[this.#row][this.#column] = token;
      this.#column += displayWidth(token);
      for (let i = 1; i < displayWidth(token); i++) this.#lines[this.#row][this.#column - i] = '';
    }
  }

  #newline(): void {
    this.#row++;
    this.#column = 0;
    this.#lines[this.#row] ??= [];
  }

  #control(token: string): void {
    if (token.endsWith('m')) return;
    if (token === '\x1b[K') this.#lines[this.#row].length = Math.min(this.#lines[this.#row].length, this.#column);
    else if (token === '\x1b[J') {
      this.#lines[this.#row].length = Math.min(this.#lines[this.#row].length, this.#column);
      this.#lines.length = this.#row + 1;
    } else if (token.endsWith('A')) {
      // The cursor stops at the top of the visible screen.
      const top = Math.max(0, this.#lines.length - this.rows);
      this.#row = Math.max(top, this.#row - Number(token.slice(2, -1)));
    } else throw new Error(`terminal: unknown code ${JSON.stringify(token)}`);
  }
}

function setUp(options: { isTTY?: boolean; columns?: number; rows?: number; colours?: 'truecolor' | 'none' } = {}) {
  const { isTTY = true, columns = 100, rows = 24, colours = 'none' } = options;
  const clock = { ms: 0 };
  const terminal = new Terminal(columns, rows);
  const reporter = new TerminalReporter({ stream: terminal, isTTY, colours, now: () => clock.ms });
  return { clock, terminal, reporter };
}

describe('Reporter on a terminal', () => {
  it('keeps one live line with bar, step, loss, time left, rate and elapsed', () => {
    const { clock, terminal, reporter } = setUp({ columns: 120 });
    reporter.stage('transformer', { index: 2, of: 5, total: 4000, unit: 'tokens' });
    for (let step = 0; step <= 1000; step += 10) {
      clock.ms = step * 10;
      reporter.update({ step, loss: 5.2134, amount: step * 1000, note: '26.1 dB' });
    }
    expect(terminal.screen).toEqual([
      '[2/5] transformer  █████░░░░░░░░░░░░░░░  1,000/4,000  30s left  loss 5.213  26.1 dB  100k tokens/s  10s so far',
    ]);
    clock.ms = 65_000;
    reporter.done();
    expect(terminal.screen).toEqual(['✓ [2/5] transformer  1m 05s, loss 5.213, 26.1 dB', '']);
  });

  it('draws at most ten times a second', () => {
    const { clock, terminal, reporter } = setUp();
    reporter.stage('x', { total: 1000 });
    for (let step = 0; step < 1000; step++) {
      clock.ms = step;
      reporter.update({ step });
    }
    expect(terminal.writes.length).toBeLessThanOrEqual(11);
    expect(terminal.writes.length).toBeGreaterThanOrEqual(9);
  });

  it.each([200, 100, 80, 60, 40, 20, 12, 5])('never wraps at %d columns', columns => {
    const { clock, terminal, reporter } = setUp({ columns });
    reporter.stage('patch tokenizer', { index: 3, of: 5, total: 123_456, unit: 'images' });
    for (let i = 0; i < 9; i++) {
      clock.ms = i * 1000;
      reporter.update({ step: i * 100, loss: 0.0123, amount: i * 3200, note: '26.1 dB' });
    }
    expect(terminal.screen).toHaveLength(1);
    expect(terminal.screen[0].length).toBeLessThan(columns);
    if (columns >= 40) expect(terminal.screen[0]).toContain('800/123,456');
  });

  it('keeps messages above the live line, in order', () => {
    const { terminal, reporter } = setUp();
    reporter.skip('emoji data', 'done before', { index: 1, of: 2 });
    reporter.stage('train', { index: 2, of: 2 });
    reporter.message('first');
    reporter.message(['second', 'third']);
    expect(terminal.screen).toEqual([
      '✓ [1/2] emoji data  done before',
      'first',
      'second',
      'third',
      '[2/2] train  0.0s',
    ]);
  });

  it('starting a stage ends the one before', () => {
    const { clock, terminal, reporter } = setUp();
    reporter.stage('one');
    clock.ms = 400;
    reporter.stage('two');
    reporter.done('2,048 entries');
    expect(terminal.screen).toEqual(['✓ one  0.4s', '✓ two  0.0s, 2,048 entries', '']);
  });

  it('draws pictures over the ones before, also after messages and scrolling, and keeps the last', () => {
    const { clock, terminal, reporter } = setUp({ colours: 'truecolor', rows: 8, columns: 60 });
    reporter.message([...'abcde']);
    reporter.stage('train', { total: 9 });
    const shown = (label: string): void => reporter.pictures([{ picture: blank(6, 6, RED), label }]);
    for (let i = 1; i <= 9; i++) {
      clock.ms += 1000;
      reporter.update({ step: i });
      shown(`step ${i}`);
      if (i === 5) reporter.message('half');
    }
    const block = ['▀▀▀▀▀▀', '▀▀▀▀▀▀', '▀▀▀▀▀▀'];
    expect(terminal.screen.slice(0, -1)).toEqual(['a', 'b', 'c', 'd', 'e', 'half', ...block, 'step 9']);
    reporter.done();
    reporter.stage('next');
    shown('other');
    reporter.close();
    expect(terminal.screen).toEqual([
      ...['a', 'b', 'c', 'd', 'e', 'half', ...block, 'step 9'],
      '✓ train  9.0s',
      ...block,
      'other',
      '',
    ]);
  });

  it('leaves no rest behind when pictures become smaller', () => {
    const { terminal, reporter } = setUp({ colours: 'truecolor' });
    reporter.stage('x');
    reporter.pictures([{ picture: blank(20, 20) }], { pictureColumns: 20 });
    reporter.pictures([{ picture: blank(4, 4) }]);
    expect(terminal.screen).toEqual(['▀▀▀▀', '▀▀▀▀', 'x  0.0s']);
  });

  it('never draws a block higher than the screen', () => {
    const { terminal, reporter } = setUp({ colours: 'truecolor', rows: 10, columns: 30 });
    const many = Array.from({ length: 40 }, () => ({ picture: blank(12, 12) }));
    reporter.stage('x');
    for (let i = 0; i < 3; i++) reporter.pictures(many);
    expect(terminal.screen.length).toBeLessThan(10);
    expect(terminal.screen.filter(line => line.startsWith('x'))).toHaveLength(1);
  });

  it('draws below after a resize rather than over lines that may have wrapped', () => {
    const { terminal, reporter } = setUp({ columns: 100 });
    reporter.stage('x', { total: 5 });
    reporter.message('before');
    terminal.columns = 30;
    reporter.message('after');
    expect(terminal.screen.slice(-2)).toEqual(['after', 'x  0/5  0.0s']);
    expect(terminal.screen[0]).toBe('before');
  });

  it('measures the rate from where work resumed, over the last seconds', () => {
    const { clock, terminal, reporter } = setUp();
    reporter.stage('x', { total: 10_000 });
    for (let i = 0; i <= 60; i++) {
      clock.ms = i * 1000;
      // One step a second at first, then ten.
      reporter.update({ step: 5000 + (i < 30 ? i : 30 + (i - 30) * 10) });
    }
    expect(terminal.screen[0]).toContain('10 steps/s');
    expect(terminal.screen[0]).toContain(`${formatDuration(((10_000 - 5330) / 10) * 1000)} left`);
  });

  it('gives a rate when a step takes longer than the window', () => {
    const { clock, terminal, reporter } = setUp();
    reporter.stage('x', { total: 10 });
    for (let i = 0; i < 3; i++) {
      clock.ms = i * 50_000;
      reporter.update({ step: i });
    }
    expect(terminal.screen[0]).toContain('0.02 steps/s');
    expect(terminal.screen[0]).toContain('6m 40s left');
  });
});

describe('the time left', () => {
  /** Ten steps of a thousand, one a second. */
  const tenSteps = (options: StageOptions) => {
    const { clock, terminal, reporter } = setUp();
    reporter.stage('x', { total: 1000, ...options });
    for (let step = 0; step <= 10; step++) {
      clock.ms = step * 1000;
      reporter.update({ step });
    }
    return terminal.screen[0];
  };

  it('is that over all stages', () => {
    expect(tenSteps({ secondsAfter: 600 })).toContain('26m 30s left  1 steps/s');
    expect(tenSteps({ secondsAfter: 0 })).toContain('16m 30s left  1 steps/s');
  });

  it('is named as that of the stage where later ones are not known', () => {
    expect(tenSteps({ secondsAfter: null })).toContain('16m 30s left of this stage  1 steps/s');
  });

  it('is what was expected until the stage has shown its rate', () => {
    const { clock, terminal, reporter } = setUp();
    reporter.stage('x', { total: 1000, seconds: 100, secondsAfter: 20 });
    expect(terminal.screen[0]).toBe('x  0/1,000  2m 00s left  0.0s');
    clock.ms = 10_000;
    reporter.update({ step: 3, total: 5, note: 'decoding', beforehand: true });
    expect(terminal.screen[0]).toContain('3/5  1m 50s left  decoding');
    reporter.update({ step: 1 });
    clock.ms = 12_000;
    reporter.update({ step: 2 });
    expect(terminal.screen[0]).toContain('2/1,000  33m 36s left'); // two seconds a step, and 20 after them
  });

  it('goes by no rate of what comes before the first step', () => {
    const { clock, terminal, reporter } = setUp();
    reporter.stage('x', { total: 1000, step: 500, secondsAfter: 0 });
    expect(terminal.screen[0]).toBe('x  500/1,000  0.0s');
    for (let step = 1; step <= 5; step++) {
      clock.ms += 1000;
      reporter.update({ step, total: 5, note: 'decoding', beforehand: true });
      expect(terminal.screen[0]).not.toContain('left');
    }
    reporter.update({ step: 501 });
    clock.ms += 4000;
    reporter.update({ step: 503 });
    expect(terminal.screen[0]).toContain('503/1,000  16m 34s left');
  });
});

describe('Reporter without a terminal', () => {
  it('writes plain lines, at most one every ten seconds and at the ends of stages', () => {
    const { clock, terminal, reporter } = setUp({ isTTY: false, colours: 'truecolor' });
    reporter.skip('data', 'done before', { index: 1, of: 2 });
    reporter.stage('train', { index: 2, of: 2, total: 4000, unit: 'tokens' });
    for (let step = 0; step <= 2500; step++) {
      clock.ms = step * 10;
      reporter.update({ step, loss: 1, amount: step * 1000 });
    }
    reporter.pictures([{ picture: blank(4, 4) }]);
    reporter.message('saved');
    reporter.done();
    reporter.close();
    expect(terminal.writes.join('')).toBe(
      [
        '[1/2] data: done before',
        '[2/2] train: 4,000 steps',
        '[2/2] train: 1,000/4,000, 30s left, loss 1.000, 100k tokens/s, 10s so far',
        '[2/2] train: 2,000/4,000, 20s left, loss 1.000, 100k tokens/s, 20s so far',
        'saved',
        '[2/2] train: done in 25s, loss 1.000',
        '',
      ].join('\n'),
    );
  });
});

it('says what a stage counts, and one as one', () => {
  const { terminal, reporter } = setUp({ isTTY: false, colours: 'truecolor' });
  reporter.stage('red apple', { total: 64, counts: 'code', unit: 'codes' });
  reporter.stage('painting', { total: 1, counts: 'image', unit: 'images' });
  reporter.stage('train', { total: 1 });
  reporter.close();
  const lines = terminal.writes.join('').split('\n');
  expect(lines).toEqual(expect.arrayContaining(['red apple: 64 codes', 'painting: 1 image', 'train: 1 step']));
});

describe('half blocks', () => {
  const fourColours: Picture = { width: 2, height: 2, data: Uint8Array.from([...RED, ...BLUE, 0, 255, 0, 9, 8, 7]) };

  it('paints the upper pixel on the lower one', () => {
    expect(halfBlocks(fourColours, { colours: 'truecolor' })).toBe(
      '\x1b[38;2;255;0;0;48;2;0;255;0m▀\x1b[38;2;0;0;255;48;2;9;8;7m▀\x1b[0m',
    );
  });

  it('says a colour once for a run of pixels and leaves the ground below an odd last row', () => {
    expect(halfBlocks(blank(3, 1, RED), { colours: 'truecolor' })).toBe('\x1b[38;2;255;0;0;49m▀▀▀\x1b[0m');
  });

  it.each<[Rgb, number]>([
    [[0, 0, 0], 16],
    [[255, 255, 255], 231],
    [RED, 196],
    [BLUE, 21],
    [[95, 135, 175], 67],
    [[118, 118, 118], 243],
    [[130, 128, 129], 244],
  ])('%j is colour %d of 256', (colour, index) => {
    expect(halfBlocks(blank(1, 1, colour), { colours: '256' })).toBe(`\x1b[38;5;${index};49m▀\x1b[0m`);
  });

  it('averages down to the width and keeps the proportions', () => {
    const stripes: Picture = { width: 4, height: 4, data: new Uint8Array(48) };
    for (let i = 0; i < 16; i += 2) stripes.data.set([200, 100, 50], i * 3);
    expect(halfBlocks(stripes, { columns: 2, colours: 'truecolor' })).toBe(
      '\x1b[38;2;100;50;25;48;2;100;50;25m▀▀\x1b[0m',
    );
    expect(halfBlocks(blank(64, 32), { columns: 20, colours: '256' }).split('\n')).toHaveLength(5);
  });

  it('is silent without colours', () => {
    expect(halfBlocks(fourColours, { colours: 'none' })).toBe('');
    expect(halfBlockRow([{ picture: fourColours, label: 'x' }], { colours: 'none' })).toBe('');
  });

  it('sets pictures side by side with labels beneath, wrapping to the width', () => {
    const terminal = new Terminal(40);
    const items = ['red', '红苹果红苹果', 'long label'].map(label => ({ picture: blank(8, 4), label }));
    terminal.write(halfBlockRow(items, { columns: 20, colours: 'truecolor' }));
    const two = '▀▀▀▀▀▀▀▀  ▀▀▀▀▀▀▀▀';
    expect(terminal.screen).toEqual([two, two, 'red       红苹果…', '▀▀▀▀▀▀▀▀', '▀▀▀▀▀▀▀▀', 'long la…']);
  });

  it.each([
    [80, 24, { across: 4, width: 18, blocks: 1 }],
    [100, 24, { across: 5, width: 18, blocks: 1 }],
    [100, 30, { across: 4, width: 23, blocks: 1 }],
    [160, 24, { across: 8, width: 18, blocks: 1 }],
    [160, 60, { across: 6, width: 24, blocks: 2 }],
    [30, 24, { across: 2, width: 13, blocks: 1 }],
  ])('fills %i columns and %i lines with two rows of pictures under their names', (columns, rows, expected) => {
    const twelve = (row: string) =>
      Array.from({ length: 12 }, (_, i) => ({ picture: blank(64, 64), label: `${row}${i}`, row }));
    const room = { columns: columns - 1, rows: rows - 2 };
    const text = halfBlockRow([...twelve('original'), ...twelve('copy')], {
      ...room,
      pictureColumns: 24,
      colours: '256',
    });
    const terminal = new Terminal(columns, rows);
    terminal.write(text);
    const lines = terminal.screen;
    const { across, width, blocks } = expected;
    expect(lines.length).toBeLessThanOrEqual(rows - 2);
    expect(lines.filter(line => line === 'original')).toHaveLength(blocks);
    expect(lines.filter(line => line === 'copy')).toHaveLength(blocks);
    const labels = (row: string) =>
      Array.from({ length: across }, (_, i) => `${row}${i}`.padEnd(width))
        .join('  ')
        .trimEnd();
    expect(lines.filter(line => line.startsWith('original0') || line.startsWith('copy0'))).toEqual([
      labels('original'),
      labels('copy'),
    ]);
    expect(lines[1]).toBe(Array.from({ length: across }, () => '▀'.repeat(width)).join('  '));
  });

  it('enlarges no picture, and makes one that is higher than the screen narrower', () => {
    const small = Array.from({ length: 9 }, () => ({ picture: blank(16, 16) }));
    expect(halfBlockRow(small, { columns: 79, pictureColumns: 24, colours: '256' }).split('\n')).toHaveLength(3 * 8);
    const high = halfBlockRow([{ picture: blank(128, 128) }], { columns: 79, rows: 10, colours: '256' }).split('\n');
    expect(high).toHaveLength(10);
    expect(high[0].match(/▀/g)).toHaveLength(20);
  });

  it('leaves out what does not fit the height', () => {
    const items = Array.from({ length: 4 }, () => ({ picture: blank(8, 8), label: 'x' }));
    expect(halfBlockRow(items, { columns: 8, rows: 12, colours: '256' }).split('\n')).toHaveLength(10);
  });
});

describe('what a terminal can do', () => {
  it.each<[Record<string, string>, boolean, string]>([
    [{ TERM: 'xterm-256color', COLORTERM: 'truecolor' }, true, 'truecolor'],
    [{ TERM: 'xterm-256color', COLORTERM: '24bit' }, true, 'truecolor'],
    [{ TERM: 'xterm-256color' }, true, '256'],
    [{ TERM: 'tmux-256color' }, true, '256'],
    [{ TERM: 'xterm' }, true, '256'],
    [{ TERM: 'xterm-kitty' }, true, 'truecolor'],
    [{ TERM: 'xterm-256color', TERM_PROGRAM: 'iTerm.app' }, true, 'truecolor'],
    [{ WT_SESSION: '1' }, true, 'truecolor'],
    [{ TERM: 'linux' }, true, 'none'],
    [{ TERM: 'dumb', COLORTERM: 'truecolor' }, true, 'none'],
    [{}, true, 'none'],
    [{ TERM: 'xterm-256color', COLORTERM: 'truecolor' }, false, 'none'],
    [{ TERM: 'xterm-256color', NO_COLOR: '1' }, true, 'none'],
    [{ TERM: 'xterm-256color', NO_COLOR: '' }, true, '256'],
    [{ TERM: 'xterm-256color', NO_COLOR: '1', FORCE_COLOR: '3' }, true, 'truecolor'],
    [{ FORCE_COLOR: '1' }, false, '256'],
    [{ FORCE_COLOR: '' }, false, '256'],
    [{ FORCE_COLOR: 'true', COLORTERM: 'truecolor' }, false, 'truecolor'],
    [{ FORCE_COLOR: '0', COLORTERM: 'truecolor' }, true, 'none'],
  ])('%j, terminal %s: %s', (env, isTTY, expected) => {
    expect(colourSupport(env, isTTY)).toBe(expected);
  });

  it('redraws on terminals that are not dumb', () => {
    expect([canRedraw({ TERM: 'xterm' }, true), canRedraw({ TERM: 'dumb' }, true), canRedraw({}, false)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

/** Forges a line, sets a title and a colour, and turns the direction of writing. */
const HOSTILE = 'a\n[4/4] done\x1b]0;title\x07\x1b[31m\u202eb';
const SHOWN = String.raw`a\n[4/4] done\x1b]0;title\x07\x1b[31m\u202eb`;

describe.each([true, false])('Text of strangers, on a terminal: %s', isTTY => {
  it('is shown escaped, on the line it belongs to', () => {
    const { terminal, reporter } = setUp({ isTTY, columns: 200 });
    reporter.skip(HOSTILE, HOSTILE);
    reporter.message([HOSTILE, '  second']);
    reporter.stage(HOSTILE);
    reporter.update({ step: 1, note: HOSTILE });
    reporter.done(HOSTILE);
    reporter.stage('next');
    reporter.update({ step: 1, note: HOSTILE });
    reporter.done();
    const written = terminal.writes.join('');
    for (const harm of ['\x07', '\u202e', '\x1b]', '\x1b[31m']) expect(written).not.toContain(harm);
    expect(terminal.screen.filter(line => line !== '').length).toBe(isTTY ? 5 : 7);
    for (const line of terminal.screen.filter(line => line.includes('done\\x1b'))) expect(line).toContain(SHOWN);
  });
});

describe('text', () => {
  it.each([
    [0, '0.0s'],
    [440, '0.4s'],
    [9949, '9.9s'],
    [9951, '10s'],
    [59_499, '59s'],
    [59_501, '1m 00s'],
    [65_000, '1m 05s'],
    [3_599_600, '1h 00m'],
    [7_380_000, '2h 03m'],
    [7_199_000, '2h 00m'],
    [Number.POSITIVE_INFINITY, '?'],
  ])('%d ms reads %s', (ms, expected) => expect(formatDuration(ms)).toBe(expected));

  it.each([
    [0, '0'],
    [0.517, '0.52'],
    [0.996, '1.0'],
    [8.44, '8.4'],
    [9.96, '10.0'],
    [48.26, '48.3'],
    [950, '950'],
    [999.6, '1.0k'],
    [12_345, '12.3k'],
    [123_456, '123k'],
    [999_600, '1.0M'],
    [1_234_567, '1.2M'],
  ])('%d counts as %s', (value, expected) => expect(formatCount(value)).toBe(expected));

  it.each([
    [5.21342, '5.213'],
    [0.012345, '0.01235'],
    [0.0000123, '1.23e-5'],
    [Number.NaN, 'NaN'],
  ])('loss %d reads %s', (value, expected) => expect(formatLoss(value)).toBe(expected));

  it.each([
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['红苹果', 6],
    ['😀', 2],
    ['👨‍👩‍👧', 2],
    ['❤️', 2],
    ['█▌░', 3],
  ])('%s takes %d columns', (text, columns) => expect(displayWidth(text)).toBe(columns));

  it('cuts to a width without splitting characters', () => {
    expect(cutToWidth('red apple', 9)).toBe('red apple');
    expect(cutToWidth('red apple', 5)).toBe('red…');
    expect(cutToWidth('红苹果', 4)).toBe('红…');
    expect(cutToWidth('a\nb\x1b[31m', 20)).toBe(String.raw`a\nb\x1b[31m`);
    expect(cutToWidth('a\nb\x1b[31m', 9)).toBe(String.raw`a\nb\x1b…`);
    expect(cutToWidth('abc', 0)).toBe('');
  });
});
