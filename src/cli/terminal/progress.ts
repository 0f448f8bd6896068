/**
 * @file Progress of long work. On a terminal: one live line redrawn in place, pictures above it that change in place, and
 * permanent lines above both. Elsewhere (a file, CI): plain lines now and then, no escape codes. It reads no clock and no
 * environment: both are passed in.
 */

import { counted, formatWhole } from '../../core/numbers.ts';
import { printable } from '../../core/printable.ts';
import type { Labelled, Reporter, StageOptions, Update } from '../../runs/session.ts';
import { halfBlockRow } from './halfblocks.ts';
import type { Colours } from './support.ts';
import { cutToWidth, displayWidth, formatCount, formatDuration, formatLoss } from './text.ts';

/** Where progress is written: `process.stderr` fits. Sizes are read at each drawing, for terminals that are resized. */
export interface Output {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

export interface ReporterOptions {
  readonly stream: Output;
  /** Whether lines may be redrawn: `canRedraw(env, stream.isTTY)`. */
  readonly isTTY: boolean;
  readonly colours?: Colours;
  /** A clock in milliseconds: `() => performance.now()`. */
  readonly now: () => number;
  /** Without a terminal, a line at most this often. */
  readonly lineEveryMs?: number;
}

/** Progress on a terminal. One stage at a time is under way; starting the next ends the one before. */
export class TerminalReporter implements Reporter {
  readonly #output: Output;
  readonly #live: boolean;
  readonly #colours: Colours;
  readonly #now: () => number;
  readonly #lineEveryMs: number;
  #stage: Stage | undefined;
  #pictures: readonly string[] = [];
  /** What is on the screen now and may be drawn over. */
  #drawn: { readonly columns: number; readonly pictureLines: number; readonly status: boolean } | undefined;
  #drawnAt = Number.NEGATIVE_INFINITY;

  readonly #timings: Record<string, number> = {};

  constructor({ stream, isTTY, colours = 'none', now, lineEveryMs = 10_000 }: ReporterOptions) {
    this.#output = stream;
    this.#live = isTTY;
    this.#colours = colours;
    this.#now = now;
    this.#lineEveryMs = lineEveryMs;
  }

  /** Begins a stage. Call `update` with the first step when work resumes in its middle, so that rates are right. */
  stage(name: string, options: StageOptions = {}): void {
    this.done();
    this.#stage = { name: printable(name), options, startedAt: this.#now(), last: undefined, samples: [] };
    this.#drawnAt = this.#now();
    if (this.#live) {
      this.#draw();
    } else {
      const total = options.total === undefined ? '' : `: ${counted(options.total, options.counts ?? 'step')}`;
      this.#output.write(`${title(this.#stage)}${total}\n`);
    }
  }

