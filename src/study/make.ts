/**
 * @file Making a study: the same captions painted by every run from common seeds, beside the data's own pictures and what a patch
 * tokenizer makes of them; a design; and a folder with all that is needed to ask people. No name of a system is in what they see.
 */

import { existsSync } from 'node:fs';
import type { Split } from '../../data/dataset.ts';
import { UserError } from '../core/errors.ts';
import { familyOf } from '../families/families.ts';
import { beginWriting, endWriting } from '../io/ownfolder.ts';
import type { WeightKind } from '../io/runfiles.ts';
import { checkSplits, openRuns } from '../runs/comparison/open-runs.ts';
import type { ComparedRun } from '../runs/comparison/paint-runs.ts';
import { type EngineFlags, type Session, startEngine } from '../runs/session.ts';
import {
  type AssembledRequest,
  assembleStudy,
  filesOf,
  type MadeStudy,
  type StudySystem,
  writeStudy,
} from './assemble.ts';
import { blindStudy } from './blind.ts';
import { countTrials, designStudy, LEAST_TRIALS, type QuestionKey } from './design.ts';
import { gatherMaterial, leastAlike, type Material, type MaterialRequest } from './material.ts';
import { paintSystems } from './paint.ts';
import { studyPaths } from './study.ts';

/** What wrote a study's folder. */
const BY = 'tessera study make';

export interface MakeStudyRequest extends EngineFlags, MaterialRequest, AssembledRequest {
  /** Folders. */
  readonly runs: readonly string[];
  /** A new or an empty folder. */
  readonly out: string;
  readonly split?: readonly Split[];
  /** Whether the data's own pictures, and their reconstructions, are systems too. */
  readonly anchors: boolean;
  readonly weights?: WeightKind;
}

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
  await beginWriting(out, {
    by: BY,
    what: 'a study that was not finished',
    files: filesOf(blinded, request.exposureMs),
  });
  await startEngine(session, request);
  const painted = await paintSystems(session, { ...request, runs, systems, material, usesReal, blinded });
  const made = await assembleStudy({ request, blinded, systems, heldOut: material.heldOut, painted });
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
  const copying = runs.find(({ config }) => familyOf(config.family).stages.includes('patch'));
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
  const most = mostTrials(length, questions);
  throw new UserError(
    'study make: --trials',
    `${trials} trials of a person need ${mostOfQuestion} different captions a question, of which there are ${length}`,
    most === undefined
      ? 'ask of more captions, or fewer questions'
      : `--trials ${most} has enough; or ask of more captions`,
  );
}

/** Most trials that so many captions are enough for; undefined where no session is. */
function mostTrials(captions: number, questions: readonly QuestionKey[]): number | undefined {
  const isEnough = (trials: number) => countTrials({ trials, questions }).mostOfQuestion <= captions;
  if (!isEnough(LEAST_TRIALS)) return undefined;
  let trials = LEAST_TRIALS;
  while (isEnough(trials + 1)) trials++;
  return trials;
}
