/**
 * @file Ours and the rival measured in turn, each round a process of its own, so that a machine whose speed drifts treats
 * both alike. A rival is a Python script that prints one JSON line with tokens_per_s, ms_per_step or s_per_step, and
 * maxrss_mib.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { UserError } from '../../src/core/errors.ts';
import { median } from '../../src/core/numbers.ts';
import type { Precision } from '../../src/device/native/native.ts';
import { measurePeak, type Peak } from '../../src/kernels/peak/peak.ts';
import { startNative } from '../../src/kernels/start.ts';
import type { Session } from '../../src/runs/session.ts';
import type { BenchFlags, ModeName } from './flags.ts';
import { createJob, type Job, unitOf, type Workload } from './jobs.ts';
import { bestPeak, fixed } from './report.ts';

/** One measurement, or the medians of several. */
export interface Measured {
  readonly unitsPerSecond: number;
  readonly msPerStep: number;
  /** Largest memory of the process. */
  readonly peakMib: number;
  /** Operations that a step needs, in GFLOP, and how many are done a second. */
  readonly gflopPerStep?: number;
  readonly gflops?: number;
}

/** Something to measure in both precisions. */
export interface Case {
  /** What sets it apart from the other cases, e.g. `batch 16`; empty if it is the only one. */
  readonly name: string;
  readonly workload: Omit<Workload, 'precision'>;
}

export interface Row extends Measured {
  readonly case: string;
  readonly who: 'tessera' | 'rival';
  readonly precision: Precision;
  /** `gflops` over the machine's peak. */
  readonly share?: number;
}

export interface Comparison {
  readonly rows: readonly Row[];
  /** The best that any round has seen; absent where none looked. */
  readonly peak?: Peak;
}

interface Report {
  readonly measured: Measured;
  readonly peak?: Peak;
}

/** Takes `steps` steps after the job's own warm-up. @returns milliseconds of each */
export async function timeSteps(job: Job, steps: number, now: () => number): Promise<number[]> {
  for (let i = 0; i < job.warmUp; i++) await job.step();
  const times: number[] = [];
  for (let i = 0; i < steps; i++) {
    const started = now();
    await job.step();
    times.push(now() - started);
  }
  return times;
}

/** A round of ours, in this process: measures what `text` says and prints one JSON line. */
export async function work(session: Session, text: string): Promise<void> {
  const workload = JSON.parse(text) as Workload; // written by `measureOurs`
  const backend = await startNative({ precision: workload.precision });
  const job = createJob(workload);
  const { units, flops } = job;
  const msPerStep = median(await timeSteps(job, workload.steps, session.now));
  const measured: Measured = {
    msPerStep,
    unitsPerSecond: (1000 * units) / msPerStep,
    peakMib: process.resourceUsage().maxRSS / 1024,
    ...(flops === undefined ? {} : { gflopPerStep: flops / 1e9, gflops: flops / 1e6 / msPerStep }),
  };
  // After the memory has been read: the peak takes some of its own.
  const peak = flops === undefined ? undefined : measurePeak(backend, session.now);
  session.print(JSON.stringify({ measured, peak } satisfies Report));
}

/** The precisions asked for, or all that this processor has, the slower first. */
export async function choosePrecisions(flags: BenchFlags): Promise<readonly Precision[]> {
  const { supportsBf16 } = await startNative();
  const wanted = flags.precision ?? (supportsBf16 ? ['fp32', 'bf16'] : ['fp32']);
  if (wanted.includes('bf16') && !supportsBf16) {
    throw new UserError('bench: --precision', 'expected fp32, got bf16, which this processor does not have');
  }
  return [...new Set(wanted)];
}

/** Measures every case in every precision, ours and the rival in turn, round after round. */
export async function compare(
  session: Session,
  mode: ModeName,
  options: { readonly cases: readonly Case[]; readonly flags: BenchFlags },
): Promise<Comparison> {
  const { cases, flags } = options;
  const precisions = await choosePrecisions(flags);
  const runs = new Map<string, { row: Pick<Row, 'case' | 'who' | 'precision'>; measured: Measured[] }>();
  const peaks: Peak[] = [];
  for (let round = 0; round < flags.rounds; round++) {
    for (const { name, workload } of cases) {
      for (const precision of precisions) {
        const record = (who: Row['who'], measured: Measured) => {
          const key = `${name} ${who} ${precision}`;
          const entry = runs.get(key) ?? { row: { case: name, who, precision }, measured: [] };
          entry.measured.push(measured);
          runs.set(key, entry);
          const speed = `${fixed(measured.unitsPerSecond)} ${unitOf[workload.job]}/s`;
          session.reporter.message(`round ${round + 1} of ${flags.rounds}: ${key.trim()} ${speed}`);
        };
        const { measured, peak } = measureOurs(mode, { ...workload, precision });
        record('tessera', measured);
        if (peak !== undefined) peaks.push(peak);
        if (flags.rival !== undefined) record('rival', measureRival({ ...workload, precision }, flags));
      }
    }
  }
  const peak = peaks.length > 0 ? bestPeak(peaks) : undefined;
  const rows = [...runs.values()].map(({ row, measured }): Row => {
    const medians = summarize(measured);
    const roof = peak?.gflops[row.precision];
    const share = roof === undefined || medians.gflops === undefined ? undefined : medians.gflops / roof;
    return { ...row, ...medians, ...(share === undefined ? {} : { share }) };
  });
  return { rows, peak };
}

