/** @file The parts of a painting as they come from its worker. Whoever stops listening ends it there. */
import type { WorkerLine } from './line.ts';
import type { PaintAsk, PaintedPart } from './messages.ts';

export class PartStream {
  private readonly parts: PaintedPart[] = [];
  private readonly own = new AbortController();
  private ended = false;
  private failure: { readonly reason: unknown } | undefined;
  private wake: () => void = () => {};

  constructor(line: WorkerLine, ask: PaintAsk, signal: AbortSignal | undefined) {
    const signals = [this.own.signal, ...(signal === undefined ? [] : [signal])];
    const onPart = (part: PaintedPart) => {
      this.parts.push(part);
      this.wake();
    };
    line.ask(ask, { onPart, signal: AbortSignal.any(signals) }).then(
      () => this.end(),
      reason => {
        this.failure = { reason };
        this.end();
      },
    );
  }

  private end(): void {
    this.ended = true;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<PaintedPart, void> {
    try {
      for (;;) {
        if (this.failure !== undefined) throw this.failure.reason; // before what came until then: an abort is at once
        const part = this.parts.shift();
        if (part !== undefined) yield part;
        else if (this.ended) return;
        else
          await new Promise<void>(resolve => {
            this.wake = resolve;
          });
      }
    } finally {
      this.own.abort();
    }
  }
}
