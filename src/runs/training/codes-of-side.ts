/**
 * @file The codes of one side of the split, on disk: which of its items have theirs already, of the very images that they have
 * now, and the codes of the others, which are made and kept with them.
 */
import { existsSync } from 'node:fs';
import type { Item } from '../../../data/dataset.ts';
import type { Decoded } from '../../../data/decoded.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { Variant } from '../../image/variants.ts';
import { type CodeSet, type ExpectedCodes, readCodes, type StoredCodes, writeCodes } from '../../io/codes.ts';
import { encodeItems } from './encode.ts';
import type { Job } from './job.ts';

interface Side extends ExpectedCodes {
  readonly path: string;
  /** See `EncodeOptions.variants`; their crops count as others. */
  readonly variants: readonly Variant[];
}

export class CodesOfSide {
  private readonly job: Job;
  private readonly side: Side;
  private readonly stored: StoredCodes | undefined;
  /** Where in the stored codes those of an item stand. */
  private readonly places: ReadonlyMap<string, number>;

  private constructor(job: Job, side: Side, stored: StoredCodes | undefined) {
    this.job = job;
    this.side = side;
    this.stored = stored;
    this.places = new Map(stored?.set.ids.map((id, i) => [id, i]));
  }

  /** @throws UserError if there are codes that are damaged or of another tokenizer */
  static async open(job: Job, side: Side): Promise<CodesOfSide> {
    return new CodesOfSide(job, side, existsSync(side.path) ? await readCodes(side.path, side) : undefined);
  }

  /**
   * The codes that are there, if they are those of the items, neither more nor less.
   * @param items undefined where the data is not there: then they are taken as they are
   */
  complete(items: readonly Item[] | undefined): CodeSet | undefined {
    const { stored, job } = this;
    if (stored === undefined || items === undefined) return stored?.set;
    if (stored.images === undefined) return undefined; // to be kept with them from now on
    const { ids } = stored.set;
    const coded = items.filter(({ id }) => stored.skipped?.get(id) !== job.imageOf(id));
    const same = coded.length === ids.length && coded.every(({ id }, i) => id === ids[i] && this.has(id));
    return same ? stored.set : undefined;
  }

  /**
   * Makes the codes that are missing and keeps all of them.
   * @param decoded the items' images where they are in memory; asked for only if all of them are to be encoded
   * @throws the signal's reason if the session is stopped
   */
  async make(
    patch: PatchTokenizer,
    items: readonly Item[],
    decoded: () => Promise<Decoded | undefined>,
  ): Promise<CodeSet> {
    const { job, side } = this;
    const { crops, length } = side;
    const missing = items.filter(({ id }) => !this.has(id));
    const options = {
      config: job.config,
      session: job.session,
      crops: crops / (1 + side.variants.length),
      variants: side.variants,
      decoded: missing.length === items.length ? await decoded() : undefined,
    };
    const made = await encodeItems(patch, missing, options);
    job.reportProblems(made.problems, items.length - missing.length + made.set.ids.length);
    const fresh = new Map(made.set.ids.map((id, i) => [id, i]));
    const coded = items.filter(({ id }) => fresh.has(id) || this.has(id));
    const codes = new Uint16Array(coded.length * crops * length);
    for (const [i, { id }] of coded.entries()) {
      const place = fresh.get(id);
      const [from, at] = place === undefined ? [this.stored?.set, this.places.get(id)] : [made.set, place];
      if (from === undefined || at === undefined) throw new Error(`no codes of ${id}`);
      codes.set(from.codes.subarray(at * crops * length, (at + 1) * crops * length), i * crops * length);
    }
    const set = { ids: coded.map(({ id }) => id), crops, length, codes };
    const skipped = missing.filter(({ id }) => !fresh.has(id)).map(({ id }) => [id, job.imageOf(id)] as const);
    await writeCodes(side.path, set, {
      tokenizer: side.tokenizer,
      images: set.ids.map(id => job.imageOf(id)),
      skipped: new Map(skipped),
    });
    return set;
  }

  /** Whether there are codes of the image that an item has now. */
  private has(id: string): boolean {
    const place = this.places.get(id);
    if (place === undefined) return false;
    const { images } = this.stored as StoredCodes; // it has places
    return images === undefined || images[place] === this.job.imageOf(id);
  }
}
