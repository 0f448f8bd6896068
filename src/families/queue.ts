/**
 * @file The one loop that paints in batches. Every picture that is asked for is an order; orders of calls that wait at the
 * same time and want the same settings are painted beside each other. Which picture comes of an order does not depend on
 * its neighbours. Knows no family: what paints a batch is a `BatchPainter`.
 */
import { UserError } from '../core/errors.ts';
import type { Picture } from '../image/images.ts';

/** One picture of a caption: its random numbers are stream `number` of `seed`. '' is no caption. */
export interface Order {
  readonly caption: string;
  readonly seed: number;
  readonly number: number;
  /** Of a picture between this and another: which one, and the share of the way to it, in (0, 1). */
  readonly towards?: { readonly order: Order; readonly share: number };
}

/** How pictures are drawn. Settings that are left out are the run's own. */
export interface PaintSettings {
  /** Of a transformer: divides the logits; 0 takes the likeliest code. */
  readonly temperature?: number;
  /** Of a transformer whose codes are interlaced: the temperature of all but the coarse ones over that of these. */
  readonly fineTemperature?: number;
  /** Of a transformer: draws among the k likeliest codes; 0: among all. */
  readonly topK?: number;
  /** Of a transformer: draws among the likeliest codes that together have this probability, in (0, 1]. */
  readonly topP?: number;
  /** Of a transformer or a diffusion model: guidance; 1 switches it off. */
  readonly cfgScale?: number;
  /** Of a diffusion model: steps from noise to picture. */
  readonly steps?: number;
  /** Of a transformer: a picture of the run's size to complete, and which of its patches stay, [grid * grid]. */
  readonly completion?: Completion;
}

/** A picture to complete. */
export interface Completion {
  readonly image: Picture;
  /** Patches that are kept, [grid * grid] in raster order; the others are painted. */
  readonly keep: readonly boolean[];
}

/** What is painted at once. */
export interface Batch {
  readonly orders: readonly Order[];
  readonly settings: PaintSettings;
  /** Takes unfinished pictures, one an order; absent where nobody looks at them. */
  readonly onUnfinished?: (pictures: readonly Picture[]) => void;
  /** Takes how likely the codes of finished pictures were, one row an order, of what paints codes; as of `CallOptions`. */
  readonly onLogProbabilities?: (rows: readonly Float64Array[]) => void;
  /** To be called between two steps with the share that is done, in [0, 1]; throws once nobody waits for the batch. */
  readonly onStep: (share: number) => void;
}

/** What paints a batch. */
export interface BatchPainter {
  /** Most pictures of one batch. */
  readonly batchSize: number;
  /** Captions of different kinds are never in one batch; by default all are of one kind. */
  kindOf?(caption: string): string;
  /** @returns a picture an order, in their order */
  paint(batch: Batch): Promise<readonly Picture[]>;
}

/** What a call wants besides its orders. */
export interface CallOptions extends PaintSettings {
  /** Most pictures of one batch, where it shall be less than what fits. */
  readonly batchSize?: number;
  /** Takes unfinished pictures of a batch, and their places among the call's; a call with it is painted in batches of its own. */
  readonly onUnfinished?: (pictures: readonly Picture[], places: readonly number[]) => void;
  /**
   * Takes, of what paints codes, the log-probability of each code under the distribution that it was drawn from, in nats, 0 where
   * it was given: a row of grid * grid for each finished picture of a batch, and their places among the call's; likewise.
   */
  readonly onLogProbabilities?: (rows: readonly Float64Array[], places: readonly number[]) => void;
  /** How many of the call's pictures are done; those under way count by their share. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops the call at its next step; its promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

interface Place {
  readonly order: Order;
  /** Place of its picture in the call. */
  readonly place: number;
}

/** A call that is not finished. */
interface Call {
  readonly options: CallOptions;
  readonly settings: PaintSettings;
  /** What waits, first come first, by what may be in one batch. */
  readonly waiting: Map<string, Place[]>;
  readonly pictures: Picture[];
  done: number;
  ended: boolean;
  readonly resolve: (pictures: Picture[]) => void;
  readonly reject: (reason: unknown) => void;
}

interface Taken extends Place {
  readonly call: Call;
}

/** Thrown into a batch that nobody waits for any more. */
class Unwanted extends Error {}

/** Paints the orders of any number of calls, a batch at a time. */
export class PaintQueue {
  private readonly painter: BatchPainter;
  private readonly name: string;
  private readonly calls: Call[] = [];
  private running = false;
  private onClosed: (() => void) | undefined;
  private closed = false;
  private unique = 0;

  /** @param name of what paints, for errors */
  constructor(painter: BatchPainter, name: string) {
    this.painter = painter;
    this.name = name;
  }

  /**
   * Paints a picture of every order. Calls that wait at the same time take turns: none waits for all of another's pictures.
   * @returns the pictures, in the order of the orders
   * @throws UserError after `close`; the signal's reason once it is aborted
   */
  paint(orders: readonly Order[], options: CallOptions = {}): Promise<Picture[]> {
    return new Promise((resolve, reject) => {
      if (this.closed) {
        reject(disposedError(this.name));
        return;
      }
      const { signal } = options;
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      if (orders.length === 0) {
        resolve([]);
        return;
      }
      const abort = () => this.end(call, () => reject(signal?.reason));
      const call = this.enter(orders, options, {
        resolve: pictures => {
          signal?.removeEventListener('abort', abort);
          resolve(pictures);
        },
        reject: reason => {
          signal?.removeEventListener('abort', abort);
          reject(reason);
        },
      });
      signal?.addEventListener('abort', abort, { once: true });
      if (!this.running) void this.run();
    });
  }

