/**
 * @file Rehearsal: a share of every batch comes from other data than that which is learnt, so that what was known of it is not
 * lost (Robins 1995, "Catastrophic forgetting, rehearsal and pseudorehearsal"). Which sequences those are depends on the seed
 * and the step alone.
 */
import { Epochs } from '../../../data/epochs.ts';
import type { Random } from '../../core/random.ts';
import type { CaptionedCodes, Rehearsal } from '../family.ts';

/** Sequences of a batch that are rehearsed: the share, but one at least, and not all. */
export function rehearsedOf(batchSize: number, share: number): number {
  return share === 0 ? 0 : Math.min(batchSize - 1, Math.max(1, Math.round(share * batchSize)));
}

/** Two data sets as one, the second behind the first. */
export function joinCodes(first: CaptionedCodes, second: CaptionedCodes): CaptionedCodes {
  const { crops, length } = first.set;
  if (second.set.crops !== crops || second.set.length !== length) throw new Error('joinCodes: sets of other shapes');
  const codes = new Uint16Array(first.set.codes.length + second.set.codes.length);
  codes.set(first.set.codes);
  codes.set(second.set.codes, first.set.codes.length);
  return {
    set: { ids: [...first.set.ids, ...second.set.ids], crops, length, codes },
    captions: [...first.captions, ...second.captions],
  };
}

/** The items of batches, some of them of what is rehearsed. */
export class RehearsedItems {
  /** Sequences of a batch that are the learnt data's own. */
  readonly own: number;
  private readonly epochs: Epochs;
  private readonly rehearsed: { readonly epochs: Epochs; readonly first: number; readonly count: number } | undefined;

  /**
   * @param weights how often each item of the learnt data is drawn
   * @param options.rehearsal whose items come behind those
   */
  constructor(
    weights: Float64Array,
    random: Random,
    { batchSize, rehearsal }: { readonly batchSize: number; readonly rehearsal?: Rehearsal },
  ) {
    const count = rehearsal === undefined ? 0 : rehearsedOf(batchSize, rehearsal.share);
    this.own = batchSize - count;
    this.epochs = new Epochs(weights, random);
    this.rehearsed =
      rehearsal === undefined || count === 0
        ? undefined
        : {
            epochs: new Epochs(rehearsal.codes.captions.length, random.fork('rehearsal')),
            first: weights.length,
            count,
          };
  }

  /** The item at a place of a step's batch. */
  at(step: number, place: number): number {
    if (place < this.own) return this.epochs.at(step * this.own + place);
    const { epochs, first, count } = this.rehearsed as NonNullable<typeof this.rehearsed>; // places end where it ends
    return first + epochs.at(step * count + place - this.own);
  }
}
