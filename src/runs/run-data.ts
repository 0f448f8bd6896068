/**
 * @file A run knows its data: it remembers a fingerprint of every item, and goes on with the same items, in the same order, on
 * the same sides of the split, wherever and in whatever format they lie now. What is not the same is named, and taken only
 * where the user says so.
 */

import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Dataset, Item, Problem } from '../../data/dataset.ts';
import type { Division } from '../../data/division.ts';
import { fingerprintItems } from '../../data/fingerprints.ts';
import type { ImagesConfig } from '../config/run.ts';
import { UserError } from '../core/errors.ts';
import { counted } from '../core/numbers.ts';
import { readCodedItems } from '../io/codes.ts';
import { fingerprintOf, type RecordedItem, readDataRecord, writeDataRecord } from '../io/datarecord.ts';
import type { RunPaths } from '../io/runfolder.ts';
import { compareData, type DataChanges, describeChanges, type Found } from './data-changes.ts';
import { divideData, expectTraining } from './run-images.ts';
import type { Session } from './session.ts';
import { goOnCommand, type TrainRequest } from './training/request.ts';

/** The data of a run, with its items as the run knows them. */
export interface RunData {
  /** As it lies on the disk. */
  readonly dataset: Dataset;
  /** Items that are trained on or held out. */
  readonly count: number;
  readonly division: Division;
  /** Fingerprint of the image of an item that the run knows. */
  imageOf(id: string): string;
  /** Of the captions of what is trained on, in their order. */
  readonly captionsPrint: string;
  /** Remembers the data from now on; nothing is written before. */
  keep(): Promise<void>;
}

export interface OpenDataOptions {
  readonly paths: RunPaths;
  readonly images: ImagesConfig;
  /** Whether the run was there before. */
  readonly resumed: boolean;
  readonly dataset: Dataset;
  /** See `FingerprintOptions`. */
  readonly begun: bigint;
}

/** Items above which looking at them is shown as a stage of its own. */
const MANY = 5000;

/**
 * Takes fingerprints of the data of a run and compares them with what the run remembers. Writes nothing.
 * @throws UserError if the data is not what the run was started with
 */
export async function openRunData(session: Session, request: TrainRequest, options: OpenDataOptions): Promise<RunData> {
  const { paths, resumed, dataset, images } = options;
  const divided = divideData(dataset, images);
  const kept = resumed && existsSync(paths.dataRecord) ? await readDataRecord(paths.dataRecord) : undefined;
  const looked = await look(session, divided, { ...options, kept });
  const [bad] = looked.problems;
  if (bad !== undefined && request.strict === true) throw new UserError(request.data, `${bad.id}: ${bad.what}`);
  const before = resumed ? (kept ?? (await recordOfCodes(paths))) : undefined;
  if (resumed && kept === undefined) session.reporter.message(`${paths.folder}: ${UNCHECKED}`);
  const items =
    before === undefined ? looked.found : goOn(session, { before, kept, found: looked.found, request, options });
  const record = items.map(({ item: { id }, heldOut, prints }): RecordedItem => ({ id, heldOut, ...prints }));
  const fingerprints = new Map(record.map(({ id, image }) => [id, image]));
  const side = (held: boolean) =>
    items.filter(each => each.heldOut === held).map(({ item, prints }) => guarded(item, prints.image));
  return {
    dataset: { ...dataset, problems: [...dataset.problems, ...looked.problems] },
    count: items.length,
    division: expectTraining({ ...divided, training: side(false), heldOut: side(true) }, images),
    imageOf: id => fingerprints.get(id) as string, // of an item of the split
    captionsPrint: fingerprintOf(record.flatMap(item => (item.heldOut ? [] : item.captions)).join()),
    keep: async () => {
      if (kept === undefined || !isSame(kept, record)) {
        await writeDataRecord(paths.dataRecord, record, basename(resolve(request.data)));
      }
    },
  };
}

const UNCHECKED =
  'this run was started before runs kept a record of their data, so that the data cannot be checked; it is remembered from now on';

function isSame(before: readonly RecordedItem[], now: readonly RecordedItem[]): boolean {
  const fields = ['id', 'heldOut', 'image', 'captions', 'stamp'] as const;
  return (
    before.length === now.length && before.every((item, i) => fields.every(field => item[field] === now[i][field]))
  );
}

