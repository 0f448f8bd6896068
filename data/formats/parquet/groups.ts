/**
 * @file Row groups of Parquet files in memory, few at a time: images are read by row group, the last few of which are kept, so
 * memory stays bounded however large the files are and whatever the order.
 */

/** Most bytes of decoded row groups kept for the next reads. */
const KEEP_BYTES = 512 * 2 ** 20;

/** Row groups read at once. */
const MOST_READS = 2;

/** The pictures of rows, or why one is none. */
export type Rows = readonly (Uint8Array | string)[];

/**
 * The most recently used row groups. Readers that ask for one that is being read share the reading; those that ask for
 * others wait for their turn.
 */
export class RowGroups {
  private readonly groups = new Map<string, { readonly rows: Promise<Rows>; bytes: number }>();
  private readonly waiting: (() => void)[] = [];
  private reading = 0;

  async get(key: string, load: () => Promise<Rows>): Promise<Rows> {
    let entry = this.groups.get(key);
    if (entry === undefined) {
      entry = { rows: this.inTurn(load), bytes: 0 };
      const read = entry;
      read.rows.then(
        rows => {
          read.bytes = rows.reduce((sum, row) => sum + row.length, 0);
          this.shrink(key);
        },
        () => this.groups.delete(key),
      );
    }
    this.groups.delete(key);
    this.groups.set(key, entry); // last: most recently used
    return await entry.rows;
  }

  private async inTurn(load: () => Promise<Rows>): Promise<Rows> {
    if (this.reading === MOST_READS) await new Promise<void>(resolve => this.waiting.push(resolve));
    else this.reading++;
    try {
      return await load();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.reading--;
      else next(); // takes this one's place
    }
  }

  /** Lets go of the groups used longest ago; never of the one that was just read, nor of those still to be read. */
  private shrink(latest: string): void {
    let total = 0;
    for (const { bytes } of this.groups.values()) total += bytes;
    for (const [key, { bytes }] of this.groups) {
      if (total <= KEEP_BYTES) return;
      if (key === latest || bytes === 0) continue;
      this.groups.delete(key);
      total -= bytes;
    }
  }
}
