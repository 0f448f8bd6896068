/**
 * @file A study put together: pictures as files of one kind, what is asked as one document with a hash over all of it, what is
 * whose as another, and the page.
 */
import { join } from 'node:path';
import { Random } from '../core/random.ts';
import { encodePng } from '../image/png.ts';
import { writeAtomic } from '../io/atomic.ts';
import { writeJson } from '../io/files.ts';
import type { Blinded } from './blind.ts';
import type { QuestionKey } from './design.ts';
import { maskPicture } from './mixed.ts';
import { takePage } from './page/page.ts';
import type { ShownPicture } from './paint.ts';
import { hashOf, pictureFile, type Study, type StudyKey, sha256, studyPaths } from './study.ts';
import { type WordingInput, wordingOf } from './wording.ts';

/** Share of control trials that must be right; part of the study, so that nobody chooses it by the answers. */
const THRESHOLD = 0.8;

/** What a study is asked to be. */
export interface AssembledRequest {
  readonly seed: number;
  readonly questions: readonly QuestionKey[];
  /** Of a session. */
  readonly trials: number;
  /** Pictures of a system beside one another. */
  readonly images: number;
  readonly cannotTell: boolean;
  /** How long pictures are shown; default: until the answer. */
  readonly exposureMs?: number;
  readonly wording?: WordingInput;
}

/** What was made. */
export interface MadeStudy {
  readonly study: Study;
  readonly key: StudyKey;
}

/** One of what is compared. */
export type StudySystem = StudyKey['systems'][number];

/** Everything that is written, in the order in which an unfinished study is taken away. */
export function filesOf({ ids }: Blinded, exposureMs: number | undefined): string[] {
  const pictures = [...ids.values()].flat().concat(exposureMs === undefined ? [] : [MASK]);
  return ['study.json', 'study.key.json', 'take.html', ...pictures.map(pictureFile)];
}

/** The name of the mask, which is no secret. */
const MASK = '0'.repeat(12);

interface Assembled extends MadeStudy {
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Pictures as files of one kind, and the documents about them. */
export async function assembleStudy(options: {
  readonly request: AssembledRequest;
  readonly blinded: Blinded;
  readonly systems: readonly StudySystem[];
  readonly heldOut: boolean | null;
  /** By their names. */
  readonly painted: ReadonlyMap<string, ShownPicture>;
}): Promise<Assembled> {
  const { request, blinded, systems, heldOut, painted } = options;
  const { seed, exposureMs } = request;
  const [first] = painted.values();
  const { width, height } = first.picture;
  const files = new Map<string, Uint8Array>();
  for (const [id, { picture }] of painted) files.set(id, await encodePng(picture));
  if (exposureMs !== undefined) {
    files.set(MASK, await encodePng(maskPicture({ width, height }, new Random(seed).fork('study/mask'))));
  }
  const ids = [...files.keys()].sort(); // in the order of random names, which says nothing
  const study = {
    format: 'tessera-study-1' as const,
    seed,
    questions: [...request.questions],
    images: request.images,
    width,
    height,
    trials: request.trials,
    warmups: blinded.slots[0].length - request.trials,
    threshold: THRESHOLD,
    cannotTell: request.cannotTell,
    exposureMs: exposureMs ?? null,
    wording: wordingOf(request.wording ?? {}, request),
    captions: [...blinded.captions],
    pictures: ids.map(id => ({ id, sha256: sha256(files.get(id) ?? new Uint8Array()) })),
    mask: exposureMs === undefined ? null : MASK,
    slots: blinded.slots,
  };
  const hash = hashOf(study);
  const pictures = Object.fromEntries(
    [...painted].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, { picture: _, ...rest }]) => [id, rest]),
  );
  const key: StudyKey = {
    format: 'tessera-study-key-1',
    study: hash,
    systems: [...systems],
    heldOut,
    pictures,
    others: blinded.others,
  };
  return { study: { ...study, hash }, key, files };
}

/** Writes everything but the mark of a folder that is being written. */
export async function writeStudy(out: string, { study, key, files }: Assembled): Promise<void> {
  const paths = studyPaths(out);
  for (const [id, bytes] of files) await writeAtomic(join(out, pictureFile(id)), bytes);
  await writeJson(paths.key, key);
  await writeAtomic(paths.page, await takePage(study, files));
  await writeJson(paths.study, study); // last: it makes the folder a study
}
