/** @file What the modes print: numbers, and the machine's name. */
import { cpus } from 'node:os';
import type { Peak } from '../../src/kernels/peak/peak.ts';

/** `digits` after the point; a dash where there is nothing to show. */
export function fixed(value: number | undefined, digits = 0): string {
  return value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits);
}

/** A share as a percentage. */
export function percent(share: number | undefined, digits = 0): string {
  return share === undefined || Number.isNaN(share) ? '-' : `${(100 * share).toFixed(digits)}%`;
}

/** The same with its sign. */
export function change(share: number | undefined, digits = 0): string {
  return `${share !== undefined && share > 0 ? '+' : ''}${percent(share, digits)}`;
}

export function describeRounds(rounds: number): string {
  return rounds === 1 ? 'one round' : `medians of ${rounds} rounds`;
}

export function describeMachine(): string {
  return `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, node ${process.versions.node}`;
}

export function describePeak({ gflops, bandwidth }: Peak): string {
  const speeds = Object.entries(gflops).map(([precision, rate]) => `${fixed(rate)} GFLOP/s ${precision}`);
  return `peak: ${speeds.join(', ')}, ${fixed(bandwidth)} GB/s`;
}

/** The best of each kind. */
export function bestPeak(peaks: readonly Peak[]): Peak {
  const best = (of: (peak: Peak) => number | undefined) => Math.max(...peaks.map(peak => of(peak) ?? 0));
  const bf16 = best(({ gflops }) => gflops.bf16);
  return {
    gflops: { fp32: best(({ gflops }) => gflops.fp32), ...(bf16 > 0 ? { bf16 } : {}) },
    bandwidth: best(({ bandwidth }) => bandwidth),
  };
}
