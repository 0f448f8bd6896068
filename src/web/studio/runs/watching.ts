/**
 * @file The runs that somebody looks at, as events: what is new of their state, their curves and their pictures. Looks once a
 * second, since systems do not tell reliably that a file has grown.
 */
import { setTimeout } from 'node:timers/promises';
import { UserError } from '../../../core/errors.ts';
import { Refusal } from '../../guard.ts';
import type { EventStream } from '../events.ts';
import type { LiveEvents } from '../messages.ts';
import type { Cards } from './card.ts';
import { curvesOf } from './curves.ts';
import { stateOf } from './detail.ts';
import { sheetsOf } from './sheets.ts';
import type { WatchedRuns } from './watched.ts';

/** Milliseconds between looks. */
const PERIOD = 1000;
/** Points of a curve at once; more came than anyone sees. */
const POINTS = 1000;

export interface Watching {
  readonly watched: WatchedRuns;
  readonly cards: Cards;
  /** Of what goes wrong with one run. */
  readonly onError: (error: unknown) => void;
}

/** A run, and the place in its log up to which its reader knows it. */
export interface Followed {
  readonly id: string;
  readonly epoch: number;
  readonly end: number;
}

/** Sends what is new, until the reader has gone. */
export async function sendNews(stream: EventStream, runs: readonly Followed[], watching: Watching): Promise<void> {
  const following = new Set(runs.map(run => new Following(run, watching)));
  const gone = new AbortController();
  void stream.closed.then(() => gone.abort());
  while (!gone.signal.aborted) {
    for (const run of following) {
      await run.look(stream).catch((error: unknown) => {
        following.delete(run); // else it would be said every second
        if (!(error instanceof Refusal || error instanceof UserError)) watching.onError(error);
        stream.send('gone', { id: run.id, error: error instanceof Error ? error.message : String(error) });
      });
    }
    await setTimeout(PERIOD, undefined, { signal: gone.signal }).catch(() => {});
  }
}

/** One run, as its reader knows it. */
class Following {
  readonly id: string;
  private readonly watching: Watching;
  private epoch: number;
  private end: number;
  /** What was sent last, as text. */
  private readonly sent = new Map<string, string>();

  constructor({ id, epoch, end }: Followed, watching: Watching) {
    this.id = id;
    this.watching = watching;
    this.epoch = epoch;
    this.end = end;
  }

  async look(stream: EventStream): Promise<void> {
    const { watched, cards } = this.watching;
    const run = await watched.of(this.id);
    const { log, config, place } = run;
    if (log.epoch !== this.epoch || log.end !== this.end) {
      // A log that was begun anew is sent whole.
      const after = log.epoch === this.epoch ? this.end : 0;
      this.send(stream, 'curves', curvesOf(log, config, { points: POINTS, after }));
      this.epoch = log.epoch;
      this.end = log.end;
    }
    const state = await stateOf(run, await cards.of(place));
    const sheets = await sheetsOf(place);
    if (this.isNew('run', state)) this.send(stream, 'run', state);
    if (this.isNew('sheets', sheets)) this.send(stream, 'sheets', sheets);
  }

  private isNew(name: keyof LiveEvents, data: object): boolean {
    const text = JSON.stringify(data);
    const isNew = this.sent.get(name) !== text;
    this.sent.set(name, text);
    return isNew;
  }

  private send<Name extends keyof LiveEvents>(stream: EventStream, name: Name, data: Omit<LiveEvents[Name], 'id'>) {
    stream.send(name, { id: this.id, ...data });
  }
}
