/**
 * @file Measuring and comparing runs from a program: what `tessera eval` and `tessera compare` do. What measures and draws
 * is loaded when it is called.
 */
import type { Split } from '../../data/dataset.ts';
import { splitNames } from '../config/fields.ts';
import { checkOptions, choiceCheck, listCheck, pathCheck, seedCheck, textCheck, wholeCheck } from '../core/checks.ts';
import { type WeightKind, weightKinds } from '../io/runfiles.ts';
import { defaultMetrics } from '../metrics/define.ts';
import type { Comparison } from '../runs/compare.ts';
import type { Evaluation } from '../runs/evaluate.ts';
import { type EngineOptions, engineChecks, engineOf } from './engine.ts';
import { openSession, stoppable, type WorkOptions, workChecks } from './progress.ts';

/** How runs are measured. */
interface MeasureOptions extends EngineOptions, WorkOptions {
  /** Layout of `data`; default `auto`: recognised. */
  readonly format?: string;
  /** Names of metrics, also of those of `defineMetric`; default those that need no features that know captions. */
  readonly metrics?: readonly string[];
  /**
   * What the metrics look through: `pixels`, `random` (default), folders of features, folders or hub ids of ONNX networks.
   */
  readonly features?: readonly string[];
  /** Images painted by a run; default 256. */
  readonly numImages?: number;
  /** Training images that they are compared with; default 1000. */
  readonly reference?: number;
  /**
   * Sides of the data whose captions are painted and measured: `validation` is what is held out (the default, or what was
   * trained on where nothing is held out), `train` what was trained on, `test` the published test split.
   */
  readonly split?: readonly Split[];
  /** The same seed measures the same images; default 0. */
  readonly seed?: number;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
}

/** What to measure. */
export interface EvaluateOptions extends MeasureOptions {
  /** Folder of a trained run. */
  readonly run: string;
  /** The captioned images that it was trained on. */
  readonly data: string;
}

/** What to compare. */
export interface CompareOptions extends MeasureOptions {
  /** Folders of runs of any family, trained on the same images. */
  readonly runs: readonly string[];
  /** The HTML page; the same content as JSON goes beside it. */
  readonly out: string;
  /** The captioned images that they were trained on: to measure, and to paint held-out captions. */
  readonly data?: string;
  /** Captions to paint; default: those of held-out images. */
  readonly captions?: readonly string[];
  /** Folder of a study of the runs: what people said becomes a section of the page. */
  readonly study?: string;
}

const names = listCheck('names', textCheck, { least: 1 });
const measureChecks = {
  ...engineChecks,
  ...workChecks,
  data: pathCheck,
  format: textCheck,
  metrics: names,
  features: names,
  numImages: wholeCheck({ least: 1, most: 100000 }),
  reference: wholeCheck({ least: 1, most: 100000 }),
  split: listCheck('splits', choiceCheck(splitNames), { least: 1 }),
  seed: seedCheck,
  weights: choiceCheck(weightKinds),
};

/** With what is left out filled in; the metrics there are must have been loaded. */
function measureOf({ metrics = defaultMetrics(), features = ['random'], ...rest }: MeasureOptions) {
  const { format, numImages = 256, reference = 1000, split, seed = 0, weights } = rest;
  return { ...engineOf(rest), format, metrics, features, numImages, reference, split, seed, weights };
}

/**
 * Measures how good a run's pictures are, and appends the results to its metrics.jsonl, unless it came with the package.
 * @returns numbers with 95 percent intervals, beside those of other real images in the pictures' place
 * @throws UserError if the run, the data or the features are not there, or a metric is unknown or would see too few images;
 *   the signal's reason once it is aborted
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  checkOptions('evaluate', options, { ...measureChecks, run: pathCheck }, ['run', 'data']);
  const { run, data } = options;
  const { evaluateRun } = await import('../runs/evaluate.ts');
  return stoppable(options, () => evaluateRun(openSession(options), { ...measureOf(options), run, data }));
}

/**
 * Puts runs beside one another: writes a page and the same as JSON. Metrics that a run has no result of are measured, if
 * there is `data`.
 * @throws UserError if the runs cannot be compared, or the page not be written; the signal's reason once it is aborted
 */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const own = {
    runs: listCheck('folders', pathCheck, { least: 1 }),
    out: pathCheck,
    captions: listCheck('captions', textCheck, { least: 1 }),
    study: pathCheck,
  };
  checkOptions('compare', options, { ...measureChecks, ...own }, ['runs', 'out']);
  const { runs, out, data, captions, study } = options;
  const { compareRuns } = await import('../runs/compare.ts');
  const people =
    study === undefined ? undefined : await (await import('../study/report-study.ts')).studyOfRuns(study, runs);
  const request = { ...measureOf(options), runs, out, data, captions, people, made: new Date() };
  return stoppable(options, () => compareRuns(openSession(options), request));
}
