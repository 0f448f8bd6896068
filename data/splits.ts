/**
 * @file The published split: the side of a data set that an item lies on by the data's own word, a `split` field or the names
 * of folders, shards and index files. Knows no format.
 */

import type { Split } from './dataset.ts';
import type { Candidate } from './formats/format.ts';
import { namesOf } from './shown.ts';

const words: ReadonlyMap<string, Split> = new Map([
  ...(['train', 'training', 'restval'] as const).map(word => [word, 'train'] as const), // restval: Karpathy's lists
  ...(['validation', 'valid', 'val', 'dev'] as const).map(word => [word, 'validation'] as const),
  ...(['test', 'testing'] as const).map(word => [word, 'test'] as const),
]);

/** What the items' own words say of the split. */
export interface Published {
  /** The split of each item that has one. */
  readonly splits: ReadonlyMap<Candidate, Split>;
  /** Items whose word for it is none, and why, in one line. */
  readonly problems: ReadonlyMap<Candidate, string>;
  /** Names that look like a split and were not taken for one, in a line. */
  readonly notices: readonly string[];
}

/**
 * The published split of items. An item's own field wins. Else the innermost name counts, of the index file that lists it or
 * of a folder or shard that holds it, that has a word for a split; but only where a name of the same kind stands beside it,
 * and one of the two says train, the other validation or test. Names are of one kind if they lie in one folder and differ in
 * nothing but that word and numbers. A picture's own name never counts.
 */
export function publishedSplits(candidates: readonly Candidate[]): Published {
  const read = new Map<string, Way>(); // many items lie in one folder
  const ways = candidates.map(item => wayTo(item, read));
  const places = splitsByPlace([...read.values()].flat());
  const splits = new Map<Candidate, Split>();
  const problems = new Map<Candidate, string>();
  const unheeded = new Set<string>();
  for (const [i, item] of candidates.entries()) {
    if (item.split !== undefined) {
      const split = splitNamed(item.split);
      if (split !== undefined) splits.set(item, split);
      else problems.set(item, `its split is ${JSON.stringify(item.split)}, none of train, validation and test`);
      continue;
    }
    const counted = ways[i].find(name => counts(name, places));
    if (counted !== undefined) splits.set(item, counted.split);
    else for (const { split, path } of ways[i]) if (split !== 'train') unheeded.add(path);
  }
  return { splits, problems, notices: noticesOf([...unheeded]) };
}

/** The split that a word stands for, e.g. `Val` or `train2017`; undefined if it is none. */
export function splitNamed(word: string): Split | undefined {
  const { split, kind } = readName(word);
  return kind === '' ? split : undefined;
}

/** A folder or file on the way to an item whose name has a word for a split. */
interface Name {
  /** E.g. `annotations/captions_val2017.json`. */
  readonly path: string;
  /** The folder that it lies in, and its kind. */
  readonly place: string;
  readonly split: Split;
}

/** From the innermost name outward. */
type Way = readonly Name[];

/** The way to an item: the index file that lists it, then the folders and the shard that hold it. */
function wayTo({ id, index }: Candidate, read: Map<string, Way>): Way {
  const namesOf = (path: string) => {
    const names = read.get(path) ?? readNames(path);
    read.set(path, names);
    return names;
  };
  const held = namesOf(id.slice(0, Math.max(0, id.lastIndexOf('/'))));
  return index === undefined ? held : [...namesOf(index), ...held];
}

function readNames(path: string): Way {
  const parts = path.split('/');
  return parts
    .map((part, i) => {
      const { split, kind } = readName(part);
      const parent = parts.slice(0, i).join('/');
      return split && { path: parts.slice(0, i + 1).join('/'), place: `${parent}\n${kind}`, split };
    })
    .filter(name => name !== undefined)
    .reverse();
}

/** Endings of files that hold or list images. */
const ENDING = /(\.(tar|tgz|gz|parquet|jsonl?|csv|tsv|txt|token))+$/i;

/** What says nothing of a kind: `00000-of-00003`, `test set`. */
const fillers: ReadonlySet<string> = new Set(['of', 'set', 'split']);

/** The split that a name says, if it has a word for just one, and the rest of it but for numbers. */
function readName(name: string): { readonly split: Split | undefined; readonly kind: string } {
  const stem = name.replace(ENDING, '');
  const letters = stem.replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2').toLowerCase(); // testImages
  const tokens = letters.match(/[\p{L}\p{M}]+/gu) ?? [];
  const said = tokens.map(token => words.get(token.replace(/(?<=.)set$/, '')));
  const found = new Set(said.filter(split => split !== undefined));
  const rest = tokens.filter((token, i) => said[i] === undefined && !fillers.has(token));
  const [split] = found.size === 1 ? found : [];
  return { split, kind: [...rest, ...(stem === name ? [] : ['file'])].join(' ') };
}

function splitsByPlace(names: readonly Name[]): ReadonlyMap<string, ReadonlySet<Split>> {
  const places = new Map<string, Set<Split>>();
  for (const { place, split } of names) places.set(place, (places.get(place) ?? new Set()).add(split));
  return places;
}

function counts({ place }: Name, places: ReadonlyMap<string, ReadonlySet<Split>>): boolean {
  const there = places.get(place);
  return there?.has('train') === true && there.size > 1;
}

function noticesOf(unheeded: readonly string[]): string[] {
  if (unheeded.length === 0) return [];
  const names = namesOf(unheeded, { most: 3, length: 200 });
  return [`not taken for a published split, since no train of the same kind stands beside: ${names}`];
}
