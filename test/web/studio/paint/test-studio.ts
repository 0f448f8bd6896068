/** @file The painting routes of a studio on a free port, without its pages, as a client of the API sees them. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { UserError } from '../../../../src/core/errors.ts';
import { createGuarded, Refusal, sendJson } from '../../../../src/web/guard.ts';
import { Library } from '../../../../src/web/studio/library.ts';
import { Easel } from '../../../../src/web/studio/paint/easel.ts';
import type { PaintDone, PaintOrder, PaintTicket } from '../../../../src/web/studio/paint/messages.ts';
import { easelRoutes } from '../../../../src/web/studio/paint/routes.ts';
import { findRoute } from '../../../../src/web/studio/routes.ts';

/** An event of a painting: its name, and what it says. */
type Told = readonly [name: string, event: unknown];

/** A painting under way. */
export interface Painting {
  readonly job: string;
  /** All so far. */
  readonly events: readonly Told[];
  /** The first of a name. */
  readonly until: (name: string) => Promise<Told>;
  /** The last of all. */
  readonly ended: Promise<Told>;
}

export class TestStudio {
  private readonly address: string;
  private readonly easel: Easel;
  private readonly library: Library;
  readonly close: () => Promise<void>;

  private constructor(parts: { address: string; easel: Easel; library: Library; close: () => Promise<void> }) {
    ({ address: this.address, easel: this.easel, library: this.library, close: this.close } = parts);
  }

  static async open(folder: string): Promise<TestStudio> {
    const closing = new AbortController();
    const { signal } = closing;
    const library = await Library.open(folder);
    const onError = (error: unknown) => console.error(error);
    const studio = { library, onError, signal };
    const easel = new Easel(studio);
    const routes = easelRoutes(studio, easel);
    const server = createGuarded(async (request, response) => {
      const [pathname, search] = (request.url ?? '').split('?');
      const found = findRoute(routes, request.method, pathname);
      if (typeof found === 'string') throw new Refusal(404, found);
      const asked = { request, params: found.params, query: new URLSearchParams(search), signal };
      await found.route.answer(asked, response).catch(error => {
        if (!(error instanceof UserError)) throw error;
        sendJson(response, 400, { error: error.message });
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const close = async () => {
      closing.abort();
      server.closeAllConnections();
      server.close();
    };
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return new TestStudio({ address, easel, library, close });
  }

  get pids(): readonly number[] {
    return this.easel.pids;
  }

  async idOf(name: string): Promise<string> {
    return (await this.library.look()).runs.find(run => run.name === name)?.id ?? 'none';
  }

  async datasetOf(name: string): Promise<string> {
    return (await this.library.look()).datasets.find(set => set.name === name)?.id ?? 'none';
  }

  async json<T = unknown>(path: string): Promise<T> {
    return (await (await fetch(this.address + path)).json()) as T;
  }

  async bytes(path: string): Promise<Buffer> {
    return Buffer.from(await (await fetch(this.address + path)).arrayBuffer());
  }

  /** @param body bytes of a PNG, or JSON */
  async post<T>(
    path: string,
    body: unknown,
    method = 'POST',
  ): Promise<{ readonly status: number; readonly body: T & { readonly error?: string } }> {
    const isPicture = body instanceof Uint8Array;
    const response = await fetch(this.address + path, {
      method,
      headers: { Origin: this.address, 'Content-Type': isPicture ? 'image/png' : 'application/json' },
      body: isPicture ? new Uint8Array(body) : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as T & { readonly error?: string } };
  }

  /** Asks for a painting, and listens. */
  async start(order: PaintOrder): Promise<Painting> {
    const { body } = await this.post<PaintTicket>('/api/paint', order);
    const events: Told[] = [];
    const waiting: ((told: Told) => void)[] = [];
    const ended = this.listen(body.job, told => {
      events.push(told);
      for (const hear of waiting) hear(told);
    });
    const until = (name: string) =>
      new Promise<Told>(resolve => {
        const hear = (told: Told) => told[0] === name && resolve(told);
        events.forEach(hear);
        waiting.push(hear);
      });
    return { job: body.job, events, until, ended };
  }

  /** Paints, to the end. */
  async paint(order: PaintOrder): Promise<{ readonly done: PaintDone; readonly events: readonly Told[] }> {
    const { ended, events } = await this.start(order);
    const [name, done] = await ended;
    if (name !== 'done') throw new Error(JSON.stringify(done));
    return { done: done as PaintDone, events };
  }

  private async listen(job: string, hear: (told: Told) => void): Promise<Told> {
    const { body } = await fetch(`${this.address}/api/paint/${job}/events`);
    let text = '';
    let last: Told = ['nothing', undefined];
    for await (const part of (body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      const whole = (text + part).split('\n\n');
      text = whole.pop() ?? '';
      for (const event of whole) {
        const [, name, data] = /^event: (.*)\ndata: (.*)$/s.exec(event) ?? [];
        if (name === undefined) continue;
        last = [name, JSON.parse(data)];
        hear(last);
      }
    }
    return last;
  }
}
