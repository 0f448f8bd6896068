/** @file The page's side of a worker: a question, its parts as they come, its answer; what goes wrong there is thrown here. */
import { UserError } from '../core/errors.ts';
import { type Answers, type Ask, errorOf, type PaintedPart, type ToPage, type ToWorker } from './messages.ts';

/** The engine of a worker is of no use any more, but another may do the work. */
export class EngineLost extends Error {
  override readonly name = 'EngineLost';
}

interface Waiting {
  readonly onPart?: (part: PaintedPart) => void;
  readonly resolve: (answer: Answers[keyof Answers]) => void;
  readonly reject: (reason: unknown) => void;
}

export class WorkerLine {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;
  private ended: unknown;

  /** @param url of the worker's script */
  constructor(url: string) {
    this.worker = startWorker(url);
    this.worker.addEventListener('message', ({ data }: MessageEvent<ToPage>) => this.hear(data));
    this.worker.addEventListener('error', event => {
      const mend =
        'copy worker.js, worker-webgpu.js and tessera.wasm beside tessera.js, or name them by workerUrl and wasmUrl';
      // One that was not found is told of without a word.
      this.end(
        event.message ? new Error(`worker: ${event.message}`) : new UserError(url, 'the worker did not start', mend),
      );
    });
  }

  /**
   * Asks the worker.
   * @param options.transfer arrays that are handed over
   * @throws the signal's reason once it is aborted, which ends the work there; `EngineLost`; whatever the worker throws
   */
  ask<Kind extends Ask['kind']>(
    ask: Extract<Ask, { readonly kind: Kind }>,
    options: {
      readonly transfer?: Transferable[];
      readonly onPart?: Waiting['onPart'];
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<Answers[Kind]> {
    const { transfer = [], onPart, signal } = options;
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended);
      if (signal?.aborted === true) return reject(signal.reason);
      const id = ++this.asked;
      const abort = () => {
        this.waiting.delete(id);
        this.post({ id, abort: true });
        reject(signal?.reason);
      };
      const settle =
        <T>(how: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener('abort', abort);
          how(value);
        };
      // An answer is of its question's kind.
      this.waiting.set(id, { onPart, resolve: settle(resolve as Waiting['resolve']), reject: settle(reject) });
      signal?.addEventListener('abort', abort, { once: true });
      this.post({ id, ask }, transfer);
    });
  }

  /** Ends the worker; what waits for it is refused with the reason. */
  end(reason: unknown): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(reason);
    this.waiting.clear();
  }

  private post(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  private hear(message: ToPage): void {
    const waiting = this.waiting.get(message.id);
    if (waiting === undefined) return; // it was aborted
    if ('part' in message) {
      waiting.onPart?.(message.part);
      return;
    }
    this.waiting.delete(message.id);
    if ('answer' in message) waiting.resolve(message.answer);
    else if (message.trouble.lost) {
      const lost = new EngineLost(message.trouble.message);
      waiting.reject(lost);
      this.end(lost);
    } else waiting.reject(errorOf(message.trouble));
  }
}

/** A worker must be of the page's own origin: one from elsewhere is imported by a script of the page's. */
function startWorker(url: string): Worker {
  const isOwn = !/^https?:/.test(url) || new URL(url).origin === location.origin;
  // Pages from a disk start no modules out of themselves; the script stands alone, and is as good without.
  if (url.startsWith('blob:')) return new Worker(url, { name: 'tessera' });
  if (isOwn) return new Worker(url, { type: 'module', name: 'tessera' });
  const script = new Blob([`import ${JSON.stringify(url)};`], { type: 'text/javascript' });
  const own = URL.createObjectURL(script);
  try {
    return new Worker(own, { type: 'module', name: 'tessera' });
  } finally {
    setTimeout(() => URL.revokeObjectURL(own), 60_000); // once it has been fetched
  }
}