/** The medians of several rounds, each figure by itself. */
export function summarize(rounds: readonly Measured[]): Measured {
  const of = (figure: (m: Measured) => number) => median(rounds.map(figure));
  const counted = rounds.every(m => m.gflopPerStep !== undefined);
  const rated = rounds.every(m => m.gflops !== undefined);
  return {
    unitsPerSecond: of(m => m.unitsPerSecond),
    msPerStep: of(m => m.msPerStep),
    peakMib: of(m => m.peakMib),
    ...(counted ? { gflopPerStep: of(m => m.gflopPerStep as number) } : {}),
    ...(rated ? { gflops: of(m => m.gflops as number) } : {}),
  };
}

function measureOurs(mode: ModeName, workload: Workload): Report {
  return runOurs(mode, workload, `tessera ${workload.precision}`) as Report; // what `work` printed
}

/** Runs this program as a process of its own that does what `work` says. @returns the JSON that it printed */
export function runOurs(mode: ModeName, work: object, name: string): unknown {
  // The interpreter's own flags come first: from sources, they are what reads TypeScript.
  return runJson(
    process.execPath,
    [...process.execArgv, process.argv[1], mode, '--worker', JSON.stringify(work)],
    name,
  );
}

const rivalSays = z.object({
  tokens_per_s: z.number().positive(),
  ms_per_step: z.number().positive().optional(),
  s_per_step: z.number().positive().optional(),
  maxrss_mib: z.number().positive(),
  /** On a GPU, of its memory. */
  peak_gib: z.number().positive().optional(),
  gflops: z.number().optional(),
});

/** A round of the rival. @param extra flags of its own */
export function measureRival(
  { job, shape, batch, steps, precision }: Workload,
  { rival = '', python }: Pick<BenchFlags, 'rival' | 'python'>,
  extra: readonly string[] = [],
): Measured {
  const sizes = {
    d: shape.width,
    layers: shape.layers,
    heads: shape.heads,
    seq: shape.captionLength + shape.grid ** 2,
    prompt: shape.captionLength,
    vocab: shape.captionLength + shape.captionVocab + shape.imageVocab,
    batch,
    threads: availableParallelism(),
    ...(job === 'sample' ? { sample: steps } : { steps }),
  };
  const args = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const said = runJson(python, [rival, ...args, ...(precision === 'bf16' ? ['--bf16'] : []), ...extra], rival);
  const read = rivalSays.safeParse(said);
  const ms = read.data?.ms_per_step ?? 1000 * (read.data?.s_per_step ?? Number.NaN);
  if (!read.success || Number.isNaN(ms)) {
    const wanted = 'tokens_per_s, ms_per_step or s_per_step, and maxrss_mib';
    throw new UserError(`bench: ${rival}`, `expected a JSON line with ${wanted}, got ${JSON.stringify(said)}`);
  }
  const { tokens_per_s: unitsPerSecond, maxrss_mib, peak_gib, gflops } = read.data;
  const peakMib = peak_gib === undefined ? maxrss_mib : 1024 * peak_gib;
  return { unitsPerSecond, msPerStep: ms, peakMib, ...(gflops === undefined ? {} : { gflops }) };
}

/** Runs a process and parses the last line it prints. */
function runJson(program: string, args: readonly string[], name: string): unknown {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) {
    const why = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
    throw new UserError(`bench: ${name}`, `the process failed (${why})`);
  }
  const line = stdout.trim().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(line);
  } catch {
    throw new UserError(`bench: ${name}`, `expected a JSON line, got ${JSON.stringify(line)}`);
  }
}

/** Ours over the rival, greater is better, by name; nothing where there is no rival. */
export function ratiosOf(rows: readonly Row[], name: string): Readonly<Partial<Record<RatioName, number>>> {
  const find = (who: Row['who'], precision: Precision) =>
    rows.find(row => row.case === name && row.who === who && row.precision === precision);
  const ratios: Partial<Record<RatioName, number>> = {};
  for (const precision of ['fp32', 'bf16'] as const) {
    const [ours, rival] = [find('tessera', precision), find('rival', precision)];
    if (ours === undefined || rival === undefined) continue;
    ratios[precision] = ours.unitsPerSecond / rival.unitsPerSecond;
    ratios[`memory_${precision}`] = rival.peakMib / ours.peakMib;
  }
  const best = (who: Row['who']) =>
    Math.max(...rows.filter(row => row.case === name && row.who === who).map(row => row.unitsPerSecond));
  if (Object.keys(ratios).length > 0) ratios.best = best('tessera') / best('rival');
  return ratios;
}

type RatioName = Precision | `memory_${Precision}` | 'best';
