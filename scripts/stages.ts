/**
 * @file The stages of runs that are compared: how many steps of each fit a budget, and taking over what one run has trained
 * into another. Time is measured on the task's own first steps, through the very code that trains: a short run is trained
 * in a folder of its own, and its log says how long its steps took.
 */
import { cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { RunConfig } from '../src/config/run.ts';
import { mergeConfig } from '../src/config/schema.ts';
import { readJsonLines } from '../src/io/jsonlines.ts';
import { beginWriting, claimFolder } from '../src/io/ownfolder.ts';
import { runPaths } from '../src/io/runfolder.ts';
import { TAKEN_OVER } from '../src/runs/run.ts';
import type { Session } from '../src/runs/session.ts';
import { trainRun } from '../src/runs/train.ts';

/** What learns before the model itself, once for all runs of a kind. */
export type FirstStage = 'patch' | 'text';

/** What a run may spend, its first stage included: seconds of training, or images seen. */
export type Budget = { readonly seconds: number } | { readonly images: number };

/** Seconds a step, by the name of the stage in the log. */
export type StepSeconds = Readonly<Record<string, number>>;

/** Long enough for two lines of the log, of which the first is not counted. */
const PROBE = 30;

/**
 * Measures the steps of all stages of a config.
 * @param options.folder for the short run: new, empty or left from one that was stopped; removed
 * @param options.trained a first stage that is taken over from a run, which then keeps its steps and is not measured
 * @returns undefined if it was stopped
 */
export async function measureSteps(
  session: Session,
  options: {
    readonly config: RunConfig;
    readonly data: string;
    readonly folder: string;
    readonly trained?: { readonly first: FirstStage; readonly from: string };
  },
): Promise<StepSeconds | undefined> {
  const { config, data, folder, trained } = options;
  const short = { steps: PROBE };
  const rhythm = { evalEvery: PROBE, sampleEvery: PROBE, saveEvery: PROBE, logEvery: PROBE / 3 };
  const first = trained !== undefined ? {} : { patchTrain: short, textTrain: short };
  const probe = mergeConfig(config, { ...first, train: { ...short, ...rhythm, checkSamples: 0 } });
  // Merged from a config of its own schema, with numbers that it allows.
  await claimFolder(folder, 'probe.json', 'the measurement of a run');
  const out = join(folder, 'run');
  await rm(out, { recursive: true, force: true });
  if (trained !== undefined) await copyFirstStage(trained.first, trained.from, out);
  const request = { data, out, config: probe as RunConfig };
  if (!(await trainRun(session, request))) return undefined;
  const measured = stepSeconds(readJsonLines(runPaths(out).metrics));
  await rm(folder, { recursive: true });
  return measured;
}

/** Seconds a step of every stage of a log: what passed between its first line with a time and its last. */
export function stepSeconds(records: readonly unknown[]): StepSeconds {
  const stages = new Map<string, { readonly step: number; readonly seconds: number }[]>();
  for (const record of records) {
    const { stage, step, seconds } = record as { stage?: string; step?: number; seconds?: number };
    if (stage === undefined || step === undefined || seconds === undefined) continue;
    stages.set(stage, [...(stages.get(stage) ?? []), { step, seconds }]);
  }
  const rates = [...stages].flatMap(([stage, lines]) => {
    const [first, last] = [lines[0], lines[lines.length - 1]];
    return last.step > first.step ? [[stage, (last.seconds - first.seconds) / (last.step - first.step)] as const] : [];
  });
  return Object.fromEntries(rates);
}

/** Fewest steps of any stage. */
const FEWEST = 20;

/** Steps that fit a share of a budget. @param each seconds a step, and images a step */
export function stepsWithin(
  budget: Budget,
  share: number,
  each: { readonly seconds: number; readonly images: number },
): number {
  const steps = 'seconds' in budget ? (budget.seconds * share) / each.seconds : (budget.images * share) / each.images;
  return Math.max(FEWEST, Math.round(steps));
}

/** Images a step of a first stage. */
export function firstBatch(config: RunConfig, first: FirstStage): number {
  return first === 'patch' ? config.patchTrain.batchSize : config.textTrain.batchSize;
}

/**
 * Takes a trained first stage over into a new run, as its training would have left it there, its log included. The folder is
 * marked until the run has its config, by which the run is known.
 */
export async function copyFirstStage(first: FirstStage, from: string, to: string): Promise<void> {
  const [source, target] = [runPaths(from), runPaths(to)];
  const names = (['captions', ...PARTS[first]] as const).map(name => [source[name], target[name]] as const);
  const files = await Promise.all(names.map(async ([path, copy]) => filesOf(path, relative(to, copy))));
  await beginWriting(to, { by: TAKEN_OVER, what: 'a run', files: [...files.flat(), relative(to, target.metrics)] });
  for (const [path, copy] of names) {
    await mkdir(dirname(copy), { recursive: true });
    await cp(path, copy, { recursive: true });
  }
  const records = readJsonLines(source.metrics).filter(record => (record as { stage?: string }).stage === first);
  await writeFile(target.metrics, records.map(record => `${JSON.stringify(record)}\n`).join(''));
}

/** The files of a copy of a file or folder. @param name what the copy is called */
async function filesOf(path: string, name: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [name];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(name, relative(path, join(entry.parentPath, entry.name))));
}

const PARTS = {
  patch: ['patch', 'patchState', 'trainingCodes', 'heldOutCodes'],
  text: ['text', 'textState'],
} as const;

/** Training time that a log gives a stage. */
export function secondsOf(metrics: string, stage: string): number {
  const times = readJsonLines(metrics).flatMap(record => {
    const { stage: its, seconds } = record as { stage?: string; seconds?: number };
    return its === stage && seconds !== undefined ? [seconds] : [];
  });
  return times.at(-1) ?? 0;
}
