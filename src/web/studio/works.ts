/**
 * @file Processes of the program that the page started: trainings, reports, studies. What they say goes to files of a folder that goes away
 * with the studio, so that one outlives a studio that is killed. Those under way are asked to stop when the studio ends, and waited for:
 * a training saves then. Each has a group of processes of its own: Ctrl-C in the terminal reaches it through here alone, and once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shellWord } from '../../core/shell.ts';
import { Refusal } from '../guard.ts';
import { lastLines } from './runs/tail.ts';
import type { WorkCard, WorkKind } from './trainings/messages.ts';

/** Lines of what a process said that are shown. */
const LINES = 40;
/** Most that are under way at a time, and most that are remembered. */
const MOST_RUNNING = 4;
const MOST_KEPT = 50;

/** What is started. */
export interface WorkRequest {
  readonly kind: WorkKind;
  readonly title: string;
  /** Arguments of the program. */
  readonly argv: readonly string[];
  /** What a page that shows the result finds it by. */
  readonly run?: string;
  readonly study?: string;
  /** Of a training, its data: the id of a data set, or a path. */
  readonly data?: string;
  /** An HTML file that it makes. */
  readonly page?: string;
}

interface Work extends WorkRequest {
  readonly id: string;
  readonly child: ChildProcess;
  readonly log: string;
  readonly begun: number;
  ended?: number;
  stopping: boolean;
  /** As the process ended; undefined while it runs. */
  end?: { readonly code: number | null; readonly signal: NodeJS.Signals | null };
  readonly gone: Promise<void>;
}

export class Works {
  private readonly words: readonly string[];
  private readonly now: () => number;
  private readonly kept = new Map<string, Work>();
  private scratchFolder: string | undefined;

  /** @param words see `Program`; @param now a clock in milliseconds */
  constructor(words: readonly string[], now: () => number) {
    this.words = words;
    this.now = now;
  }

  /** A folder for what goes away with the studio. */
  get scratch(): string {
    this.scratchFolder ??= mkdtempSync(join(tmpdir(), 'tessera-studio-'));
    return this.scratchFolder;
  }

  /** @throws Refusal if too many are under way */
  start(request: WorkRequest): WorkCard {
    if (this.running >= MOST_RUNNING) {
      throw new Refusal(429, `${MOST_RUNNING} processes are under way already`);
    }
    const all = [...this.kept.values()];
    for (const { id } of all.filter(({ end }) => end !== undefined).slice(0, -MOST_KEPT)) this.kept.delete(id);
    const id = randomBytes(6).toString('hex');
    const log = join(this.scratch, `${id}.log`);
    const output = openSync(log, 'a');
    const [file, ...flags] = this.words;
    const child = spawn(file, [...flags, ...request.argv], {
      stdio: ['ignore', output, output],
      detached: true,
      windowsHide: true,
    });
    closeSync(output);
    const gone = new Promise<void>(resolve => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        work.end ??= { code, signal };
        work.ended ??= this.now();
        resolve();
      };
      child.once('error', () => end(1, null));
      child.once('exit', end);
    });
    const work: Work = { ...request, id, child, log, begun: this.now(), stopping: false, gone };
    this.kept.set(id, work);
    return this.cardOf(work, []);
  }

  /** How many are under way. */
  get running(): number {
    return [...this.kept.values()].filter(({ end }) => end === undefined).length;
  }

  /** All that are remembered, the newest first, with what they said last. */
  async list(): Promise<WorkCard[]> {
    const works = [...this.kept.values()].reverse();
    return Promise.all(works.map(async work => this.cardOf(work, await lastSaid(work.log))));
  }

  /** @throws Refusal if there is no such process */
  async card(id: string): Promise<WorkCard> {
    const work = this.get(id);
    return this.cardOf(work, await lastSaid(work.log));
  }

  /** Asks a process to stop; a training saves what it has. @throws Refusal if there is no such process */
  stop(id: string): void {
    const work = this.get(id);
    if (work.end !== undefined || work.stopping) return; // a second signal would not let it save
    work.stopping = true;
    work.child.kill('SIGINT');
  }

  /** The page that a process has made. @throws Refusal if there is none */
  pageOf(id: string): string {
    const { page, end } = this.get(id);
    if (page === undefined || end?.code !== 0) throw new Refusal(404, 'there is no such page here');
    return page;
  }

  /** Asks all to stop, and waits until they have. */
  async close(): Promise<void> {
    for (const id of this.kept.keys()) this.stop(id);
    await Promise.all([...this.kept.values()].map(({ gone }) => gone));
    if (this.scratchFolder !== undefined) await rm(this.scratchFolder, { recursive: true, force: true });
  }

  private get(id: string): Work {
    const work = this.kept.get(id);
    if (work === undefined) throw new Refusal(404, 'this process is not remembered any more');
    return work;
  }

  private cardOf(work: Work, lines: readonly string[]): WorkCard {
    const { id, kind, title, argv, run, study, data, page, end, stopping, begun, ended = this.now() } = work;
    const state = end === undefined ? (stopping ? 'stopping' : 'running') : stateOf(end);
    return {
      ...{ id, kind, title, state, lines, run: run ?? null, study: study ?? null, data: data ?? null },
      command: ['tessera', ...argv].map(shellWord).join(' '),
      seconds: Math.round((ended - begun) / 1000),
      why: whyOf(work),
      hasPage: page !== undefined && end?.code === 0,
    };
  }
}

/** The code of a program that Ctrl-C stopped, which saved. */
const STOPPED = 130;

function stateOf({ code }: NonNullable<Work['end']>): WorkCard['state'] {
  return code === 0 ? 'done' : code === STOPPED ? 'stopped' : 'failed';
}

/** How it ended, in words. */
function whyOf({ end, kind }: Work): string | null {
  if (end === undefined) return null;
  const { code, signal } = end;
  if (code === 0) return 'done';
  if (code === STOPPED) return kind === 'training' ? 'stopped, and saved' : 'stopped';
  if (signal !== null) return `ended by ${signal}${kind === 'training' ? ': it goes on from what it saved last' : ''}`;
  return code === 2 ? 'refused, as its last line says' : `ended by a mistake (exit code ${code})`;
}

/** What a process said last, a line each. */
async function lastSaid(path: string): Promise<string[]> {
  const size = await stat(path).then(
    found => found.size,
    () => undefined,
  );
  if (size === undefined) return [];
  return (await lastLines(path, size)).filter(line => line.trim() !== '').slice(-LINES);
}
