/**
 * @file `npm run bench -- roofline`: every kernel call of some steps timed in this process and set against the machine's
 * roof: its multiply-adds or its memory, whichever the kernel comes nearer to.
 */

import { textTable } from '../../src/cli/terminal/tables.ts';
import { UserError } from '../../src/core/errors.ts';
import type { KernelCall, KernelObserver, Precision } from '../../src/device/native/native.ts';
import { measurePeak, type Peak } from '../../src/kernels/peak/peak.ts';
import { startNative } from '../../src/kernels/start.ts';
import type { Session } from '../../src/runs/session.ts';
import { countWork } from './counts.ts';
import { type BenchFlags, oneBatch, shapeOf } from './flags.ts';
import { createJob } from './jobs.ts';
import { describeMachine, describePeak, fixed, percent } from './report.ts';
import { choosePrecisions } from './rounds.ts';

/** All calls of a kernel that are alike, a step. */
export interface KernelRow {
  readonly kernel: string;
  readonly shape: string;
  readonly calls: number;
  readonly ms: number;
  readonly gflops: number;
  /** GB/s. */
  readonly bandwidth: number;
  /** How near the roof, 1 is there: the share of the peak of its products, or of the memory's bandwidth if that is more. */
  readonly share: number;
}

export interface Profile {
  /** Largest time first. */
  readonly rows: readonly KernelRow[];
  /** Milliseconds a step in kernels, in all, and in between, which is JavaScript. */
  readonly kernelMs: number;
  readonly stepMs: number;
  readonly outsideMs: number;
}

interface Entry {
  readonly kernel: string;
  readonly shape: string;
  readonly precision: Precision;
  calls: number;
  ms: number;
  flops: number;
  bytes: number;
}

/** Times kernel calls by a clock in milliseconds and counts their work. */
export class Recorder {
  private readonly entries = new Map<string, Entry>();
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  readonly observer: KernelObserver = (call, run) => {
    const started = this.now();
    run();
    this.add(call, this.now() - started);
  };

  private add(call: KernelCall, ms: number): void {
    const { shape, precision, flops, bytes } = countWork(call);
    const key = `${call.kernel} ${shape} ${precision}`;
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = { kernel: call.kernel, shape, precision, calls: 0, ms: 0, flops: 0, bytes: 0 };
      this.entries.set(key, entry);
    }
    entry.calls++;
    entry.ms += ms;
    entry.flops += flops;
    entry.bytes += bytes;
  }

  /** Floating-point operations of all calls so far. */
  get flops(): number {
    return [...this.entries.values()].reduce((sum, { flops }) => sum + flops, 0);
  }

  /** @param stepMs milliseconds that all steps have taken together */
  profile(steps: number, stepMs: number, peak: Peak): Profile {
    const rows = [...this.entries.values()]
      .map(({ kernel, shape, precision, calls, ms, flops, bytes }): KernelRow => {
        const gflops = flops / ms / 1e6;
        const bandwidth = bytes / ms / 1e6;
        const share = Math.max(gflops / (peak.gflops[precision] ?? peak.gflops.fp32), bandwidth / peak.bandwidth);
        return { kernel, shape, calls: calls / steps, ms: ms / steps, gflops, bandwidth, share };
      })
      .sort((a, b) => b.ms - a.ms);
    const kernelMs = rows.reduce((sum, { ms }) => sum + ms, 0);
    return { rows, kernelMs, stepMs: stepMs / steps, outsideMs: stepMs / steps - kernelMs };
  }
}

const BATCH = { train: 4, tokenizer: 8, sample: 16 } as const;
const STEPS = { train: 5, tokenizer: 20, sample: 128 } as const;

export async function benchRoofline(session: Session, flags: BenchFlags): Promise<void> {
  const { what, steps = STEPS[what] } = flags;
  const batch = oneBatch('roofline', flags, BATCH[what]);
  const precisions = await choosePrecisions(flags);
  if (flags.precision !== undefined && precisions.length > 1) {
    throw new UserError('bench roofline: --precision', `expected one of fp32, bf16, got ${precisions.join(',')}`);
  }
  const precision = precisions[precisions.length - 1];
  const backend = await startNative({ precision });
  const peak = measurePeak(backend, session.now);
  const job = createJob({ job: what, shape: shapeOf(flags), batch });
  for (let i = 0; i < job.warmUp; i++) await job.step();
  const recorder = new Recorder(session.now);
  backend.observe(recorder.observer);
  const started = session.now();
  for (let i = 0; i < steps; i++) await job.step();
  const profile = recorder.profile(steps, session.now() - started, peak);
  backend.observe(undefined);
  const machine = describeMachine();
  if (flags.json) {
    session.print(JSON.stringify({ mode: 'roofline', what, machine, batch, precision, peak, ...profile }));
    return;
  }
  session.print(`roofline of ${what}, batch ${batch}, ${precision}, means of ${steps} steps on ${machine}`);
  for (const line of profileTable(profile)) session.print(line);
  session.print(describePeak(peak));
}

/** Kernels that take less of the step than this share one line. */
const SMALL = 0.001;

/** One line a row, then what the smallest take together, and the time outside kernels. */
export function profileTable({ rows, kernelMs, stepMs, outsideMs }: Profile): string[] {
  const titles = ['kernel', 'calls', 'ms', 'of step', 'GFLOP/s', 'GB/s', 'of peak'];
  const large = rows.filter(({ ms }) => ms >= SMALL * stepMs);
  const smallMs = rows.slice(large.length).reduce((sum, { ms }) => sum + ms, 0);
  const cells = large.map(row => [
    `${row.kernel} ${row.shape}`.trim(),
    fixed(row.calls, Number.isInteger(row.calls) ? 0 : 1),
    fixed(row.ms, 3),
    percent(row.ms / stepMs, 1),
    row.gflops > 0 ? fixed(row.gflops, 1) : '-',
    fixed(row.bandwidth, 1),
    percent(row.share),
  ]);
  const total = (name: string, ms: number) => [name, '', fixed(ms, 3), percent(ms / stepMs, 1), '', '', ''];
  const lines = [
    titles,
    ...cells,
    ...(large.length < rows.length ? [total(`${rows.length - large.length} smaller`, smallMs)] : []),
    total('all kernels', kernelMs),
    total('outside kernels (JavaScript)', outsideMs),
  ];
  return textTable(lines, { align: 'right' });
}
