/** @file What `--quiet` leaves of the reports of long work: warnings. */
import { printable } from '../../core/printable.ts';
import type { MessageOptions, Reporter } from '../../runs/session.ts';
import type { Output } from './progress.ts';

/** Takes the time of stages, as others ask for it, and writes nothing but warnings. */
export class QuietReporter implements Reporter {
  readonly timings: Record<string, number> = {};
  private readonly output: Output;
  private readonly now: () => number;
  private stageNow: { readonly name: string; readonly began: number } | undefined;

  constructor({ stream, now }: { readonly stream: Output; readonly now: () => number }) {
    this.output = stream;
    this.now = now;
  }

  stage(name: string): void {
    this.done();
    this.stageNow = { name, began: this.now() };
  }

  update(): void {}

  done(): void {
    if (this.stageNow === undefined) return;
    const { name, began } = this.stageNow;
    this.timings[name] = (this.timings[name] ?? 0) + this.now() - began;
    this.stageNow = undefined;
  }

  skip(): void {
    this.done();
  }

  message(text: string | readonly string[], { isWarning = false }: MessageOptions = {}): void {
    if (!isWarning) return;
    for (const line of typeof text === 'string' ? [text] : text) this.output.write(`${printable(line)}\n`);
  }

  pictures(): void {}

  close(): void {}
}
