/** @file The worker as the page speaks to it. */
import type { Ask, Tell } from '../messages.ts';

export class TrainerClient {
  private readonly worker: Worker;

  /** @param hear takes whatever the worker tells; @param fail what ended it */
  constructor(hear: (message: Tell) => void, fail: (what: string) => void) {
    this.worker = new Worker(new URL('./train-worker.js', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data }: MessageEvent<Tell>) => hear(data);
    this.worker.onerror = event => fail(event.message || 'the worker of this page could not be loaded');
  }

  ask(message: Ask): void {
    this.worker.postMessage(message);
  }

  /** Ends the worker, whatever it does; what was saved is kept. */
  end(): void {
    this.worker.terminate();
  }
}
