/**
 * @file Paintings that were asked for: each tells what happens to it to whoever listens, now or later, and keeps its pictures
 * until newer ones need the room.
 */
import { randomBytes } from 'node:crypto';
import { Refusal } from '../../guard.ts';
import type { PaintEvents, PaintOrder } from './messages.ts';

/** Most paintings that wait or are under way; finished ones that are remembered, and bytes of their pictures. */
const MOST_WAITING = 32;
const MOST_DONE = 200;
const MOST_BYTES = 2 ** 26;

type Name = keyof PaintEvents;
/** Hears the events of a painting. */
export type Listener = <N extends Name>(name: N, data: PaintEvents[N]) => void;

/** One painting. */
export class Job {
  readonly id = randomBytes(6).toString('hex');
  readonly stop = new AbortController();
  readonly order: PaintOrder;
  /** Finished pictures, as PNGs. */
  pictures: readonly Uint8Array[] = [];
  private readonly listeners = new Set<Listener>();
  /** What a late listener must hear: the last event of each kind, and of each image. */
  private readonly last = new Map<string, (listener: Listener) => void>();
  private over = false;

  constructor(order: PaintOrder) {
    this.order = order;
  }

  /** Whether it was done, failed or was cancelled. */
  get isOver(): boolean {
    return this.over;
  }

  tell<N extends Name>(name: N, data: PaintEvents[N]): void {
    if (this.over) return;
    const again = (listener: Listener) => listener(name, data);
    this.over = name === 'done' || name === 'failed';
    if (this.over) this.last.clear();
    if (name === 'started') this.last.delete('queued');
    const key = name === 'tiles' ? `tiles ${(data as PaintEvents['tiles']).image}` : name;
    this.last.set(name === 'warning' ? `warning ${this.last.size}` : key, again);
    for (const listener of this.listeners) again(listener);
    if (this.over) this.listeners.clear();
  }

  /** Tells what is known, and what comes. @returns ends it */
  listen(listener: Listener): () => void {
    for (const again of this.last.values()) again(listener);
    if (!this.over) this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }
}

/** All paintings that are remembered, the oldest first. */
export class Jobs {
  private readonly kept = new Map<string, Job>();

  /** @throws Refusal if too many wait */
  add(order: PaintOrder): Job {
    const all = [...this.kept.values()];
    if (all.filter(({ isOver }) => !isOver).length >= MOST_WAITING) {
      throw new Refusal(429, `${MOST_WAITING} paintings wait already`);
    }
    this.forget(all.filter(({ isOver }) => isOver));
    const job = new Job(order);
    this.kept.set(job.id, job);
    return job;
  }

  /** @throws Refusal if it is forgotten, or never was */
  get(id: string): Job {
    const job = this.kept.get(id);
    if (job === undefined) throw new Refusal(404, 'this painting is not remembered any more');
    return job;
  }

  /** Those of a run, the oldest first. */
  of(run: string): readonly Job[] {
    return [...this.kept.values()].filter(({ order }) => order.run === run);
  }

  /** Makes room. @param done the oldest first */
  private forget(done: readonly Job[]): void {
    let bytes = 0;
    for (const [i, job] of done.toReversed().entries()) {
      for (const { length } of job.pictures) bytes += length;
      if (i >= MOST_DONE || bytes > MOST_BYTES) this.kept.delete(job.id);
    }
  }
}