  /** Says how far the stage is. Cheap: draws at most ten times a second. */
  update(update: Update): void {
    const stage = this.#stage;
    if (stage === undefined) return;
    const now = this.#now();
    if (stage.last?.beforehand !== update.beforehand) stage.samples.length = 0; // other steps are counted
    stage.last = update;
    remember(stage, { at: now, step: update.step, amount: update.amount });
    if (now - this.#drawnAt < (this.#live ? REDRAW_MS : this.#lineEveryMs)) return;
    this.#drawnAt = now;
    if (this.#live) this.#draw();
    else this.#output.write(`${title(stage)}: ${describe(stage, now).join(', ')}\n`);
  }

  /** Ends the stage with a permanent line. @param summary replaces the last loss and note in it */
  done(summary?: string): void {
    const stage = this.#stage;
    if (stage === undefined) return;
    this.#stage = undefined;
    const ms = this.#now() - stage.startedAt;
    this.#timings[stage.name] = (this.#timings[stage.name] ?? 0) + ms;
    const elapsed = formatDuration(ms);
    const { loss, note } = stage.last ?? {};
    const result =
      summary ?? [loss === undefined ? '' : `loss ${formatLoss(loss)}`, note ?? ''].filter(Boolean).join(', ');
    this.#permanent(stage, [this.#live ? elapsed : `done in ${elapsed}`, result]);
  }

  /** How long the stages that have ended took, in milliseconds, by name. */
  get timings(): Readonly<Record<string, number>> {
    return this.#timings;
  }

  /** Says that a stage has nothing to do, and why, e.g. `done before`. */
  skip(name: string, reason: string, options: StageOptions = {}): void {
    this.done();
    this.#permanent({ name: printable(name), options, startedAt: 0, last: undefined, samples: [] }, [reason]);
  }

  /** A line that stays, or several. */
  message(text: string | readonly string[]): void {
    const lines = typeof text === 'string' ? [text] : text;
    this.#above(lines.map(line => printable(line)));
  }

  /**
   * Shows pictures above the live line, over the ones shown before; they stay when the stage ends. Does nothing without
   * colours or without a terminal.
   */
  pictures(items: readonly Labelled[], { pictureColumns = 32 }: { readonly pictureColumns?: number } = {}): void {
    if (!this.#live || this.#colours === 'none') return;
    const { columns, rows } = this.#size();
    // Lines that have scrolled away cannot be drawn over, so the block must fit the screen with the live line.
    const block = halfBlockRow(items, { columns: columns - 1, rows: rows - 2, pictureColumns, colours: this.#colours });
    this.#pictures = block === '' ? [] : block.split('\n');
    this.#draw();
  }

  /** Leaves what is drawn and starts below it. Call before exit and before others write to the terminal. */
  close(): void {
    this.#stage = undefined;
    if (this.#live) this.#redraw([], []);
    this.#keepPictures();
  }

  #permanent(stage: Stage, parts: readonly string[]): void {
    const said = printable(parts.filter(part => part !== '').join(', '));
    if (!this.#live) {
      this.#output.write(`${title(stage)}: ${said}\n`);
      return;
    }
    const line = `${this.#paint('32', '✓')} ${title(stage)}  ${this.#paint('2', said)}`;
    this.#redraw([], [line]);
    this.#keepPictures();
  }

  #above(lines: readonly string[]): void {
    if (this.#live) this.#redraw(lines, []);
    else this.#output.write(`${lines.join('\n')}\n`);
  }

  #draw(): void {
    this.#redraw([], []);
  }

  /** The one place that moves the cursor: `above`, then pictures, then `below`, then the live line, in one write. */
  #redraw(above: readonly string[], below: readonly string[]): void {
    const { columns, rows } = this.#size();
    const status = this.#stage === undefined ? '' : this.#status(this.#stage, columns - 1);
    let text = '';
    if (this.#drawn !== undefined) {
      // After a resize old lines may have been wrapped: leave them and draw below.
      const known = this.#drawn.columns === columns && this.#drawn.pictureLines < rows;
      if (known) text += this.#drawn.pictureLines > 0 ? `\r\x1b[${this.#drawn.pictureLines}A` : '\r';
      else text += this.#drawn.status ? '\r\n' : '\r';
    }
    for (const line of [...above, ...this.#pictures, ...below]) text += `${line}\x1b[K\n`;
    text += `${status}\x1b[J`;
    this.#drawn = { columns, pictureLines: this.#pictures.length + below.length, status: status !== '' };
    this.#output.write(text);
  }

  /** From now on the pictures on the screen are permanent. */
  #keepPictures(): void {
    this.#pictures = [];
    this.#drawn = undefined;
  }

  /** The live line, made to fit: the least important parts go first, the bar before the last four. */
  #status(stage: Stage, columns: number): string {
    const head = title(stage);
    const parts = describe(stage, this.#now());
    const total = stage.last?.total ?? stage.options.total;
    const barColumns = total === undefined || stage.last === undefined ? 0 : 20;
    const share = total === undefined ? 0 : Math.min(1, (stage.last?.step ?? 0) / Math.max(1, total));
    for (let kept = parts.length; kept >= 0; kept--) {
      for (const bar of barColumns === 0 ? [0] : kept > 4 ? [barColumns, 10] : [barColumns, 10, 0]) {
        const rest = parts.slice(0, kept).join('  ');
        const room = displayWidth(head) + (bar > 0 ? bar + 2 : 0) + (rest === '' ? 0 : displayWidth(rest) + 2);
        if (room > columns) continue;
        const drawnBar = bar > 0 ? `  ${this.#bar(share, bar)}` : '';
        return `${this.#paint('1', head)}${drawnBar}${rest === '' ? '' : `  ${rest}`}`;
      }
    }
    return cutToWidth(head, columns);
  }

  #bar(share: number, columns: number): string {
    const eighths = Math.round(share * columns * 8);
    const whole = Math.floor(eighths / 8);
    const part = ' ▏▎▍▌▋▊▉'[eighths % 8];
    const done = '█'.repeat(whole) + (whole < columns && eighths % 8 > 0 ? part : '');
    const left = '░'.repeat(columns - displayWidth(done));
    return this.#paint('36', done) + this.#paint('2', left);
  }

  #paint(code: string, text: string): string {
    return this.#colours === 'none' || text === '' ? text : `\x1b[${code}m${text}\x1b[0m`;
  }

  #size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }
}

interface Sample {
  readonly at: number;
  readonly step: number;
  readonly amount: number | undefined;
}

interface Stage {
  readonly name: string;
  readonly options: StageOptions;
  readonly startedAt: number;
  last: Update | undefined;
  readonly samples: Sample[];
}

const REDRAW_MS = 100;
/** Rates are over this long: short enough to follow a change, long enough to smooth a validation pause. */
const RATE_MS = 20_000;
/** Most samples kept, a few a second. */
const SAMPLE_MS = 250;

function title({ name, options: { index, of } }: Stage): string {
  if (index === undefined) return name;
  return `[${of === undefined ? index : `${index}/${of}`}] ${name}`;
}

/** Keeps the samples of the last `RATE_MS`, and at least two however slow the steps are. */
function remember({ samples }: Stage, sample: Sample): void {
  const newest = samples[samples.length - 1];
  if (newest !== undefined && sample.step < newest.step) samples.length = 0; // started over
  const before = samples[samples.length - 2];
  if (before !== undefined && newest.at - before.at < SAMPLE_MS) samples.pop();
  samples.push(sample);
  while (samples.length > 2 && sample.at - samples[1].at > RATE_MS) samples.shift();
}

/** Steps a second; undefined before it has shown. */
function rateOf(samples: readonly Sample[]): number | undefined {
  const [first, newest] = [samples[0], samples[samples.length - 1]];
  const seconds = (newest.at - first.at) / 1000;
  return seconds > 0 && newest.step > first.step ? (newest.step - first.step) / seconds : undefined;
}

/**
 * The time left over all stages, where what the later ones take is known; else that of this stage, named as such. Before the
 * stage has shown its rate, what was expected of it counts.
 */
function timeLeft({ options, last, startedAt }: Stage, now: number, perSecond?: number): string[] {
  const { secondsAfter = 0 } = options;
  const total = last?.total ?? options.total;
  const expected = options.seconds === undefined ? undefined : options.seconds - (now - startedAt) / 1000;
  const isMeasured = perSecond !== undefined && total !== undefined && last !== undefined && last.beforehand !== true;
  const own = isMeasured ? (total - last.step) / perSecond : expected && Math.max(0, expected);
  if (own === undefined) return [];
  const left = formatDuration((own + (secondsAfter ?? 0)) * 1000);
  return [`${left} left${secondsAfter === null ? ' of this stage' : ''}`];
}

/** Steps, time left, loss, note, rate, elapsed: the most important first. */
function describe(stage: Stage, now: number): string[] {
  const { last, options, samples, startedAt } = stage;
  const elapsed = formatDuration(now - startedAt);
  if (last === undefined) {
    const steps =
      options.total === undefined ? [] : [`${formatWhole(options.step ?? 0)}/${formatWhole(options.total)}`];
    return [...steps, ...timeLeft(stage, now), elapsed];
  }
  const total = last.total ?? options.total;
  const parts = [`${formatWhole(last.step)}${total === undefined ? '' : `/${formatWhole(total)}`}`];
  const perSecond = rateOf(samples);
  parts.push(...timeLeft(stage, now, perSecond));
  if (last.loss !== undefined) parts.push(`loss ${formatLoss(last.loss)}`);
  if (last.note !== undefined && last.note !== '') parts.push(printable(last.note));
  const newest = samples[samples.length - 1];
  if (perSecond !== undefined) {
    const counted = samples.find(({ amount }) => amount !== undefined);
    const units = (newest.amount ?? 0) - (counted?.amount ?? 0);
    if (units > 0 && counted !== undefined && newest.at > counted.at) {
      parts.push(`${formatCount((units / (newest.at - counted.at)) * 1000)} ${options.unit ?? 'units'}/s`);
    } else if (newest.amount === undefined) {
      parts.push(`${formatCount(perSecond)} steps/s`);
    }
  }
  parts.push(`${elapsed} so far`);
  return parts;
}
