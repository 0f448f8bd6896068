/**
 * @file Making a study: the same captions painted by every run from common seeds, beside the data's own pictures and what a patch
 * tokenizer makes of them; a design; and a folder with all that is needed to ask people. No name of a system is in what they see.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Split } from '../../data/dataset.ts';
import { UserError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { shellWord } from '../core/shell.ts';
import { encodePng } from '../image/png.ts';
import { writeAtomic } from '../io/atomic.ts';
import { writeJson } from '../io/files.ts';
import { beginWriting, endWriting } from '../io/ownfolder.ts';
import type { WeightKind } from '../io/runfolder.ts';
import { checkSplits, openRuns } from '../runs/comparison/open-runs.ts';
import type { ComparedRun } from '../runs/comparison/paint-runs.ts';
import { type EngineFlags, type Session, startEngine } from '../runs/session.ts';
import { type Blinded, blindStudy } from './blind.ts';
import { countTrials, designStudy, LEAST_TRIALS, type QuestionKey } from './design.ts';
import { gatherMaterial, leastAlike, type Material, type MaterialRequest } from './material.ts';
import { maskPicture } from './mixed.ts';
import { takePage } from './page/page.ts';
import { paintSystems } from './paint.ts';
import { hashOf, pictureFile, type Study, type StudyKey, sha256, studyPaths } from './study.ts';
import { type WordingInput, wordingSchema } from './wording.ts';

/** Share of control trials that must be right; part of the study, so that nobody chooses it by the answers. */
const THRESHOLD = 0.8;
/** What wrote a study's folder. */
const BY = 'tessera study make';

export interface MakeStudyRequest extends EngineFlags, MaterialRequest {
  /** Folders. */
  readonly runs: readonly string[];
  /** A new or an empty folder. */
  readonly out: string;
  readonly split?: readonly Split[];
  readonly questions: readonly QuestionKey[];
  /** Of a session. */
  readonly trials: number;
  /** Pictures of a system beside one another. */
  readonly images: number;
  /** Whether the data's own pictures, and their reconstructions, are systems too. */
  readonly anchors: boolean;
  readonly cannotTell: boolean;
  /** How long pictures are shown; default: until the answer. */
  readonly exposureMs?: number;
  readonly wording?: WordingInput;
  readonly weights?: WeightKind;
}

/** What was made. */
export interface MadeStudy {
  readonly study: Study;
  readonly key: StudyKey;
}

/** One of what is compared. */
export type StudySystem = StudyKey['systems'][number];

/**
 * Makes a study in a folder of its own.
 * @throws UserError if the runs cannot be compared, there are too few captions for the trials, or the folder has something else
 */
export async function makeStudy(session: Session, request: MakeStudyRequest): Promise<MadeStudy> {
  const { out, seed, questions, trials, images } = request;
  const paths = studyPaths(out);
  if (existsSync(paths.study)) {
    throw new UserError(out, 'there is a study in it', 'choose another folder; in this one nothing was changed');
  }
  const runs = await openComparable(request);
  const material = await gatherMaterial(session, request, runs[0]);
  const systems = chooseSystems(session, { request, runs, material });
  const real = systems.findIndex(({ name }) => name === 'real');
  expectAskable(request, { systems: systems.length, material });
  const usesReal = images === 1 && material.controls.length > 0;
  const controls = usesReal ? material.controls.map(({ caption }) => caption) : material.captions.slice(0, 12);
  const slots = designStudy({
    seed,
    questions,
    trials,
    systems: systems.length,
    real: real < 0 ? undefined : real,
    captions: material.captions.length,
    // What a run has painted of another caption may not fit its own either.
    mismatches: usesReal ? leastAlike(controls) : controls.map((_, i) => i),
  });
  const blinded = blindStudy({ slots, seed, images, captions: material.captions, controls });
  await beginWriting(out, { by: BY, what: 'a study that was not finished', files: filesOf(blinded, request) });
  await startEngine(session, request);
  const painted = await paintSystems(session, { ...request, runs, systems, material, usesReal, blinded });
  const made = await assemble({ request, blinded, systems, material, painted });
  await writeStudy(out, made);
  await endWriting(out);
  return { study: made.study, key: made.key };
}

/** Runs that may be compared, all of them trained. */
async function openComparable({ runs: folders, weights }: MakeStudyRequest): Promise<ComparedRun[]> {
  const runs = await openRuns('study make', { runs: folders, weights });
  await checkSplits('study make', runs);
  const untrained = runs.find(({ trained }) => !trained);
  if (untrained !== undefined) {
    throw new UserError(
      'study make',
      `${untrained.folder} has no ${untrained.weights} weights`,
      'train it to its end, or leave it out',
    );
  }
  return runs;
}