  /** Refuses what waits and what comes, and calls `free` when no batch is under way any more. */
  close(free: () => void): void {
    if (this.closed) return;
    this.closed = true;
    this.onClosed = free;
    for (const call of [...this.calls]) this.end(call, () => call.reject(disposedError(this.name)));
    if (!this.running) free();
  }

  private enter(orders: readonly Order[], options: CallOptions, ends: Pick<Call, 'resolve' | 'reject'>): Call {
    const { temperature, fineTemperature, topK, topP, cfgScale, steps, completion, batchSize } = options;
    const asked = { temperature, fineTemperature, topK, topP, cfgScale, steps };
    const settings: PaintSettings = { ...asked, completion };
    // What only this call can share is told by a number of its own.
    const isOwn = [completion, options.onUnfinished, options.onLogProbabilities].some(each => each !== undefined);
    const own = isOwn ? ++this.unique : 0;
    const common = JSON.stringify([...Object.values(asked), batchSize, own]);
    const waiting = new Map<string, Place[]>();
    orders.forEach((order, place) => {
      const key = `${this.painter.kindOf?.(order.caption) ?? ''}${common}`;
      const places = waiting.get(key);
      if (places === undefined) waiting.set(key, [{ order, place }]);
      else places.push({ order, place });
    });
    for (const places of waiting.values()) places.reverse(); // taken from their end
    const pictures = new Array<Picture>(orders.length);
    const call: Call = { options, settings, waiting, pictures, done: 0, ended: false, ...ends };
    this.calls.push(call);
    return call;
  }

  /** Paints until nothing waits. */
  private async run(): Promise<void> {
    this.running = true;
    await Promise.resolve(); // calls of the same moment are painted together
    while (this.calls.length > 0) await this.paintBatch(this.nextBatch());
    this.running = false;
    this.onClosed?.();
  }

  /** The orders that the longest waiting call begins with, and others' beside them, taken in turns. */
  private nextBatch(): Taken[] {
    const [first] = this.calls;
    const [key] = first.waiting.keys();
    const most = Math.max(1, Math.min(first.options.batchSize ?? Number.POSITIVE_INFINITY, this.painter.batchSize));
    const joined = this.calls.filter(call => call.waiting.has(key));
    const taken: Taken[] = [];
    while (taken.length < most) {
      const before = taken.length;
      for (const call of joined) {
        const next = taken.length < most ? call.waiting.get(key)?.pop() : undefined;
        if (next !== undefined) taken.push({ ...next, call });
      }
      if (taken.length === before) break;
    }
    for (const call of joined) if (call.waiting.get(key)?.length === 0) call.waiting.delete(key);
    return taken;
  }

  private async paintBatch(taken: readonly Taken[]): Promise<void> {
    const counts = new Map<Call, number>();
    for (const { call } of taken) counts.set(call, (counts.get(call) ?? 0) + 1);
    const [{ call: first }] = taken;
    const onStep = (share: number) => {
      for (const [call, count] of counts) this.report(call, call.done + share * count);
      if ([...counts.keys()].every(call => call.ended)) throw new Unwanted('nobody waits for these pictures');
    };
    const { onUnfinished, onLogProbabilities } = first.options;
    const places = taken.map(({ place }) => place); // where somebody looks, all are of his call
    try {
      const pictures = await this.painter.paint({
        orders: taken.map(({ order }) => order),
        settings: first.settings,
        onUnfinished: onUnfinished && (unfinished => onUnfinished(unfinished, places)),
        onLogProbabilities: onLogProbabilities && (rows => onLogProbabilities(rows, places)),
        onStep,
      });
      taken.forEach(({ call, place }, i) => {
        call.pictures[place] = pictures[i];
      });
      for (const [call, count] of counts) this.deliver(call, count);
    } catch (error) {
      for (const call of counts.keys()) this.end(call, () => call.reject(error));
    }
  }

  /** @param count pictures that have come */
  private deliver(call: Call, count: number): void {
    if (call.ended) return;
    call.done += count;
    this.report(call, call.done);
    if (call.waiting.size === 0) this.end(call, () => call.resolve(call.pictures));
    if (call.ended) return;
    // This call has had its turn: it goes behind the calls that came meanwhile.
    this.calls.splice(this.calls.indexOf(call), 1);
    this.calls.push(call);
  }

  /** A callback that throws ends its own call, not those beside it. */
  private report(call: Call, done: number): void {
    if (call.ended) return;
    try {
      call.options.onProgress?.(done, call.pictures.length);
    } catch (error) {
      this.end(call, () => call.reject(error));
    }
  }

  /** Ends a call, once. */
  private end(call: Call, answer: () => void): void {
    if (call.ended) return;
    call.ended = true;
    call.waiting.clear();
    this.calls.splice(this.calls.indexOf(call), 1);
    answer();
  }
}

function disposedError(name: string): UserError {
  return new UserError('painter', `${name} was disposed of`, 'open it again with openPainter');
}
