/**
 * @file Comparing runs: those of any family beside one another, as one HTML page and the same as JSON. Reads what their
 * trainings and evaluations have logged, paints the same captions with each, times it, and looks for training images
 * among the samples. What a run lacks is left out and named; nothing of a run is changed but that missing metrics are
 * added.
 */

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Split } from '../../data/dataset.ts';
import { UserError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import { shellWord } from '../core/shell.ts';
import { featuresMatcher } from '../features/open.ts';
import { writeAtomic } from '../io/atomic.ts';
import { destinationOf } from '../io/destination.ts';
import { readSafetensors } from '../io/files.ts';
import { readJsonLines } from '../io/jsonlines.ts';
import { expectOutput } from '../io/outputs.ts';
import { loadState } from '../io/state.ts';
import '../metrics/builtin.ts';
import type { WeightKind } from '../io/runfiles.ts';
import { runPaths } from '../io/runfolder.ts';
import { findMetrics, type MetricDefinition } from '../metrics/define.ts';
import { lowestOf } from '../metrics/turning.ts';
import { conclude } from '../report/conclusions.ts';
import type { Report, RunReport, Stage } from '../report/contents.ts';
import type { Section } from '../report/document.ts';
import { aidsOf, groupNames } from '../report/groups.ts';
import { type History, mainStage, readHistory, validationOf } from '../report/history.ts';
import { renderPage } from '../report/page.ts';
import { progressOf, verdictOf } from '../report/verdicts.ts';
import { checkSplits, openRuns } from './comparison/open-runs.ts';
import {
  type ComparedRun,
  openComparisonData,
  type PaintedRun,
  type PaintingRequest,
  paintRuns,
} from './comparison/paint-runs.ts';
import { evaluateRun } from './evaluate.ts';
import { type Session, startEngine } from './session.ts';

export interface CompareRequest extends PaintingRequest {
  /** Folders. */
  readonly runs: readonly string[];
  /** The time of the comparison, which the page and the JSON say. */
  readonly made: Date;
  /** The HTML file; the JSON file has its name with another ending. */
  readonly out: string;
  /** Whether the user gave the name `out`; default true. */
  readonly named?: boolean;
  /** The data that all runs were trained on: real images, and what the samples are held against. */
  readonly data?: string;
  readonly format?: string;
  /** Painted by every run; by default those of held-out images. */
  readonly captions?: readonly string[];
  /** What is measured of runs that have no result of it; needs `data`. */
  readonly metrics: readonly string[];
  /** What the metrics look through, and how many training images they compare with. */
  readonly features: readonly string[];
  readonly reference: number;
  /** Sides of the data that are measured; default: what is held out, or what was trained on where nothing is. */
  readonly split?: readonly Split[];
  /** Default: each run's averaged ones, or the only ones it has. */
  readonly weights?: WeightKind;
  /** What a study of the runs found: its folder, a section of the page, and its results. */
  readonly people?: { readonly folder: string; readonly section: Section; readonly results: object };
}

/** A comparison, and the JSON file that holds it; the page is where the request wants it. */
export interface Comparison {
  readonly report: Report;
  /** Absent where the page went into a device or a pipe. */
  readonly json?: string;
}

/**
 * Compares runs and writes the page and the JSON beside it.
 * @throws UserError if the runs cannot be compared, or the page cannot be written under its name
 */
export async function compareRuns(session: Session, request: CompareRequest): Promise<Comparison> {
  const { out, data, captions, seed, people } = request;
  const metrics = findMetrics(request.metrics, 'compare: --metrics');
  const json = await expectFiles(request);
  const runs = await openRuns('compare', request);
  await checkSplits('compare', runs);
  const painting = data !== undefined || captions !== undefined;
  const backend = painting ? await startEngine(session, request) : null;
  const opened = data === undefined ? undefined : await openComparisonData(session, { ...request, data }, runs[0]);
  const measured = (opened?.sides ?? request.split)?.join(',');
  if (data !== undefined)
    for (const run of runs) await evaluateMissing(session, { ...request, data, metrics, measured }, run);
  for (const { folder, weights, trained } of runs) {
    if (painting && !trained)
      session.reporter.message(`warning: ${folder} has no ${weights} weights; nothing is painted by it`, {
        isWarning: true,
      });
  }
  const { painted, grid } = painting
    ? await paintRuns(session, request, { runs, captions, data: opened })
    : { painted: new Map<string, PaintedRun>(), grid: null };
  const reports = await reportRuns(session, runs, { painted, split: measured });
  const report: Report = {
    format: 'tessera-comparison-1',
    made: request.made.toISOString(),
    command: commandOf(request),
    backend,
    data: data ?? null,
    imageSize: runs[0].config.images.imageSize,
    seed,
    runs: reports,
    grid,
    findings: conclude(reports),
    ...(people === undefined ? {} : { people: { study: people.folder, results: people.results } }),
  };
  if (json !== undefined) await writeAtomic(json, `${printableJson(report)}\n`);
  await writeAtomic(out, renderPage(report, people === undefined ? [] : [people.section]));
  return { report, json };
}

/**
 * Makes sure that page and JSON may be written.
 * @returns where the JSON goes; nowhere where the page goes into a device or a pipe
 */
async function expectFiles({ out, named = true, data }: CompareRequest): Promise<string | undefined> {
  const json = jsonBeside(out);
  const inputs = data === undefined ? [] : [data];
  await expectOutput('compare: --out', out, { kind: 'page', named, inputs });
  if ((await destinationOf(out)).kind !== 'file') return undefined;
  await expectOutput('compare: --out', json, { kind: 'data', named: false, inputs });
  return json;
}

/** Where the JSON goes. @throws UserError if the report cannot be written under that name */
function jsonBeside(out: string): string {
  if (existsSync(out) && statSync(out).isDirectory()) {
    throw new UserError(
      'compare: --out',
      `expected a file, got the folder ${out}`,
      `e.g. --out ${out.replace(/\/*$/, '')}/comparison.html`,
    );
  }
  if (/\.json$/i.test(out)) {
    throw new UserError('compare: --out', `expected an HTML file, got ${out}`, 'the JSON file is written beside it');
  }
  return `${out.replace(/\.html?$/i, '')}.json`;
}

/** Evaluates what the run's log has no result of for these weights, if its network is there. */
async function evaluateMissing(
  session: Session,
  {
    metrics,
    measured,
    ...request
  }: Omit<CompareRequest, 'metrics'> & {
    readonly data: string;
    /** Sides of the data whose results are wanted. */
    readonly measured: string | undefined;
    readonly metrics: readonly MetricDefinition[];
  },
  { folder, weights, trained, config }: ComparedRun,
): Promise<void> {
  if (!trained) return;
  const records = readJsonLines(runPaths(folder).metrics);
  const { stages, metrics: known } = readHistory(records, config, { weights, split: measured });
  const step = stepOf(stages, config);
  const isKnown = (metric: string, isAsked: (logged: string) => boolean) =>
    known.some(
      result =>
        result.metric === metric &&
        result.row !== 'floor' &&
        (result.step ?? step) >= step &&
        (result.features === null || isAsked(result.features)),
    );
  const missing = new Map<string, string[]>();
  for (const features of request.features) {
    const isAsked = await featuresMatcher(features);
    const lacking = metrics.filter(({ gives }) => !gives.some(({ name }) => isKnown(name, isAsked)));
    const key = lacking.map(({ name }) => name).join(', ');
    if (lacking.length > 0) missing.set(key, [...(missing.get(key) ?? []), features]);
  }
  for (const [names, features] of missing) {
    session.reporter.message(`${folder}: measuring ${names}`);
    await evaluateRun(session, { ...request, run: folder, weights, metrics: names.split(', '), features });
  }
}

/** Steps of what paints. */
function stepOf(stages: readonly Stage[], { family }: ComparedRun['config']): number {
  return stages.find(({ stage }) => stage === family)?.steps ?? 0;
}

async function reportRuns(
  session: Session,
  runs: readonly ComparedRun[],
  { painted, split }: { readonly painted: ReadonlyMap<string, PaintedRun>; readonly split: string | undefined },
): Promise<RunReport[]> {
  const groups = groupNames(runs.map(({ config }) => config));
  return Promise.all(
    runs.map(async ({ folder, name, config, weights }, i) => {
      const log = readJsonLines(runPaths(folder).metrics, what => session.reporter.message(what));
      const history = readHistory(log, config, { weights, split });
      const { stages, checks } = history;
      const own = painted.get(name);
      const all = await parametersOf(folder);
      return {
        run: folder,
        name,
        family: config.family,
        group: groups[i],
        seed: config.seed,
        learningRate: config.train.lr,
        weights,
        step: stepOf(stages, config),
        steps: stepsAskedOf(history, config),
        aids: aidsOf(config),
        parameters: own?.parameters ?? null,
        trainingOnly: own === undefined || all === undefined ? null : Math.max(0, all - own.parameters),
        stages,
        checks,
        verdict: verdictOf(history, config),
        progress: progressOf(stages, checks),
        metrics: history.metrics,
        sampling: own?.sampling ?? null,
        nearest: own?.nearest ?? null,
      };
    }),
  );
}

/** Steps that the training was to make: those that it made, where its patience ended it. */
function stepsAskedOf({ stages }: History, config: ComparedRun['config']): number {
  const { steps, patience } = config.train;
  const known = validationOf(mainStage(stages), config).flatMap(({ step, value }) =>
    value === null ? [] : [{ step, value }],
  );
  const least = lowestOf(known);
  const waited = least === undefined ? 0 : known.length - 1 - known.indexOf(least);
  return patience > 0 && waited >= patience ? stepOf(stages, config) : steps;
}

/** Numbers in all that was trained, discriminators and image towers included; undefined where the state is gone. */
async function parametersOf(folder: string): Promise<number | undefined> {
  const { patch, text, patchState, textState, modelState } = runPaths(folder);
  const counts = await Promise.all(
    [
      [modelState, undefined],
      [patchState, patch],
      [textState, text],
    ].map(([state, finished]) => countIn(state, finished)),
  );
  return counts[0] === undefined ? undefined : counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

/** Numbers in the weights of a saved state, or in a file where the state is not there. */
async function countIn(state: string | undefined, finished: string | undefined): Promise<number | undefined> {
  const saved = state === undefined ? undefined : await loadState(state);
  const path = saved === undefined ? finished : join(saved.path, 'weights.safetensors');
  if (path === undefined || !existsSync(path)) return undefined;
  const { tensors } = await readSafetensors(path);
  return [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
}

/** The command that makes the report again, on the same kind of backend. */
export function commandOf(request: CompareRequest): string {
  const { runs, out, data, captions, numImages, metrics, features, reference, seed } = request;
  const { format, split, weights, backend, precision, threads, people } = request;
  const flag = (name: string, value: string | number | undefined, standard?: string) =>
    value === undefined || value === standard ? [] : [name, typeof value === 'string' ? shellWord(value) : value];
  const measured = [
    ...flag('--metrics', metrics.join(',')),
    ...flag('--features', features.join(',')),
    ...flag('--reference', reference),
  ];
  return [
    'tessera compare',
    ...runs.map(shellWord),
    ...flag('--data', data),
    ...flag('--format', format, 'auto'),
    ...flag('--split', split?.join(',')),
    ...(data === undefined || metrics.length === 0 ? [] : measured),
    ...flag('--captions', captions?.join('|')),
    ...flag('--study', people?.folder),
    ...flag('--num-images', numImages),
    ...flag('--seed', seed),
    ...flag('--weights', weights),
    ...flag('--backend', backend, 'auto'),
    ...flag('--precision', precision, 'auto'),
    ...flag('--threads', threads),
    ...flag('--out', out),
  ].join(' ');
}