/** The runs, and what stands for the best that there can be. */
function chooseSystems(
  { reporter }: Session,
  {
    request,
    runs,
    material,
  }: { readonly request: MakeStudyRequest; readonly runs: readonly ComparedRun[]; readonly material: Material },
): StudySystem[] {
  const painted = runs.map(({ name, folder, config, weights }) => ({
    name,
    run: folder,
    family: config.family,
    weights,
  }));
  const taken = painted.find(({ name }) => name === 'real' || name === 'copy');
  if (taken !== undefined && request.anchors) {
    throw new UserError(
      'study make',
      `the run ${taken.run} is called as the anchor ${taken.name} is`,
      'rename its folder, or leave the anchors out: --no-anchors',
    );
  }
  if (!request.anchors) return painted;
  if (material.real === undefined || request.images > 1) {
    const why =
      material.real === undefined
        ? 'the captions are not of a data set'
        : 'a caption has one real picture, and a side shows several';
    reporter.message(`real and copy are left out: ${why}`);
    return painted;
  }
  const anchor = (name: string, from?: ComparedRun): StudySystem => ({
    name,
    run: from?.folder ?? null,
    family: null,
    weights: null,
  });
  const copying = runs.find(({ config }) => config.family === 'transformer');
  if (copying === undefined) reporter.message('copy is left out: no run has a patch tokenizer');
  return [...painted, ...(copying === undefined ? [] : [anchor('copy', copying)]), anchor('real')];
}

/** Refuses what cannot be asked. */
function expectAskable(
  { questions, trials, images, anchors }: MakeStudyRequest,
  { systems, material }: { readonly systems: number; readonly material: Material },
): void {
  if (new Set(questions).size < questions.length) {
    throw new UserError('study make: --questions', `expected each once, got ${questions.join(',')}`);
  }
  if (questions.includes('real')) {
    const why = !anchors
      ? 'without the anchors'
      : images > 1
        ? 'of sets of pictures'
        : material.real === undefined
          ? 'without --data'
          : undefined;
    if (why !== undefined)
      throw new UserError(
        'study make: --questions',
        `whether a picture is real cannot be asked ${why}`,
        'leave `real` out',
      );
  }
  if (systems < 2)
    throw new UserError(
      'study make',
      'expected two systems to compare, got one',
      'give another run, or the anchors: --data',
    );
  if (trials < LEAST_TRIALS)
    throw new UserError('study make: --trials', `expected at least ${LEAST_TRIALS}, got ${trials}`);
  const { mostOfQuestion } = countTrials({ trials, questions });
  const { length } = material.captions;
  if (mostOfQuestion <= length) return;
  throw new UserError(
    'study make: --trials',
    `${trials} trials of a person need ${mostOfQuestion} different captions a question, of which there are ${length}`,
    `--trials ${mostTrials(length, questions)} has enough, as far as that is ${LEAST_TRIALS} or more; or ask of more captions`,
  );
}

/** Most trials that so many captions are enough for. */
function mostTrials(captions: number, questions: readonly QuestionKey[]): number {
  let trials = LEAST_TRIALS;
  while (countTrials({ trials: trials + 1, questions }).mostOfQuestion <= captions) trials++;
  return trials;
}

/** Everything that is written, in the order in which an unfinished study is taken away. */
function filesOf({ ids }: Blinded, { exposureMs }: MakeStudyRequest): string[] {
  const pictures = [...ids.values()].flat().concat(exposureMs === undefined ? [] : [MASK]);
  return ['study.json', 'study.key.json', 'take.html', ...pictures.map(pictureFile)];
}

/** The name of the mask, which is no secret. */
const MASK = '0'.repeat(12);

interface Assembled extends MadeStudy {
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Pictures as files of one kind, and the documents about them. */
async function assemble(options: {
  readonly request: MakeStudyRequest;
  readonly blinded: Blinded;
  readonly systems: readonly StudySystem[];
  readonly material: Material;
  readonly painted: Awaited<ReturnType<typeof paintSystems>>;
}): Promise<Assembled> {
  const { request, blinded, systems, material, painted } = options;
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
    wording: wordingSchema.parse(request.wording ?? {}),
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
    heldOut: material.heldOut,
    pictures,
    others: blinded.others,
  };
  return { study: { ...study, hash }, key, files };
}

async function writeStudy(out: string, { study, key, files }: Assembled): Promise<void> {
  const paths = studyPaths(out);
  for (const [id, bytes] of files) await writeAtomic(join(out, pictureFile(id)), bytes);
  await writeJson(paths.key, key);
  await writeAtomic(paths.page, await takePage(study, files));
  await writeJson(paths.study, study); // last: it makes the folder a study
}

/** The command that takes answers of a study, for a message. */
export function serveCommand(folder: string): string {
  return `tessera study serve ${shellWord(folder)}`;
}
