/**
 * @file The log of a run as an event file of TensorBoard: a curve for every metric of every stage, `patch/loss`, and the
 * sheets of samples and of reconstructions as pictures.
 */
import { closeSync, existsSync, openSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../../io/atomic.ts';
import { encodeImage, encodeScalars, encodeStart } from '../../io/tensorboard.ts';
import { readSheets, type Sheet, type SheetKind } from '../sheet-history.ts';
import { type LogFile, type LogPaths, type LogRecord, readLog, writeWhole } from './log-file.ts';

/** Files that were made here. A new one has the next number: readers that watch the folder turn to it. */
const EVENT_FILE = /^events\.out\.tfevents\.(\d{10})\.tessera$/;

/** The event files of a folder that were made here. */
export function eventFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter(name => EVENT_FILE.test(name));
  return names.sort();
}

/** One file, which is made anew when a training begins or goes on: its predecessor may say what was undone since. */
export class EventFile implements LogFile {
  readonly path: string;
  private readonly paths: LogPaths;
  private clock = new TrainingClock(0);
  private file: number | undefined;

  constructor(paths: LogPaths) {
    this.path = paths.tensorboard;
    this.paths = paths;
  }

  async rewrite(): Promise<void> {
    this.close();
    const { metrics, sampleHistory, reconstructionHistory } = this.paths;
    const records = readLog(metrics);
    const took = new TrainingClock(0);
    for (const record of records) took.read(record);
    // The log tells no time of day: its last record is of when the file was written last.
    const lastTime = existsSync(metrics) ? statSync(metrics).mtimeMs / 1000 : 0;
    const begin = Math.max(0, lastTime - took.now);
    this.clock = new TrainingClock(begin);
    const curves = records.flatMap(record => this.eventsOf(record));
    const sheets = [
      ...(await readSheets(reconstructionHistory)).flatMap(sheet => this.eventsOfSheet('reconstructions', sheet)),
      ...(await readSheets(sampleHistory)).flatMap(sheet => this.eventsOfSheet('samples', sheet)),
    ];
    const before = eventFiles(this.path);
    const number = Number(EVENT_FILE.exec(before.at(-1) ?? '')?.[1] ?? 0) + 1;
    const path = join(this.path, `events.out.tfevents.${String(number).padStart(10, '0')}.tessera`);
    await writeAtomic(path, Buffer.concat([encodeStart(begin), ...curves, ...sheets])); // one write, not thousands
    for (const name of before) await rm(join(this.path, name), { force: true });
    this.file = openSync(path, 'a');
  }

  append(record: LogRecord): void {
    this.write(this.eventsOf(record));
  }

  sheet(kind: SheetKind, sheet: Sheet): void {
    this.write(this.eventsOfSheet(kind, sheet));
  }

  async sync(): Promise<void> {}

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }

  private write(events: readonly Uint8Array[]): void {
    for (const event of events) if (this.file !== undefined) writeWhole(this.file, event);
  }

  private eventsOf(record: LogRecord): Uint8Array[] {
    const wallTime = this.clock.read(record);
    const { step } = record;
    const curves = curvesOf(record);
    if (typeof step !== 'number' || !Number.isSafeInteger(step) || step < 0 || curves.length === 0) return [];
    return [encodeScalars(curves.map(([tag, value]) => ({ tag, step, wallTime, value })))];
  }

  private eventsOfSheet(kind: SheetKind, { step, png }: Sheet): Uint8Array[] {
    const size = sizeOfPng(png);
    const wallTime = this.clock.timeOfStep(step, kind === 'reconstructions' ? 'patch' : undefined);
    return size === undefined ? [] : [encodeImage({ tag: kind, step, wallTime, png, ...size })];
  }
}

/** The curves that a record is a point of. */
function curvesOf(record: LogRecord): [tag: string, value: number][] {
  const { stage, step: _, ...rest } = record;
  if (stage === 'eval') {
    const { metric, row, split, weights, value } = rest;
    if (typeof metric !== 'string' || typeof value !== 'number') return [];
    const told = [metric, row === 'samples' ? '' : row, split === 'validation' ? '' : split, weights];
    return [[`eval/${told.filter(Boolean).join(' ')}`, value]];
  }
  return Object.entries(rest).flatMap(([name, value]): [string, number][] => {
    if (value !== null && typeof value !== 'number') return [];
    return [[`${stage}/${name}`, value === null || !Number.isFinite(value) ? Number.NaN : value]];
  });
}

/** A step, and when it was made. */
interface StepTime {
  readonly step: number;
  readonly time: number;
}

/** The time of records by the seconds that their stages had trained. */
class TrainingClock {
  private readonly begin: number;
  private stage: unknown;
  /** Seconds of the stages before, and of this one so far. */
  private before = 0;
  private seconds = 0;
  /** When each stage began, and of its steps. */
  private readonly stages = new Map<unknown, { readonly begin: number; readonly times: StepTime[] }>();

  /** @param begin of the training, in seconds since 1970 */
  constructor(begin: number) {
    this.begin = begin;
  }

  get now(): number {
    return this.begin + this.before + this.seconds;
  }

  /** Goes on to a record. @returns its time */
  read({ stage, step, seconds }: LogRecord): number {
    if (stage === 'eval') return this.now;
    if (stage !== this.stage) {
      this.stage = stage;
      this.before += this.seconds;
      this.seconds = 0;
      this.stages.set(stage, { begin: this.now, times: [] });
    }
    if (typeof seconds === 'number') this.seconds = seconds;
    if (typeof step === 'number') this.stages.get(stage)?.times.push({ step, time: this.now });
    return this.now;
  }

  /** The time of a step. @param stage by default the one that came last */
  timeOfStep(step: number, stage = this.stage): number {
    const { begin, times } = this.stages.get(stage) ?? { begin: this.begin + this.before, times: [] };
    return times.findLast(known => known.step <= step)?.time ?? begin;
  }
}

/** From the header of a PNG, which always comes first; undefined if it is none. */
function sizeOfPng(png: Uint8Array): { readonly width: number; readonly height: number } | undefined {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  if (bytes.length < 24 || bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}
