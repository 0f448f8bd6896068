/**
 * @file The log of a run as the studio holds it: read once, then only what was appended; numbers in columns by stage and name,
 * and of the records themselves those that tell more than numbers. A log that was cut, which a training that goes on does, is
 * read anew.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UserError } from '../../../core/errors.ts';
import { fill } from '../../../io/bytes.ts';
import { type Fields, parseRecord } from './tail.ts';

/** Longest log, in bytes: that of some million records. */
const MOST = 2 ** 28;
/** Bytes that are read and parsed at a time, so that others are answered between. */
const CHUNK = 2 ** 20;
/** Records of training steps that are kept beside the columns; every second is given up when there are more. */
const KEPT = 1000;

/** What a stage's records have of one name. */
export interface Column {
  /** Places in the stage's `steps`. */
  readonly rows: number[];
  /** NaN where it was not finite. */
  readonly values: number[];
}

/** The records of one stage. */
export interface StageLog {
  readonly name: string;
  /** Of each record, in the order of the log. */
  readonly steps: number[];
  /** Where in the log each record ends. */
  readonly ends: number[];
  readonly columns: Map<string, Column>;
  /** The last record of training steps. */
  last: Fields;
  /** The first and the newest ones of the current pace: step, and seconds of training. */
  readonly pace: { step: number; seconds: number }[];
}

/** A record in its place. */
interface Kept {
  readonly record: Fields;
  readonly isPlain: boolean;
}

/** Records of training steps by whose times the pace is known. */
const PACED = 30;

export class RunLog {
  /** Where the next record begins. */
  end = 0;
  /** Counts how often it was begun anew: places in it are of no meaning to another. */
  epoch = 0;
  /** In the order in which they began. */
  readonly stages = new Map<string, StageLog>();
  private readonly path: () => Promise<string | undefined>;
  private file: string | undefined;
  private kept: Kept[] = [];
  private plain = 0;
  private every = 1;
  private reading: Promise<boolean> | undefined;
  /** The beginning of a record whose end was not yet written. */
  private torn: Uint8Array = new Uint8Array(0);

  /** @param path where it is; undefined where it is not */
  constructor(path: () => Promise<string | undefined>) {
    this.path = path;
  }

  /** Reads what was appended. @returns whether there was anything */
  update(): Promise<boolean> {
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  /** Records from which a history can be read: all that are none of training steps, and some of those. */
  records(): Fields[] {
    const last = [...this.stages.values()].map(({ last }) => last).filter(record => 'step' in record);
    return [...this.kept.map(({ record }) => record), ...last];
  }

  private async read(): Promise<boolean> {
    const path = await this.path();
    const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
    if (path === undefined || found === undefined || !found.isFile()) return this.begin(undefined);
    if (found.size > MOST) throw new UserError(path, `expected a log of at most ${MOST} bytes, got ${found.size}`);
    const file = `${found.dev}/${found.ino}`;
    const anew = (file !== this.file || found.size < this.end + this.torn.length) && this.begin(file);
    if (found.size === this.end + this.torn.length) return anew;
    const handle = await open(path, 'r');
    try {
      while (await this.readChunk(handle, found.size));
    } finally {
      await handle.close();
    }
    return true;
  }

  private begin(file: string | undefined): boolean {
    const had = this.end > 0;
    this.file = file;
    this.end = 0;
    this.torn = new Uint8Array(0);
    this.stages.clear();
    this.kept = [];
    this.plain = 0;
    this.every = 1;
    if (had) this.epoch++;
    return had;
  }

  private async readChunk(handle: FileHandle, size: number): Promise<boolean> {
    const from = this.end + this.torn.length;
    const bytes = new Uint8Array(this.torn.length + Math.min(CHUNK, size - from));
    bytes.set(this.torn);
    const read = await fill(handle, bytes.subarray(this.torn.length), from);
    const whole = bytes.subarray(0, this.torn.length + read);
    let begin = 0;
    for (let at = whole.indexOf(NEWLINE); at >= 0; at = whole.indexOf(NEWLINE, begin)) {
      this.end += at + 1 - begin;
      const record = parseRecord(decoder.decode(whole.subarray(begin, at)));
      if (record !== undefined) this.take(record);
      begin = at + 1;
    }
    this.torn = whole.slice(begin);
    return read > 0 && from + read < size;
  }

  private take(record: Fields): void {
    const { stage, step } = record;
    const isStep = typeof stage === 'string' && stage !== 'eval' && typeof step === 'number' && Number.isFinite(step);
    if (isStep) this.column(stage, step, record);
    const isPlain = isStep && 'lr' in record && !('collapsed' in record || 'nonfinite' in record || hasGap(record));
    if (isPlain && this.plain++ % this.every !== 0) return;
    this.kept.push({ record, isPlain });
    if (isPlain && this.kept.length > 2 * KEPT) this.thin();
  }

  /** Gives up every second record of training steps. */
  private thin(): void {
    const plain = this.kept.filter(({ isPlain }) => isPlain).length;
    if (plain <= KEPT) return;
    this.every *= 2;
    let at = 0;
    this.kept = this.kept.filter(({ isPlain }) => !isPlain || at++ % 2 === 0);
  }

  private column(name: string, step: number, record: Fields): void {
    const stage: StageLog = this.stages.get(name) ?? {
      name,
      steps: [],
      ends: [],
      columns: new Map(),
      last: {},
      pace: [],
    };
    this.stages.set(name, stage);
    const row = stage.steps.push(step) - 1;
    stage.ends.push(this.end);
    for (const [key, value] of Object.entries(record)) {
      if (UNDRAWN.has(key) || (typeof value !== 'number' && value !== null)) continue;
      const column = stage.columns.get(key) ?? { rows: [], values: [] };
      stage.columns.set(key, column);
      column.rows.push(row);
      column.values.push(value ?? Number.NaN);
    }
    if (!('lr' in record)) return;
    stage.last = record;
    if (typeof record.seconds === 'number') stage.pace.push({ step, seconds: record.seconds });
    if (stage.pace.length > PACED) stage.pace.shift();
  }
}

const NEWLINE = 0x0a;
const decoder = new TextDecoder();

/** What places a record, or only adds up. */
const UNDRAWN: ReadonlySet<string> = new Set(['stage', 'step', 'seconds', 'images', 'flops']);

function hasGap(record: Fields): boolean {
  return Object.values(record).includes(null);
}
