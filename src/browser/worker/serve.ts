/**
 * @file The worker's side: a run that is opened once and painted until the worker ends. Paintings wait for one another, in
 * the order in which they were asked for; a picture is encoded or decoded between two rows of the one under way.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.ts';
import type { CodePainter, PaintedConfig } from '../../families/transformer/codepainter.ts';
import { openRunBytes } from '../../families/transformer/painted-run.ts';
import type { Picture } from '../../image/images.ts';
import {
  type Answers,
  type Ask,
  type OpenAsk,
  type OpenedRun,
  type PaintAsk,
  type Pixels,
  type ToPage,
  type ToWorker,
  troubleOf,
} from '../messages.ts';

/** What an engine says of itself when it has started. */
export interface Engine {
  readonly threads: number;
  /** What computes. */
  readonly device: string;
  /** Whether something that went wrong leaves nothing to go on with. */
  isLost(error: unknown): boolean;
}

/** The global scope of a worker, as far as it is used here. */
interface Scope {
  postMessage(message: ToPage, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWorker>) => void): void;
}

/** Answers a page's messages from now on. @param start starts the engine that this worker is for */
export function serve(start: (ask: OpenAsk) => Promise<Engine>): void {
  const scope = globalThis as unknown as Scope; // which this file's types do not know
  const served = new Served(start);
  scope.addEventListener('message', ({ data }) => {
    if ('abort' in data) {
      served.abort(data.id);
      return;
    }
    const { id, ask } = data;
    const send = (message: ToPage, arrays: readonly ArrayBufferView[] = []) =>
      scope.postMessage(message, [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))]);
    served
      .answer(id, ask, part => send({ id, part }, [part.codes, ...part.pictures]))
      .then(
        answer => send({ id, answer }, ArrayBuffer.isView(answer) ? [answer] : []),
        error => send({ id, trouble: troubleOf(error, served.isLost(error)) }),
      );
  });
}

type Part = Extract<ToPage, { part: unknown }>['part'];

class Served {
  private readonly start: (ask: OpenAsk) => Promise<Engine>;
  private engine: Engine | undefined;
  private painter: CodePainter<PaintedConfig> | undefined;
  private readonly aborted = new Set<number>();
  /** The end of the last painting that was asked for. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(start: (ask: OpenAsk) => Promise<Engine>) {
    this.start = start;
  }

  isLost(error: unknown): boolean {
    return this.engine?.isLost(error) ?? false;
  }

  abort(id: number): void {
    this.aborted.add(id);
  }

  async answer(id: number, ask: Ask, onPart: (part: Part) => void): Promise<Answers[keyof Answers]> {
    switch (ask.kind) {
      case 'open':
        return this.open(ask);
      case 'encode':
        return this.opened().encode([ask.picture]);
      case 'decode':
        return pixelsOf((await this.opened().decode(ask.codes))[0]);
      case 'paint': {
        const before = this.last;
        const painting = before.then(() => this.paint(id, ask, onPart));
        this.last = painting.catch(() => {}); // the next one does not wait in vain
        return painting;
      }
    }
  }

  private async open(ask: OpenAsk): Promise<OpenedRun> {
    this.engine = await this.start(ask);
    await tf.ready();
    this.painter = openRunBytes(ask.name, ask.bytes);
    const { config, model, patch } = this.painter;
    const { temperature, fineTemperature, topK, topP, cfgScale: guidance } = config.sampling;
    return {
      imageSize: config.images.imageSize,
      grid: patch.grid,
      captionLength: config.model.captionLength,
      codebookSize: patch.vocabSize,
      parameters: model.parameters.count() + patch.parameters.count(),
      sampling: { temperature, fineTemperature, topK, topP, guidance },
      threads: this.engine.threads,
      device: this.engine.device,
    };
  }

  private opened(): CodePainter<PaintedConfig> {
    if (this.painter === undefined) throw new UserError('worker', 'expected an open run, got none');
    return this.painter;
  }

  private async paint(id: number, ask: PaintAsk, onPart: (part: Part) => void): Promise<undefined> {
    const painter = this.opened();
    const { caption, seed, count, every, given, temperature, fineTemperature, topK, topP, guidance: cfgScale } = ask;
    const orders = Array.from({ length: count }, (_, number) => ({ caption, seed, number }));
    const request = { temperature, fineTemperature, topK, topP, cfgScale, every, given, previews: true };
    if (this.aborted.delete(id)) return undefined;
    for await (const { codes, painted, total, pictures } of painter.paintOrders(orders, request)) {
      if (this.aborted.delete(id)) return undefined;
      onPart({ codes, done: painted, total, pictures: pictures.map(pixelsOf) });
    }
    return undefined;
  }
}

function pixelsOf({ width, height, data }: Picture): Pixels {
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0, j = 0; i < data.length; i += 3, j += 4) {
    pixels[j] = data[i];
    pixels[j + 1] = data[i + 1];
    pixels[j + 2] = data[i + 2];
  }
  return pixels;
}
