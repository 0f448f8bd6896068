/**
 * @file A few at a time, in the order they came: a browser opens six connections to a server at most, and streams of events that
 * stay open would leave none for anything else.
 */

export class Slots {
  private free: number;
  private readonly waiting: ((leave: () => void) => void)[] = [];

  constructor(most: number) {
    this.free = most;
  }

  /** Begins, now or when there is room. @param begin is given what makes room again, once */
  take(begin: (leave: () => void) => void): void {
    this.waiting.push(begin);
    this.next();
  }

  private next(): void {
    if (this.free === 0) return;
    const begin = this.waiting.shift();
    if (begin === undefined) return;
    this.free--;
    let left = false;
    begin(() => {
      if (left) return;
      left = true;
      this.free++;
      this.next();
    });
  }
}
