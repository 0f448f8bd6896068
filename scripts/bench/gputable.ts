/** @file The table of GPU figures, as Markdown: measured or not. */
import { markdownTable } from '../../src/cli/terminal/tables.ts';
import { formatWhole } from '../../src/core/numbers.ts';
import type { BenchFlags } from './flags.ts';
import type { Roof } from './gpupeaks.ts';
import type { GpuFacts, GpuMeasured, KernelShare } from './gpuwork.ts';
import { fixed, percent } from './report.ts';

interface Speed {
  readonly tokensPerSecond: number;
  /** Of the GPU's peak. */
  readonly share?: number;
  readonly ms: number;
  /** Where it is not the one of the row. */
  readonly batch?: number;
}

/** A row. */
export type Line =
  | {
      readonly kind: 'train' | 'sample';
      readonly model: string;
      readonly batch: number | undefined;
      readonly precision: string;
      readonly ours?: Speed;
      readonly rival?: Speed;
      readonly ratio?: number;
    }
  | { readonly kind: 'memory'; readonly model: string; readonly ours?: number; readonly rival?: number }
  | ({ readonly kind: 'dispatches'; readonly model: string } & Partial<
      Pick<GpuMeasured, 'dispatches' | 'dispatchesPerLayer' | 'cpuPerDispatch'>
    >);

const titles = ['256 + 1024 positions, vocabulary 256 + 1024 + 8192', 'Tessera', 'PyTorch', 'ratio'];
const NOTHING = 'not measured';

/** What the figures were measured with. */
export function describeBench(about: {
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly facts: GpuFacts;
  readonly roof: Roof;
}): string[] {
  const { name, driver, precision, peak } = about.facts;
  const rates = Object.entries(peak.tflops).map(([kind, rate]) => `${Number(rate.toPrecision(3))} TFLOP/s ${kind}`);
  return [
    `${name}, ${driver}; products in ${precision}; ${about.machine}; ${about.date}; \`${about.command}\``,
    `largest products measured: ${rates.join(', ')}; copies at ${Number(peak.bandwidth.toPrecision(3))} GB/s`,
    `100% are ${Number(about.roof.tflops.toPrecision(3))} TFLOP/s: ${about.roof.source}`,
    '',
  ];
}

export function resultTable(lines: readonly Line[]): string[] {
  return markdownTable(titles, lines.map(cellsOf));
}

function cellsOf(line: Line): string[] {
  switch (line.kind) {
    case 'train': {
      const batch = line.batch === undefined ? '' : `, batch ${line.batch}`;
      const precision = line.ours === undefined ? '' : `, ${line.precision}`;
      return [`\`${line.model}\`: training${batch}${precision}`, ...speeds(line), ratio(line.ratio)];
    }
    case 'sample': {
      const images = line.batch === 1 ? '1 image' : `${line.batch} images at once`;
      return [`\`${line.model}\`: painting ${images}`, ...speeds(line), ratio(line.ratio)];
    }
    case 'memory': {
      const sizes = [line.ours, line.rival].map(size => (size === undefined ? undefined : `${formatWhole(size)} MiB`));
      const over = line.ours === undefined || line.rival === undefined ? undefined : line.ours / line.rival;
      return [`\`${line.model}\`: most memory of that training`, ...pair(sizes), ratio(over)];
    }
    case 'dispatches':
      return [`\`${line.model}\`: dispatches of that step`, dispatches(line), '', ''];
    default:
      return line satisfies never;
  }
}

/** Ours and the rival's, which is left blank where only ours was measured. */
function pair([ours, rival]: readonly (string | undefined)[]): [string, string] {
  return [ours ?? NOTHING, rival ?? (ours === undefined ? NOTHING : '')];
}

function speeds({ ours, rival }: { readonly ours?: Speed; readonly rival?: Speed }): [string, string] {
  return pair([ours, rival].map(of => (of === undefined ? undefined : speed(of))));
}

function speed(of: Speed): string {
  const share = of.share === undefined ? `, ${fixed(of.ms, 2)} ms a step` : `, ${percent(of.share)} of the peak`;
  return `${formatWhole(of.tokensPerSecond)} tokens/s${share}${of.batch === undefined ? '' : ` (batch ${of.batch})`}`;
}

function ratio(value: number | undefined): string {
  return value === undefined ? '' : String(Number(value.toPrecision(2)));
}

function dispatches(line: Line & { kind: 'dispatches' }): string {
  if (line.dispatches === undefined) return NOTHING;
  const layer = line.dispatchesPerLayer === undefined ? '' : `, ${line.dispatchesPerLayer} a layer`;
  return `${formatWhole(line.dispatches)}${layer}, ${fixed(line.cpuPerDispatch, 1)} µs of the CPU each`;
}

/** Kernels that take less of the step than this share a line. */
const SMALL = 0.005;

export function kernelTable(kernels: readonly KernelShare[]): string[] {
  const large = kernels.filter(({ share }) => share >= SMALL);
  const rest = kernels.filter(({ share }) => share < SMALL);
  const sum = (of: (kernel: KernelShare) => number, some: readonly KernelShare[]) =>
    some.reduce((total, kernel) => total + of(kernel), 0);
  const row = (name: string, some: readonly KernelShare[]) => [
    name,
    fixed(sum(({ calls }) => calls, some)),
    fixed(
      sum(({ ms }) => ms, some),
      3,
    ),
    percent(
      sum(({ share }) => share, some),
      1,
    ),
  ];
  return markdownTable(
    ['kernel', 'calls', 'ms', 'share'],
    [
      ...large.map(kernel => row(kernel.name, [kernel])),
      ...(rest.length > 0 ? [row(`${rest.length} smaller`, rest)] : []),
      row('all', kernels),
    ],
  );
}

/** The table as it is where there is nothing to measure on. */
export function notMeasured(
  { models, parts }: Pick<BenchFlags, 'models' | 'parts'>,
  batches: readonly number[],
): string[] {
  const precision = '';
  return resultTable(
    models.flatMap((model): Line[] => [
      ...(parts.includes('train')
        ? ([
            { kind: 'train', model, batch: undefined, precision },
            { kind: 'memory', model },
            { kind: 'dispatches', model },
          ] as const)
        : []),
      ...(parts.includes('sample') ? batches.map(batch => ({ kind: 'sample', model, batch, precision }) as const) : []),
    ]),
  );
}
