/**
 * @file `npm run bench -- plan`: how true plans are. Eight trainings of every family, of few and of more drawings, are planned for
 * a minute or two and trained to their end; beside each other stand the minutes that were predicted and those that it took.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeShapes } from '../../data/generators/shapes.ts';
import { textTable } from '../../src/cli/terminal/tables.ts';
import { describeShape } from '../../src/runs/plan/choose.ts';
import type { Plan } from '../../src/runs/plan/plan.ts';
import { type Session, startEngine } from '../../src/runs/session.ts';
import { trainRun } from '../../src/runs/train.ts';
import { prepareTraining } from '../../src/runs/training/prepare.ts';
import type { BenchFlags } from './flags.ts';
import { change, describeMachine } from './report.ts';

/** A training that is planned and then done. */
export interface PlanCase {
  readonly family: string;
  readonly pictures: number;
  readonly minutes: number;
  /** Fields that stand, for other sizes than the minutes would have. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Thirteen minutes in all. */
export const planCases: readonly PlanCase[] = [
  { family: 'transformer', pictures: 50, minutes: 1 },
  { family: 'transformer', pictures: 500, minutes: 2 },
  { family: 'transformer', pictures: 5000, minutes: 2 },
  { family: 'transformer', pictures: 500, minutes: 2, fields: { images: { imageSize: 64 }, patch: { grid: 16 } } },
  { family: 'dcgan', pictures: 500, minutes: 1.5 },
  { family: 'r3gan', pictures: 500, minutes: 1.5 },
  { family: 'diffusion', pictures: 500, minutes: 1.5 },
  { family: 'diffusion', pictures: 5000, minutes: 1.5 },
];

/** What came of a case. */
export interface PlanResult extends PlanCase {
  readonly shape: string;
  readonly steps: number;
  /** Minutes, planning and reading the data included. */
  readonly predicted: number;
  readonly real: number;
  /** Seconds until the first painted samples. */
  readonly firstPredicted: number;
  readonly firstReal: number;
}

/** The table of all results, and how many are within a fifth. */
export function planTable(results: readonly PlanResult[]): string[] {
  const titles = ['', 'pictures', 'asked', 'shape', 'steps', 'predicted', 'real', 'off', 'first samples', 'real'];
  const rows = results.map(result => [
    result.family,
    String(result.pictures),
    `${result.minutes} min`,
    result.shape,
    String(result.steps),
    result.predicted.toFixed(2),
    result.real.toFixed(2),
    change(result.real / result.predicted - 1),
    `${Math.round(result.firstPredicted)} s`,
    `${Math.round(result.firstReal)} s`,
  ]);
  const near = results.filter(({ predicted, real }) => Math.abs(real / predicted - 1) <= 0.2).length;
  return [...textTable([titles, ...rows], { align: 'right' }), `within 20%: ${near} of ${results.length}`];
}

/** Plans and trains every case, one after the other. */
export async function benchPlan(session: Session, flags: BenchFlags): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-plan-'));
  try {
    await startEngine(session, { backend: 'auto', precision: flags.precision?.[0] ?? 'auto' });
    const results: PlanResult[] = [];
    for (const [i, planCase] of planCases.entries()) {
      const result = await runCase(session, planCase, join(folder, String(i)));
      if (result === undefined) return;
      results.push(result);
    }
    if (flags.json) session.print(JSON.stringify({ machine: describeMachine(), results }));
    else for (const line of [describeMachine(), ...planTable(results)]) session.print(line);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns undefined if it was stopped */
async function runCase(session: Session, planCase: PlanCase, folder: string): Promise<PlanResult | undefined> {
  const { family, pictures, minutes, fields = {} } = planCase;
  const data = join(folder, 'data');
  await makeShapes({ out: data, count: pictures, size: 64 });
  const { now } = session;
  const began = now();
  let plan: Plan | undefined;
  let first: number | undefined;
  // Pictures of a stage before the model are reconstructions: those of the last stage count.
  const reporter = watching(session.reporter, {
    onStage: () => {
      first = undefined;
    },
    onPictures: () => {
      first ??= (now() - began) / 1000;
    },
  });
  const watched = { ...session, reporter };
  const request = { data, out: join(folder, 'run') };
  const asked = { ...fields, family, plan: { minutes } };
  const prepared = await prepareTraining(watched, {
    ...request,
    fields: asked,
    begin: async () => {},
    onPlan: made => {
      plan = made;
    },
  });
  if (prepared === undefined || plan === undefined) return undefined;
  if (!(await trainRun(watched, { ...request, ...prepared }))) return undefined;
  return {
    ...planCase,
    shape: describeShape(plan.config),
    steps: plan.config.train.steps,
    predicted: plan.minutes,
    real: (now() - began) / 60_000,
    firstPredicted: plan.firstSamples * 60,
    firstReal: first ?? Number.NaN,
  };
}

/** A reporter that also tells of stages and pictures. */
function watching(
  reporter: Session['reporter'],
  { onStage, onPictures }: { readonly onStage: () => void; readonly onPictures: () => void },
): Session['reporter'] {
  return {
    stage: (name, options) => {
      onStage();
      reporter.stage(name, options);
    },
    update: update => reporter.update(update),
    done: summary => reporter.done(summary),
    skip: (name, reason, options) => reporter.skip(name, reason, options),
    message: text => reporter.message(text),
    pictures: (items, options) => {
      onPictures();
      reporter.pictures(items, options);
    },
    get timings() {
      return reporter.timings;
    },
  };
}
