/**
 * @file Epochs: which item stands at each place of an endless, shuffled stream. A place depends on the seed alone, so one
 * integer, the place, resumes a training exactly. Knows items by their number and captions only.
 */

import type { Random } from '../src/core/random.ts';

/** Shuffled epochs, each as long as the data. */
export class Epochs {
  private readonly count: number;
  private readonly weights: Float64Array | undefined;
  private readonly random: Random;
  private current: { readonly epoch: number; readonly items: Uint32Array } | undefined;

  /**
   * @param items how many there are, each shown once an epoch; or how often each is drawn relative to the others
   * @param random each epoch forks its own stream from it
   * @throws RangeError if there are no items
   */
  constructor(items: number | Float64Array, random: Random) {
    this.count = typeof items === 'number' ? items : items.length;
    this.weights = typeof items === 'number' ? undefined : items;
    this.random = random;
    if (!(Number.isSafeInteger(this.count) && this.count > 0)) {
      throw new RangeError(`epochs: expected at least one item, got ${this.count}`);
    }
  }

  /** The item at a place of the stream, from 0. Places near each other are quick; another epoch is drawn anew. */
  at(place: number): number {
    const epoch = Math.floor(place / this.count);
    if (this.current?.epoch !== epoch) {
      const random = this.random.fork('epoch', epoch);
      const items = this.weights === undefined ? random.permutation(this.count) : drawEpoch(this.weights, random);
      this.current = { epoch, items };
    }
    return this.current.items[place % this.count];
  }
}

/**
 * One epoch: as many draws as there are weights, in random order, by systematic sampling: an item comes up its share of
 * them, rounded up or down; with equal weights every item exactly once.
 */
export function drawEpoch(weights: Float64Array, random: Random): Uint32Array {
  const n = weights.length;
  const total = weights.reduce((a, b) => a + b, 0);
  const start = random.uniform();
  const drawn = new Uint32Array(n);
  let item = 0;
  let sum = weights[0];
  for (let k = 0; k < n; k++) {
    while (item < n - 1 && sum * n <= (k + start) * total) sum += weights[++item];
    drawn[k] = item;
  }
  return random.permutation(n).map(k => drawn[k]);
}

/**
 * How often each item is drawn, relative to the others: (items of its subject) ^ -balance, where the subject is what the
 * first caption says before its first comma. 0 draws every item alike, 1 every subject, however many items it has.
 * @param captions of each item, at least one
 */
export function balancedWeights(captions: readonly (readonly string[])[], balance: number): Float64Array {
  const subjects = captions.map(([caption]) => caption.split(',')[0]);
  const counts = new Map<string, number>();
  for (const subject of subjects) counts.set(subject, (counts.get(subject) ?? 0) + 1);
  return Float64Array.from(subjects, subject => (counts.get(subject) as number) ** -balance);
}
