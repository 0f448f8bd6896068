/**
 * @file What is rehearsed of the data that a trained model knows, as codes: so many images as the training will show, spread over
 * those that the model was trained on. Kept in the run, which needs the data no more then.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Item } from '../../../data/dataset.ts';
import { divideItems } from '../../../data/division.ts';
import { openDataset } from '../../../data/open.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { FromConfig } from '../../config/run.ts';
import { parseConfig } from '../../config/schema.ts';
import { UserError } from '../../core/errors.ts';
import { counted } from '../../core/numbers.ts';
import { type Rehearsal, stageTitles } from '../../families/family.ts';
import { rehearsedOf } from '../../families/transformer/rehearsal.ts';
import { spreadPlaces } from '../../image/images.ts';
import { readCodes, writeCodes } from '../../io/codes.ts';
import { readJson, writeJson } from '../../io/files.ts';
import { fingerprint } from '../../io/runfolder.ts';
import { drawEmojiData, FEWEST_REHEARSED } from '../from/rehearsed-data.ts';
import { codedCrops } from '../run-images.ts';
import { encodeItems } from './encode.ts';
import type { Job } from './job.ts';

/** Largest file of captions that is read, in bytes. */
const MOST_CAPTIONS = 2 ** 28;

const captionsSchema = z.array(z.array(z.string()).min(1));

/** Reads what is rehearsed, or makes it. @returns undefined if nothing is */
export async function rehearsalOf(job: Job, patch: PatchTokenizer): Promise<Rehearsal | undefined> {
  const { config, paths } = job;
  const keep = config.from?.keep;
  if (keep === undefined) return undefined;
  if (!existsSync(paths.rehearsedCodes)) await make(job, patch, keep);
  const { set } = await readCodes(paths.rehearsedCodes, {
    tokenizer: await fingerprint(paths.patch),
    codebook: patch.vocabSize,
    crops: codedCrops(config),
    length: config.patch.grid ** 2,
  });
  const path = paths.rehearsedCaptions;
  const captions = parseConfig(captionsSchema, await readJson(path, { most: MOST_CAPTIONS }), path);
  if (captions.length === set.ids.length) return { codes: { set, captions }, share: keep.share };
  const what = `expected the captions of ${set.ids.length} items, got ${captions.length}`;
  throw new UserError(path, what, `remove ${paths.rehearsedCodes} to make both again`);
}

async function make(job: Job, patch: PatchTokenizer, keep: NonNullable<FromConfig['keep']>): Promise<void> {
  const { config, paths, session } = job;
  job.begin(stageTitles.codes, { unit: 'images' });
  const data = await dataOf(job);
  const dataset = await openDataset(data, { signal: session.signal });
  const { validation, split } = keep;
  const { training } = divideItems(dataset.items, { validation, split });
  const { steps, batchSize } = config.train;
  const most = Math.max(FEWEST_REHEARSED, steps * rehearsedOf(batchSize, keep.share));
  const some = spreadPlaces(training.length, most).map(i => training[i]);
  if (some.length === 0) throw new UserError(data, 'none of its images is one that was trained on');
  const { set } = await encodeItems(patch, some, {
    config,
    crops: config.images.crops,
    variants: config.model.variants,
    session,
  });
  const captionsOf = new Map(some.map(({ id, captions }: Item) => [id, captions]));
  await writeJson(
    paths.rehearsedCaptions,
    set.ids.map(id => captionsOf.get(id)),
  );
  // Last: by it both are known to be there.
  await writeCodes(paths.rehearsedCodes, set, { tokenizer: await fingerprint(paths.patch) });
  session.reporter.done(`${counted(set.ids.length, 'image')} to be rehearsed, of ${training.length} of ${data}`);
}

/** Where the data is. @throws UserError if nobody says so */
async function dataOf({ request, config, session }: Job): Promise<string> {
  const { keepData } = request;
  if (keepData !== undefined) return keepData;
  if (config.from?.keep?.drawn !== true) {
    throw new UserError(
      'train: --keep',
      'the images to be rehearsed are not encoded yet, and nobody says where they are',
      'add --keep-data FOLDER',
    );
  }
  const onProgress = (step: number, total: number) => session.reporter.update({ step, total, note: 'drawing' });
  const { imageSize: size } = config.images;
  return drawEmojiData({ out: join(session.cacheDir, `emoji-${size}`), size, onProgress });
}
