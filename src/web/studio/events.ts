/**
 * @file Server-sent events: a response that stays open, and to which events are written as they happen. Says now and then that
 * it is alive, and knows when its reader is too slow.
 */
import type { ServerResponse } from 'node:http';
import { guardHeaders } from '../guard.ts';

/** Milliseconds between signs of life, by which a reader that has gone away is noticed. */
const BEAT = 15_000;
/** Bytes that wait to be read, from which on events that can be left out are. */
const CROWDED = 2 ** 20;

/** The events of one reader. */
export class EventStream {
  /** Fulfilled when the reader has gone, or `end` was called. */
  readonly closed: Promise<void>;
  private readonly response: ServerResponse;

  /** @param signal ends it, e.g. that of `Asked` */
  constructor(response: ServerResponse, signal: AbortSignal) {
    this.response = response;
    response.writeHead(200, { ...guardHeaders(), 'Content-Type': 'text/event-stream; charset=utf-8' });
    response.flushHeaders();
    const beat = setInterval(() => response.write(': alive\n\n'), BEAT);
    this.closed = new Promise(resolve => response.once('close', () => resolve()));
    const end = () => this.end();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    void this.closed.then(() => {
      clearInterval(beat);
      signal.removeEventListener('abort', end);
    });
  }

  /** Whether so much waits to be read that what can be left out, such as a preview, should be. */
  get isCrowded(): boolean {
    return this.response.writableLength > CROWDED;
  }

  /** Sends an event. @param data as JSON. Nothing happens once it is closed. */
  send(event: string, data: unknown): void {
    if (this.response.writableEnded || this.response.destroyed) return;
    this.response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  end(): void {
    if (!this.response.writableEnded) this.response.end();
  }
}
