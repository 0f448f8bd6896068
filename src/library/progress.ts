/**
 * @file How long work of the library says where it stands: one function that takes events, and a signal that stops it. Makes
 * of them the session that the work below wants.
 */
import { functionCheck, signalCheck } from '../core/checks.ts';
import type { Labelled, Reporter, Session, StageOptions } from '../runs/session.ts';
import { cacheFolder } from './cache.ts';

/** Something that happened in long work, in order. One stage is under way at a time. */
export type ProgressEvent =
  /** A stage begins. */
  | ({ readonly type: 'stage' } & StageStart)
  /** A step of the stage is done; dozens a second, where steps are quick. */
  | ({ readonly type: 'step' } & StageStep)
  /** The stage is done. `summary`: in words, e.g. `31.2 dB, 97% of codes`. */
  | { readonly type: 'end'; readonly stage: string; readonly milliseconds: number; readonly summary?: string }
  /** A stage has nothing to do. `reason`: e.g. `done before`. */
  | { readonly type: 'skip'; readonly stage: string; readonly reason: string }
  /** A line for people: a warning, or something that was left out. */
  | { readonly type: 'message'; readonly text: string }
  /** Pictures of how far it is. */
  | { readonly type: 'pictures'; readonly pictures: readonly Labelled[] };

/** A stage as it begins. */
export interface StageStart {
  readonly stage: string;
  /** Place among the stages, from 1, and how many there are. */
  readonly index?: number;
  readonly of?: number;
  /** Steps in all, where that is known. */
  readonly total?: number;
  /** What `total` counts, one of them: `image`, `code`; a step where it is absent. */
  readonly counts?: string;
  /** Steps that were done before, of work that goes on. */
  readonly step?: number;
  /** What `amount` of its steps counts: `tokens`, `images`, `bytes`; steps where it is absent. */
  readonly unit?: string;
  /** Seconds that it is expected to take from here, where that is known before it has begun. */
  readonly seconds?: number;
  /** Seconds that the stages after it are expected to take: 0 where none comes, null where that is not known. */
  readonly secondsAfter?: number | null;
}

/** How far a stage is. */
export interface StageStep {
  readonly stage: string;
  /** Steps done. */
  readonly step: number;
  readonly total?: number;
  /** In nats, where the stage is a training. */
  readonly loss?: number;
  /** Units done, see `StageStart.unit`. */
  readonly amount?: number;
  /** In words, e.g. `26.1 dB`. */
  readonly note?: string;
  /** Whether `step` and `total` count work before the first step, such as decoding. */
  readonly beforehand?: boolean;
}

/** What all long work of the library takes. */
export interface WorkOptions {
  /** Stops the work at its next step. */
  readonly signal?: AbortSignal;
  /** Called with every event, in order; what it throws ends the work. */
  readonly onProgress?: (event: ProgressEvent) => void;
}

export const workChecks = { signal: signalCheck, onProgress: functionCheck };

/** A session that reports as events. */
export function openSession({ signal, onProgress }: WorkOptions): Session {
  const emit = (event: ProgressEvent) => onProgress?.(event);
  const now = () => performance.now();
  return {
    reporter: new EventReporter(emit, now),
    print: text => emit({ type: 'message', text }),
    now,
    signal: signal ?? new AbortController().signal,
    cacheDir: cacheFolder(),
  };
}

/**
 * Work that ends with an error when it is stopped.
 * @throws the signal's reason, if that is why the work ended
 */
export async function stoppable<T>({ signal }: WorkOptions, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Makes events of what a session's reporter is told. */
class EventReporter implements Reporter {
  readonly timings: Record<string, number> = {};
  private readonly emit: (event: ProgressEvent) => void;
  private readonly now: () => number;
  private current: { readonly name: string; readonly began: number } | undefined;

  constructor(emit: (event: ProgressEvent) => void, now: () => number) {
    this.emit = emit;
    this.now = now;
  }

  stage(name: string, options: StageOptions = {}): void {
    this.done();
    this.current = { name, began: this.now() };
    this.emit({ type: 'stage', stage: name, ...options });
  }

  update(update: Parameters<Reporter['update']>[0]): void {
    if (this.current !== undefined) this.emit({ type: 'step', stage: this.current.name, ...update });
  }

  done(summary?: string): void {
    if (this.current === undefined) return;
    const { name, began } = this.current;
    this.current = undefined;
    const milliseconds = this.now() - began;
    this.timings[name] = (this.timings[name] ?? 0) + milliseconds;
    this.emit({ type: 'end', stage: name, milliseconds, summary });
  }

  skip(name: string, reason: string): void {
    this.done();
    this.emit({ type: 'skip', stage: name, reason });
  }

  message(text: string | readonly string[]): void {
    this.emit({ type: 'message', text: typeof text === 'string' ? text : text.join('\n') });
  }

  pictures(items: readonly Labelled[]): void {
    this.emit({ type: 'pictures', pictures: items });
  }
}
