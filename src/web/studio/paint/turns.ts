/** @file Work that is done one piece after another, in the order it came; who waits hears how many are before him. */

/** One piece. */
interface Waiting {
  readonly start: () => void;
  readonly onPosition: (before: number) => void;
}

export interface TurnOptions {
  /** Takes it out of the line; work that has begun must look at the signal itself. */
  readonly signal: AbortSignal;
  /** Told at once, and whenever one before it is done; not any more once it has begun. */
  readonly onPosition?: (before: number) => void;
}

/** A line with one counter. */
export class Turns {
  private readonly waiting: Waiting[] = [];
  private isBusy = false;

  /** Pieces that wait or are under way. */
  get length(): number {
    return this.waiting.length + Number(this.isBusy);
  }

  /** Does a piece of work when all before it are done. @throws what it throws; the signal's reason if it has not begun */
  async take<T>(work: () => Promise<T>, { signal, onPosition = () => {} }: TurnOptions): Promise<T> {
    signal.throwIfAborted();
    if (this.isBusy) await this.wait(signal, onPosition);
    this.isBusy = true;
    try {
      return await work();
    } finally {
      this.isBusy = false;
      this.waiting.shift()?.start();
      this.tell();
    }
  }

  private wait(signal: AbortSignal, onPosition: Waiting['onPosition']): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(own), 1);
        reject(signal.reason);
        this.tell();
      };
      const own: Waiting = {
        start: () => {
          signal.removeEventListener('abort', leave);
          this.isBusy = true; // before anybody else comes
          resolve();
        },
        onPosition,
      };
      signal.addEventListener('abort', leave, { once: true });
      this.waiting.push(own);
      onPosition(this.waiting.length);
    });
  }

  private tell(): void {
    this.waiting.forEach(({ onPosition }, i) => {
      onPosition(i + 1);
    });
  }
}
