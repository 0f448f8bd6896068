/** @file What a finished training left, for scripts: the weights that there are, and how well the held-out images went. */
import { existsSync } from 'node:fs';
import type { RunConfig } from '../config/run.ts';
import { isRecord } from '../core/checks.ts';
import { familyOf } from '../families/families.ts';
import { readJsonLines } from '../io/jsonlines.ts';
import { type WeightKind, weightKinds } from '../io/runfiles.ts';
import { chooseWeights, runPaths } from '../io/runfolder.ts';

/** A held-out loss and its step. */
export interface Validation {
  readonly step: number;
  readonly loss: number;
}

export interface TrainedRun {
  readonly family: string;
  readonly steps: number;
  /** Files; null for weights that the run does not have. */
  readonly weights: Readonly<Record<WeightKind, string | null>>;
  /** The weights that paint unless others are asked for. */
  readonly paints: WeightKind;
  /** The lowest held-out loss and the last one; null where nothing was measured. */
  readonly best: Validation | null;
  readonly last: Validation | null;
  readonly metrics: string;
  /** Sheet of samples. */
  readonly samples: string | null;
}

/** Describes the run in a folder. @param config its own */
export function describeTrained(folder: string, config: RunConfig): TrainedRun {
  const paths = runPaths(folder);
  const ifThere = (path: string) => (existsSync(path) ? path : null);
  const weights = Object.fromEntries(weightKinds.map(kind => [kind, ifThere(paths.weights[kind])]));
  const measured = validations(paths.metrics, config.family);
  const best = measured.reduce<Validation | null>((a, b) => (a === null || b.loss < a.loss ? b : a), null);
  return {
    family: config.family,
    steps: config.train.steps,
    weights: weights as Record<WeightKind, string | null>,
    paints: chooseWeights(folder),
    best,
    last: measured.at(-1) ?? null,
    metrics: paths.metrics,
    samples: ifThere(paths.samples),
  };
}

/** The loss that the family is judged by, at every validation of its model. */
function validations(metrics: string, family: string): Validation[] {
  const { validation, name } = familyOf(family);
  if (validation === undefined || !existsSync(metrics)) return [];
  const all: Validation[] = [];
  for (const record of readJsonLines(metrics)) {
    if (!isRecord(record) || record.stage !== name) continue;
    const loss = validation.curves.map(curve => record[curve]).find(value => typeof value === 'number');
    if (typeof loss === 'number' && typeof record.step === 'number') all.push({ step: record.step, loss });
  }
  return all;
}
