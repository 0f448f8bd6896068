/**
 * @file `npm run bench -- gpu`: the table of GPU figures. Training, with the batch grown until memory or speed stops, and
 * painting, of the presets with all 256 + 1024 positions; beside PyTorch on the same GPU where a rival is given, ours and
 * its rounds in turn. Where there is no GPU the same table says "not measured".
 */

import { UserError } from '../../src/core/errors.ts';
import { median } from '../../src/core/numbers.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import type { Session } from '../../src/runs/session.ts';
import { type BenchFlags, type gpuModels, type Shape, shapeOf } from './flags.ts';
import { knownPeak, type Roof } from './gpupeaks.ts';
import { describeBench, kernelTable, type Line, notMeasured, resultTable } from './gputable.ts';
import type { Description, GpuFacts, GpuMeasured, GpuTask, Growth, NoGpu } from './gpuwork.ts';
import { describeMachine, fixed } from './report.ts';
import { type Measured, measureRival, runOurs, summarize } from './rounds.ts';

type ModelName = (typeof gpuModels)[number];

/** What one model's training or painting came to. */
export interface GpuResult {
  readonly model: ModelName;
  readonly what: 'train' | 'sample';
  readonly batch: number;
  readonly ours: GpuMeasured;
  readonly rival?: Measured & { readonly batch: number };
  readonly growth?: Growth;
}

const SAMPLED = [1, 16, 256];

export async function benchGpu(session: Session, flags: BenchFlags): Promise<void> {
  const { models, parts, batch = flags.smoke ? [1, 2] : SAMPLED } = flags;
  const found = ask({ task: 'describe', smoke: flags.smoke }) as Description;
  if ('problem' in found) {
    reportNothing(session, flags, { found, batches: batch });
    return;
  }
  session.reporter.message(`${found.name}: ${found.driver}`);
  const results: GpuResult[] = [];
  for (const model of models) {
    const shape = shapeOfModel(model, flags);
    if (parts.includes('train')) results.push(train(session, { model, shape, flags }));
    if (!parts.includes('sample')) continue;
    for (const each of batch) results.push(sample(session, { model, shape, flags, batch: each }));
  }
  report(session, flags, { facts: found, results });
}

/** A process of ours. @throws UserError if it fails */
function ask(task: GpuTask): unknown {
  return runOurs('gpu', task, `tessera ${task.task}`);
}

/** The preset, or for `--smoke` something that a processor can do. */
function shapeOfModel(model: ModelName, flags: BenchFlags): Shape {
  if (!flags.smoke) {
    const { width, layers, heads } = resolveConfig({ preset: model }).model;
    return { ...shapeOf(flags), width, layers, heads };
  }
  const layers = model === 'small' ? 1 : 2;
  return { width: 16, layers, heads: 2, captionLength: 3, grid: 3, captionVocab: 8, imageVocab: 16 };
}

interface Case {
  readonly model: ModelName;
  readonly shape: Shape;
  readonly flags: BenchFlags;
}

function train(session: Session, { model, shape, flags }: Case): GpuResult {
  const steps = flags.steps ?? (flags.smoke ? 1 : 10);
  const mostBatch = flags.smoke ? 2 : flags.mostBatch;
  const growth = ask({ task: 'grow', shape, mostBatch, steps: Math.min(3, steps) }) as Growth;
  const best = [...growth.tried].sort((a, b) => b.tokensPerSecond - a.tokensPerSecond)[0];
  if (best === undefined) throw new UserError(`bench gpu: ${model}`, growth.stopped);
  const batches = growth.tried.map(({ batch, tokensPerSecond }) => `${batch}: ${fixed(tokensPerSecond)}`).join(', ');
  session.reporter.message(`${model}, tokens/s by batch: ${batches}; ${growth.stopped}`);
  return { ...inTurn(session, { model, what: 'train', shape, flags, batch: best.batch, steps }), growth };
}

function sample(session: Session, { model, shape, flags, batch }: Case & { readonly batch: number }): GpuResult {
  const steps = Math.min(flags.steps ?? 128, shape.grid ** 2 - 1);
  return inTurn(session, { model, what: 'sample', shape, flags, batch, steps });
}

interface Rounds extends Case {
  readonly what: 'train' | 'sample';
  readonly batch: number;
  readonly steps: number;
}