/** The items of a data set with their fingerprints. */
async function look(
  session: Session,
  { training, heldOut }: Division,
  { dataset, begun, kept = [] }: OpenDataOptions & { readonly kept: readonly RecordedItem[] | undefined },
): Promise<{ readonly found: readonly Found[]; readonly problems: readonly Problem[] }> {
  const trained = new Set(training);
  const used = new Set([...training, ...heldOut]);
  const items = dataset.items.filter(item => used.has(item));
  if (items.length > MANY) session.reporter.stage('data', { total: items.length, counts: 'image', unit: 'images' });
  const looked = await fingerprintItems(items, {
    root: dataset.root,
    known: new Map(kept.filter(({ stamp }) => stamp !== '').map(({ stamp, image }) => [stamp, image])),
    begun,
    signal: session.signal,
    onProgress: (step, total) => {
      if (total > MANY) session.reporter.update({ step, total, amount: step });
    },
  });
  if (items.length > MANY) session.reporter.done();
  const found = looked.items.map(([item, prints]) => ({ item, heldOut: !trained.has(item), prints }));
  return { found, problems: looked.problems };
}

/** What a run without a record remembers of its data, the items that have codes; undefined if there are none yet. */
async function recordOfCodes({ trainingCodes, heldOutCodes }: RunPaths): Promise<RecordedItem[] | undefined> {
  if (!existsSync(trainingCodes) || !existsSync(heldOutCodes)) return undefined;
  const recorded = async (path: string, heldOut: boolean): Promise<RecordedItem[]> =>
    (await readCodedItems(path)).map(({ id, image = '' }) => ({ id, heldOut, image, captions: '', stamp: '' }));
  const training = await recorded(trainingCodes, false);
  const trained = new Set(training.map(({ id }) => id)); // earlier versions measured on them where nothing was held out
  return [...training, ...(await recorded(heldOutCodes, true)).filter(({ id }) => !trained.has(id))];
}

/** The items that a run goes on with, in its order and by the names that it knows. @throws UserError if they changed */
function goOn(
  session: Session,
  given: {
    readonly before: readonly RecordedItem[];
    /** The record, where there is one: `before` may be of an earlier version. */
    readonly kept: readonly RecordedItem[] | undefined;
    readonly found: readonly Found[];
    readonly request: TrainRequest;
    readonly options: OpenDataOptions;
  },
): Found[] {
  const { before, kept, found, request, options } = given;
  const { command = 'train' } = request;
  const accepts = request.acceptChanges === true;
  const all = compareData(before, found);
  // An earlier version did not remember which images cannot be decoded: what has no codes may be one, or new.
  const changes = kept === undefined && !accepts ? { ...all, added: [] } : all;
  if (changes !== all && all.added.length > 0) {
    const { length } = all.added;
    const [are, them] = length === 1 ? ['is', 'it'] : ['are', 'them'];
    session.reporter.message(
      `${counted(length, 'image')} without codes ${are} left out; --accept-changes takes ${them} in`,
    );
  }
  const what = describeChanges(changes);
  if (what !== undefined) {
    if (!accepts) {
      throw new UserError(
        command,
        `${request.data} is not the data that the run in ${options.paths.folder} was started with: ${what}`,
        `give it that data, choose another --out, or take it as it is now: ${goOnCommand(request, request.allFlags)} --accept-changes`,
      );
    }
    session.reporter.message(
      `the data has changed: ${what}; it is taken as it is now, so that this is no longer the training that it was`,
      { isWarning: true },
    );
  }
  sayMoved(session, changes);
  const taken = new Set(changes.known.map(known => known.before.id));
  return [
    ...changes.known.map(({ before: { id, heldOut }, now }) => ({ ...now, heldOut, item: { ...now.item, id } })),
    ...changes.added.map(each => ({ ...each, item: { ...each.item, id: freeId(each.item.id, taken) } })),
  ];
}

/** An item stays on its side; where the data itself says otherwise by now, that is worth a line. */
function sayMoved({ reporter }: Session, { known }: DataChanges): void {
  const moved = known.filter(({ before, now }) => now.item.split !== undefined && before.heldOut !== now.heldOut);
  if (moved.length === 0) return;
  const [{ before }] = moved;
  const side = before.heldOut ? 'held out' : 'trained on';
  const stay =
    moved.length === 1
      ? 'stays on the side of the split that it was on'
      : 'stay on the side of the split that they were on';
  reporter.message(`${counted(moved.length, 'image')} ${stay} (${before.id}: ${side})`);
}

/** A name that no other item of the run has. */
function freeId(id: string, taken: Set<string>): string {
  let free = id;
  for (let n = 2; taken.has(free); n++) free = `${id} (${n})`;
  taken.add(free);
  return free;
}

/** An item whose bytes are checked whenever they are read. */
function guarded(item: Item, image: string): Item {
  const read = async (): Promise<Uint8Array> => {
    const bytes = await item.read();
    if (fingerprintOf(bytes) !== image) throw new Error('another picture than when the training started');
    return bytes;
  };
  return { ...item, read };
}
