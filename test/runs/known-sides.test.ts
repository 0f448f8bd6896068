/** @file An evaluation holds out what the run has held out, whatever that is called in the data that it is given. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Dataset, Item } from '../../data/dataset.ts';
import { imagesSchema } from '../../src/config/run.ts';
import { captionsFingerprint, fingerprintOf, writeDataRecord } from '../../src/io/datarecord.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { openSession } from '../../src/library/progress.ts';
import { divideAsTrained } from '../../src/runs/known-sides.ts';
import { divideData } from '../../src/runs/run-images.ts';

let run: string;
let said: string[];
let read: string[];
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'sides-'));
  [said, read] = [[], []];
});
afterEach(() => rmSync(run, { recursive: true }));

const images = imagesSchema.parse({ validation: 0.5 });
const names = Array.from({ length: 12 }, (_, i) => `picture ${i}`);

/** Each picture under a name, and with its own for a caption. */
function dataOf(nameOf: (picture: string, i: number) => string, pictures = names): Dataset {
  const items = pictures.map((picture, i): Item => {
    const id = nameOf(picture, i);
    const bytes = async () => {
      read.push(id);
      return new TextEncoder().encode(picture);
    };
    return { id, captions: [picture], read: bytes };
  });
  return { root: run, format: 'images', items, problems: [], notices: [], unused: [] };
}

const divide = (data: Dataset) => {
  const session = openSession({ onProgress: event => void (event.type === 'message' && said.push(event.text)) });
  return divideAsTrained(session, data, { run, images });
};
const captionsOf = (items: readonly Item[]) => items.map(({ captions }) => captions[0]);

/** What a run that was trained on `dataOf(picture => picture)` remembers. */
async function remember(): Promise<{ readonly training: readonly string[]; readonly heldOut: readonly string[] }> {
  const { training, heldOut } = divideData(
    dataOf(picture => picture),
    images,
  );
  const held = new Set(captionsOf(heldOut));
  await writeDataRecord(
    runPaths(run).dataRecord,
    names.map(id => ({
      id,
      heldOut: held.has(id),
      image: fingerprintOf(id),
      captions: captionsFingerprint([id]),
      stamp: '',
    })),
  );
  expect(training.length * heldOut.length).toBeGreaterThan(0);
  return { training: captionsOf(training), heldOut: captionsOf(heldOut) };
}

test('names that the run knows are not read', async () => {
  const { training, heldOut } = await remember();
  const divided = await divide(dataOf(picture => picture));
  expect(captionsOf(divided.training)).toEqual(training);
  expect(captionsOf(divided.heldOut)).toEqual(heldOut);
  expect(read).toEqual([]);
  expect(said).toEqual([]);
});

test('under other names and in another order each picture is on the side on which the run had it, in its order', async () => {
  const { training, heldOut } = await remember();
  const other = dataOf((_, i) => `table.parquet/${i}`, names.toReversed());
  // By its names alone it would be divided otherwise.
  expect(captionsOf(divideData(other, images).heldOut).sort()).not.toEqual([...heldOut].sort());
  const divided = await divide(other);
  expect(captionsOf(divided.training)).toEqual(training);
  expect(captionsOf(divided.heldOut)).toEqual(heldOut);
  expect(said).toEqual([expect.stringMatching(/^\d+ images are on the side of the split on which .+ had them/)]);
});

test('pictures that the run does not know are divided as in a new run', async () => {
  const { heldOut } = await remember();
  const more = [...names, ...Array.from({ length: 12 }, (_, i) => `new ${i}`)];
  const divided = await divide(dataOf(picture => picture, more));
  const asNew = divideData(
    dataOf(picture => picture, more),
    images,
  );
  expect(captionsOf(divided.heldOut).slice(0, heldOut.length)).toEqual(heldOut);
  expect(captionsOf(divided.heldOut).sort()).toEqual(captionsOf(asNew.heldOut).sort());
  expect(captionsOf(divided.training).sort()).toEqual(captionsOf(asNew.training).sort());
});

test('a published split that says otherwise is not believed of what was trained on', async () => {
  const { training, heldOut } = await remember();
  const data = dataOf(picture => picture);
  const published = { ...data, items: data.items.map(item => ({ ...item, split: 'test' as const })) };
  const divided = await divide({
    ...published,
    items: [{ ...published.items[0], split: 'train' }, ...published.items.slice(1)],
  });
  expect(captionsOf(divided.training)).toEqual(training);
  expect(captionsOf(divided.heldOut)).toEqual(heldOut);
  expect(divided.unused).toEqual([]);
});

test('a run that remembers nothing divides as a new one', async () => {
  const other = dataOf((_, i) => `table.parquet/${i}`);
  const [divided, asNew] = [await divide(other), divideData(other, images)];
  expect(captionsOf(divided.heldOut)).toEqual(captionsOf(asNew.heldOut));
  expect(read).toEqual([]);
});