/** Rounds of ours and the rival; the first of ours also looks inside a training. */
function inTurn(session: Session, { model, what, shape, flags, batch, steps }: Rounds): GpuResult {
  const ours: GpuMeasured[] = [];
  const rivals: Measured[] = [];
  let rivalBatch = batch;
  const rounds = flags.smoke ? 1 : flags.rounds;
  for (let round = 0; round < rounds; round++) {
    const kernels = what === 'train' && round === 0;
    ours.push(ask({ task: 'measure', job: what, shape, batch, steps, kernels }) as GpuMeasured);
    const say = (who: string, measured: Measured | undefined) =>
      session.reporter.message(
        `round ${round + 1} of ${rounds}: ${who} ${what} ${model} batch ${batch}: ${fixed(measured?.unitsPerSecond)} tokens/s`,
      );
    say('tessera', ours.at(-1));
    if (flags.rival === undefined || rivals.length < round) continue;
    try {
      const measured = fitRival({ model, what, shape, flags, batch: rivalBatch, steps });
      rivalBatch = measured.batch;
      rivals.push(measured);
      say('rival', measured);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      session.reporter.message(`without the rival: ${error.message}`); // ours are worth keeping
    }
  }
  const of = (figure: (m: GpuMeasured) => number) => median(ours.map(figure));
  return {
    model,
    what,
    batch,
    ours: {
      ...ours[0], // with the kernels
      ...summarize(ours),
      dispatches: of(m => m.dispatches),
      cpuPerDispatch: of(m => m.cpuPerDispatch),
    },
    ...(rivals.length === 0 ? {} : { rival: { ...summarize(rivals), batch: rivalBatch } }),
  };
}

/** The rival at this batch, or at half of it and so on where it fails, as where its memory is full. */
function fitRival({ what: job, shape, flags, batch, steps }: Rounds): Measured & { readonly batch: number } {
  const extra = ['--device', 'cuda', ...(job === 'train' ? ['--compile'] : [])];
  for (let fits = batch; ; fits = Math.floor(fits / 2)) {
    try {
      return { ...measureRival({ job, shape, batch: fits, steps, precision: 'bf16' }, flags, extra), batch: fits };
    } catch (error) {
      if (!(error instanceof UserError) || fits === 1) throw error;
    }
  }
}

/** What MFU is a share of. */
function roofOf({ name, peak }: GpuFacts, given: number | undefined): Roof {
  if (given !== undefined) return { tflops: given, source: 'as given' };
  const known = knownPeak(name);
  if (known !== undefined) return { tflops: known.tflops, source: `f16 of ${known.title}, by its data sheet` };
  const { fp32, f16 } = peak.tflops;
  return f16 === undefined
    ? { tflops: fp32, source: 'the fp32 product measured here' }
    : { tflops: f16, source: 'the f16 product measured here' };
}

function commandOf(flags: BenchFlags): string {
  const rival = flags.rival === undefined ? '' : ` --rival ${flags.rival}`;
  return `npm run bench -- gpu${rival}${flags.smoke ? ' --smoke' : ''}`;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function report(
  session: Session,
  flags: BenchFlags,
  { facts, results }: { readonly facts: GpuFacts; readonly results: readonly GpuResult[] },
): void {
  const roof = roofOf(facts, flags.peak);
  const about = { mode: 'gpu', date: today(), command: commandOf(flags), machine: describeMachine() };
  if (flags.json) {
    const table = results.map(result => ({ ...result, ratio: ratioOf(result) }));
    session.print(JSON.stringify({ ...about, gpu: facts, roof, table }));
    return;
  }
  const lines = results.flatMap(result => linesOf(result, facts.precision, roof));
  for (const line of describeBench({ ...about, facts, roof })) session.print(line);
  for (const line of resultTable(lines)) session.print(line);
  for (const { model, what, batch, ours } of results) {
    if (what !== 'train' || ours.kernels === undefined) continue;
    session.print('');
    session.print(`Kernels of a training step of \`${model}\`, batch ${batch}, by timestamps:`);
    session.print('');
    for (const line of kernelTable(ours.kernels)) session.print(line);
  }
}

function ratioOf({ ours, rival }: GpuResult): number | undefined {
  return rival === undefined ? undefined : ours.unitsPerSecond / rival.unitsPerSecond;
}

function linesOf(result: GpuResult, precision: string, roof: Roof): Line[] {
  const { model, what, batch, ours, rival } = result;
  const ratio = ratioOf(result);
  const share = (gflops: number | undefined) => (gflops === undefined ? undefined : gflops / 1000 / roof.tflops);
  const speed = (m: Measured) => ({ tokensPerSecond: m.unitsPerSecond, share: share(m.gflops), ms: m.msPerStep });
  const ofRival =
    rival === undefined ? undefined : { ...speed(rival), batch: rival.batch === batch ? undefined : rival.batch };
  if (what === 'sample') return [{ kind: 'sample', model, batch, precision, ours: speed(ours), rival: ofRival, ratio }];
  return [
    { kind: 'train', model, batch, precision, ours: speed(ours), rival: ofRival, ratio },
    { kind: 'memory', model, ours: ours.peakMib, rival: rival?.peakMib },
    { kind: 'dispatches', model, ...ours },
  ];
}

function reportNothing(
  session: Session,
  flags: BenchFlags,
  { found, batches }: { readonly found: NoGpu; readonly batches: readonly number[] },
): void {
  const { problem, hint } = found;
  if (flags.json) session.print(JSON.stringify({ mode: 'gpu', date: today(), problem, hint, table: [] }));
  else for (const line of notMeasured(flags, batches)) session.print(line);
  session.reporter.message([`not measured: ${problem}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])]);
}
