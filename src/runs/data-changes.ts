/**
 * @file What has changed between the data that a run remembers and the data that it is given now. Items are known by their
 * content, so that other names, another place or another format change nothing.
 */
import type { Item } from '../../data/dataset.ts';
import type { Fingerprints } from '../../data/fingerprints.ts';
import type { RecordedItem } from '../io/datarecord.ts';

/** An item of the data as it is now. */
export interface Found {
  readonly item: Item;
  /** Whether it is held out. */
  readonly heldOut: boolean;
  readonly prints: Fingerprints;
}

/** An item that the run remembers, and the one that it is now. */
export interface Known {
  readonly before: RecordedItem;
  readonly now: Found;
}

export interface DataChanges {
  /** In the run's order, whatever has changed of them. */
  readonly known: readonly Known[];
  /** Those of them that have another picture, or other captions, or both. */
  readonly pictures: readonly Known[];
  readonly captions: readonly Known[];
  readonly added: readonly Found[];
  readonly removed: readonly RecordedItem[];
}

/**
 * Finds each remembered item again: first by its name with its content, then by its content under another name, then by its
 * name with other content, last by its picture with other captions. A fingerprint '' is one that nobody knows; it is like any.
 */
export function compareData(before: readonly RecordedItem[], now: readonly Found[]): DataChanges {
  const matches = new Map<RecordedItem, Found>();
  const free = new Set(now);
  const pass = (keyOf: (prints: Keyed) => string, fits: (known: Known) => boolean): void => {
    const left = before.filter(item => !matches.has(item));
    if (left.length === 0 || free.size === 0) return;
    const places = new Map<string, Found[]>();
    for (const each of [...free].reverse()) {
      const key = keyOf({ id: each.item.id, ...each.prints });
      const same = places.get(key);
      if (same === undefined) places.set(key, [each]);
      else same.push(each);
    }
    for (const item of left) {
      const candidates = places.get(keyOf(item));
      const found = candidates?.at(-1);
      if (found === undefined || !fits({ before: item, now: found })) continue;
      candidates?.pop();
      free.delete(found);
      matches.set(item, found);
    }
  };
  const unchanged = (known: Known) => !hasOtherPicture(known) && !hasOtherCaptions(known);
  pass(({ id }) => id, unchanged);
  pass(({ image, captions }) => `${image} ${captions}`, unchanged);
  pass(
    ({ id }) => id,
    () => true,
  );
  pass(
    ({ image }) => image,
    () => true,
  );
  const known = before.flatMap(item => {
    const found = matches.get(item);
    return found === undefined ? [] : [{ before: item, now: found }];
  });
  return {
    known,
    pictures: known.filter(hasOtherPicture),
    captions: known.filter(hasOtherCaptions),
    added: now.filter(each => free.has(each)),
    removed: before.filter(item => !matches.has(item)),
  };
}

interface Keyed {
  readonly id: string;
  readonly image: string;
  readonly captions: string;
}

function hasOtherPicture({ before, now }: Known): boolean {
  return before.image !== '' && before.image !== now.prints.image;
}

function hasOtherCaptions({ before, now }: Known): boolean {
  return before.captions !== '' && before.captions !== now.prints.captions;
}

/** Most names of each kind that a line has. */
const NAMED = 3;

/** What has changed, counted and named in one line; undefined if nothing has. */
export function describeChanges({ added, removed, pictures, captions }: DataChanges): string | undefined {
  const kinds: readonly (readonly [string, readonly string[]])[] = [
    ['added', added.map(({ item }) => item.id)],
    ['removed', removed.map(({ id }) => id)],
    ['with other pictures', pictures.map(({ now }) => now.item.id)],
    ['with other captions', captions.map(({ now }) => now.item.id)],
  ];
  const said = kinds
    .filter(([, ids]) => ids.length > 0)
    .map(
      ([what, ids]) => `${ids.length} ${what} (${ids.slice(0, NAMED).join(', ')}${ids.length > NAMED ? ', ...' : ''})`,
    );
  return said.length === 0 ? undefined : said.join(', ');
}
