/**
 * @file The sides of a data set as a run has had them: what it was trained on is no held-out image because it has another name
 * in another format or folder.
 */

import { existsSync } from 'node:fs';
import type { Dataset, Item } from '../../data/dataset.ts';
import type { Division } from '../../data/division.ts';
import { fingerprintItems } from '../../data/fingerprints.ts';
import type { ImagesConfig } from '../config/run.ts';
import { counted } from '../core/numbers.ts';
import { readDataRecord } from '../io/datarecord.ts';
import { runPaths } from '../io/runfolder.ts';
import { compareData } from './data-changes.ts';
import { divideData } from './run-images.ts';
import type { Session } from './session.ts';

/**
 * Divides a data set for a run that was trained: images that it knows are on the side on which it had them, in its order; all
 * others on that on which they would be in a new run. They are read only where names alone do not tell.
 * @param run the run's folder; one that remembers no data divides as a new run does
 * @throws UserError if there is nothing to train on, or what the run remembers is damaged
 */
export async function divideAsTrained(
  session: Session,
  dataset: Dataset,
  { run, images }: { readonly run: string; readonly images: ImagesConfig },
): Promise<Division> {
  const division = divideData(dataset, images);
  const { dataRecord } = runPaths(run);
  if (!existsSync(dataRecord)) return division;
  const record = await readDataRecord(dataRecord);
  const recorded = new Map(record.map(({ id, heldOut }) => [id, heldOut]));
  const held = new Set(division.heldOut);
  const used = new Set<Item>([...division.training, ...held]);
  const sideOf = (item: Item) => (used.has(item) ? held.has(item) : undefined);
  if (dataset.items.every(item => recorded.get(item.id) === sideOf(item))) return division;
  const { signal } = session;
  const { items } = await fingerprintItems(dataset.items, { root: dataset.root, signal });
  const found = items.map(([item, prints]) => ({ item, heldOut: held.has(item), prints }));
  const { known, added } = compareData(record, found);
  const onSide = (heldOut: boolean) => [
    ...known.filter(each => each.before.heldOut === heldOut).map(({ now }) => now.item),
    ...added.filter(each => used.has(each.item) && each.heldOut === heldOut).map(({ item }) => item),
  ];
  const moved = known.filter(({ before, now }) => !used.has(now.item) || before.heldOut !== now.heldOut).length;
  if (moved > 0) {
    const [are, them, called] = moved === 1 ? ['is', 'it', 'it is called'] : ['are', 'them', 'they are called'];
    session.reporter.message(
      `${counted(moved, 'image')} ${are} on the side of the split on which ${run} had ${them}, whatever ${called} here`,
    );
  }
  const taken = new Set(known.map(({ now }) => now.item));
  const unused = division.unused.filter(item => !taken.has(item));
  return { ...division, training: onSide(false), heldOut: onSide(true), unused };
}
