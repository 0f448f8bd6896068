/**
 * @file Human studies from a program: what the commands `tessera study` do, but for the server of a page. What paints and draws is loaded when it
 * is called.
 */
import type { Split } from '../../data/dataset.ts';
import { splitNames } from '../config/fields.ts';
import { parseConfig } from '../config/schema.ts';
import {
  booleanCheck,
  checkOptions,
  choiceCheck,
  listCheck,
  objectCheck,
  pathCheck,
  seedCheck,
  textCheck,
  wholeCheck,
} from '../core/checks.ts';
import { type WeightKind, weightKinds } from '../io/runfiles.ts';
import type { MadeStudy } from '../study/assemble.ts';
import type { Collected } from '../study/collect.ts';
import { type QuestionKey, questionKeys } from '../study/design.ts';
import type { StudyReport } from '../study/report-study.ts';
import type { WordingInput } from '../study/wording.ts';
import { type EngineOptions, engineChecks, engineOf } from './engine.ts';
import { openSession, stoppable, type WorkOptions, workChecks } from './progress.ts';

/** What to ask people. */
export interface MakeStudyOptions extends EngineOptions, WorkOptions {
  /** Folders of runs of any family, trained on the same images. */
  readonly runs: readonly string[];
  /** Folder of the study: a new or an empty one. */
  readonly out: string;
  /** The captioned images that the runs were trained on; needed where there are no `texts`. */
  readonly data?: string;
  /** Layout of `data`; default `auto`: recognised. */
  readonly format?: string;
  /** Sides of the data that captions are taken of; default: what is held out. */
  readonly split?: readonly Split[];
  /** Captions in place of the data's. */
  readonly texts?: readonly string[];
  /** How many captions; default 40, or as many as there are. */
  readonly captions?: number;
  /** Default `fits` and `finished`. */
  readonly questions?: readonly QuestionKey[];
  /** Of a person, control trials and repeats among them; default 60. */
  readonly trials?: number;
  /** Pictures of a system beside one another; default 1. */
  readonly images?: number;
  /** Whether the data's own pictures, and their reconstructions, are compared too; default true. */
  readonly anchors?: boolean;
  /** Whether people may say that they cannot tell; default true. */
  readonly cannotTell?: boolean;
  /** How long pictures are shown, in milliseconds; default: until the answer. */
  readonly exposureMs?: number;
  /** Words of the page in place of its own. */
  readonly wording?: WordingInput;
  /** The same seed makes the same study; default 0. */
  readonly seed?: number;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
}

/**
 * Paints a study and writes its page, in a folder of its own.
 * @returns what is asked, without names, and the key that has them
 * @throws UserError if the runs cannot be compared, captions are too few for the trials, or the folder has something else; the
 *   signal's reason once it is aborted
 */
export async function makeStudy(options: MakeStudyOptions): Promise<MadeStudy> {
  const own = {
    runs: listCheck('folders', pathCheck, { least: 1 }),
    out: pathCheck,
    data: pathCheck,
    format: textCheck,
    split: listCheck('splits', choiceCheck(splitNames), { least: 1 }),
    texts: listCheck('captions', textCheck, { least: 1 }),
    captions: wholeCheck({ least: 1, most: 10_000 }),
    questions: listCheck('questions', choiceCheck(questionKeys), { least: 1 }),
    trials: wholeCheck({ least: 1, most: 1000 }),
    images: wholeCheck({ least: 1, most: 16 }),
    anchors: booleanCheck,
    cannotTell: booleanCheck,
    exposureMs: wholeCheck({ least: 1, most: 60_000 }),
    wording: objectCheck,
    seed: seedCheck,
    weights: choiceCheck(weightKinds),
  };
  checkOptions('makeStudy', options, { ...engineChecks, ...workChecks, ...own }, ['runs', 'out']);
  const { makeStudy: make } = await import('../study/make.ts');
  const { wordingSchema } = await import('../study/wording.ts');
  const { signal: _, onProgress: __, questions = ['fits', 'finished'], trials = 60, images = 1, ...rest } = options;
  const { anchors = true, cannotTell = true, seed = 0, wording = {} } = rest;
  parseConfig(wordingSchema, wording, 'makeStudy: wording');
  const request = { ...rest, ...engineOf(rest), questions, trials, images, anchors, cannotTell, seed, wording };
  return stoppable(options, () => make(openSession(options), request));
}

/** Which answers to take. */
export interface CollectStudyOptions {
  /** The study's folder. */
  readonly study: string;
  /** Files that its page gave. */
  readonly files: readonly string[];
}

/**
 * Takes files of answers into a study.
 * @returns how many were taken, and what was left out, with its file and line
 * @throws UserError if the folder is no study, a file cannot be read, or none has an answer of this study
 */
export async function collectStudy(options: CollectStudyOptions): Promise<Collected> {
  const files = listCheck('files', pathCheck, { least: 1 });
  checkOptions('collectStudy', options, { study: pathCheck, files }, ['study', 'files']);
  const { collectAnswers } = await import('../study/collect.ts');
  const { readStudy } = await import('../study/study.ts');
  return collectAnswers(options.study, await readStudy(options.study, 'collectStudy'), options.files);
}

/** What to report. */
export interface ReportStudyOptions {
  /** The study's folder. */
  readonly study: string;
  /** JSON of a comparison of the same runs, whose metrics are set beside what people say. */
  readonly metrics?: string;
}

/**
 * Analyses the answers of a study and writes `report.html` into its folder.
 * @throws UserError if the folder is no study, or there are no answers yet
 */
export async function reportStudy(options: ReportStudyOptions): Promise<StudyReport> {
  checkOptions('reportStudy', options, { study: pathCheck, metrics: pathCheck }, ['study']);
  const { reportStudy: report } = await import('../study/report-study.ts');
  return report({ ...options, made: new Date() });
}
