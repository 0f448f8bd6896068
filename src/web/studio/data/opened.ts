/**
 * @file Data sets as the page looks at them: opened once, by names and headers of archives alone, and again when their folder has changed; the
 * few that were looked at last are kept.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset, Item, Split } from '../../../../data/dataset.ts';
import { type Division, describeDivision, divideItems } from '../../../../data/division.ts';
import { openDataset } from '../../../../data/open.ts';
import { Refusal } from '../../guard.ts';
import type { Place } from '../library.ts';
import { Inspecting } from './inspecting.ts';

/** Data sets that are kept. */
const MOST = 4;
/** Files that may change without their folder. */
const INDEXES = ['metadata.jsonl', 'metadata.csv', 'captions.txt', 'captions.json'];

/** A data set that is looked at. */
export class OpenData {
  readonly dataset: Dataset;
  /** Sides as a new run has them. */
  readonly sides: ReadonlyMap<Item, Split>;
  readonly published: string | null;
  readonly inspecting: Inspecting;

  constructor(dataset: Dataset) {
    this.dataset = dataset;
    const division = divideItems(dataset.items);
    this.sides = sidesOf(division);
    this.published = describeDivision(division) ?? null;
    this.inspecting = new Inspecting(dataset);
  }

  /** @throws Refusal if there is no such item */
  item(index: string): { readonly item: Item; readonly index: number } {
    const number = /^\d{1,9}$/.test(index) ? Number(index) : -1;
    const item = this.dataset.items[number];
    if (item === undefined) throw new Refusal(404, 'there is no such picture here');
    return { item, index: number };
  }
}

function sidesOf({ training, heldOut, unused }: Division): ReadonlyMap<Item, Split> {
  const on = (items: readonly Item[], side: Split) => items.map(item => [item, side] as const);
  return new Map([
    ...on(training, 'train'),
    ...on(heldOut, 'validation'),
    ...unused.map(item => [item, item.split ?? 'test'] as const),
  ]);
}

export class OpenedData {
  private readonly kept = new Map<string, { readonly state: string; readonly data: Promise<OpenData> }>();

  /** @throws UserError if it is no data set */
  async open({ id, folder }: Place): Promise<OpenData> {
    const stats = await Promise.all(
      [folder, ...INDEXES.map(name => join(folder, name))].map(path => stat(path).catch(() => undefined)),
    );
    const state = stats.map(found => `${found?.mtimeMs}/${found?.size}`).join();
    const there = this.kept.get(id);
    this.kept.delete(id);
    const data =
      there?.state === state ? there.data : openDataset(folder, { check: false }).then(found => new OpenData(found));
    if (data !== there?.data) void there?.data.then(old => old.inspecting.stop()).catch(() => {});
    this.kept.set(id, { state, data });
    data.catch(() => this.kept.delete(id));
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST) this.kept.delete(oldest);
    return data;
  }
}
