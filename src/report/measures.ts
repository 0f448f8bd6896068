/**
 * @file What the metrics are called, which way is better, and how results are set beside each other. A best is named only
 * where its interval lies clear of all others and all were measured alike; anything else is no difference that was shown.
 */
import type { Measured, RunReport } from './contents.ts';
import { formatFixed, formatNumber } from './numbers.ts';

/** How a metric is shown. */
export interface Measure {
  readonly title: string;
  /** null: values of different models do not compare, or neither way is better. */
  readonly better: 'lower' | 'higher' | null;
  /** Shown values are so much larger. */
  readonly scale: number;
  /** What a reader must know to read it. */
  readonly note?: string;
}

const lower = (title: string, note?: string, scale = 1): Measure => ({ title, better: 'lower', scale, note });
const higher = (title: string, note?: string): Measure => ({ title, better: 'higher', scale: 1, note });
const neither = (title: string, note: string): Measure => ({ title, better: null, scale: 1, note });
const ownTokens = 'of its own codes: not comparable between tokenizers, nor with other families';

/** The first that fits the metric's name; those that lead come first. */
const measures: readonly (readonly [pattern: RegExp, measure: (name: string) => Measure])[] = [
  [/^kid$/, () => lower('KID × 1,000', 'unbiased: real images score about 0, and below 0 is legal', 1000)],
  [/^kid\b/, name => lower(`KID × 1,000${detail(name)}`, undefined, 1000)],
  [/^coverage$/, () => higher('coverage', 'share of real images with a sample among their neighbours')],
  [/^recall$/, () => higher('recall')],
  [/^precision$/, () => higher('precision')],
  [/^density$/, () => higher('density')],
  [/^fd\b/, name => lower(`Fréchet distance${detail(name)}`, 'biased for few images: read it beside the floor')],
  [/^cmmd$/, () => lower('CMMD')],
  [/^clip-?score$/, () => higher('CLIPScore', 'how well an image fits its caption')],
  [/^r-?precision$/, () => higher('R-precision', 'share of images whose own caption scores highest among others')],
  [/^caption-?accuracy$/, () => higher('caption accuracy', 'share of captions whose every claim the image keeps')],
  [/^claim-?accuracy$/, () => higher('claim accuracy', 'share of the captions’ claims that images keep')],
  [/^nll$/, () => neither('negative log likelihood, nats', ownTokens)],
  [/^bits-?per-?dim$/, () => neither('bits per dimension', ownTokens)],
  [/^perplexity$/, () => neither('perplexity', ownTokens)],
  [/^nearest-?ratio$/, () => neither('distance ratio', 'to the nearest training image, over that of held-out images')],
  [
    /^authentic$/,
    () => neither('authentic', 'share of samples that are no nearer to a training image than its neighbour is'),
  ],
  [/psnr/, () => neither('PSNR of the tokenizer, dB', 'of reconstructions: a ceiling, not a quality of samples')],
  [/ssim/, () => neither('SSIM of the tokenizer', 'of reconstructions: a ceiling, not a quality of samples')],
];

/** How a metric is shown; one that is not known is shown by its name, without a best. */
export function measureOf(metric: string): Measure {
  const found = measures.find(([pattern]) => pattern.test(metric));
  return found === undefined ? { title: metric, better: null, scale: 1 } : found[1](metric);
}

/** What follows a metric's name: `fd-blur-2` gives `, blur 2`. */
function detail(name: string): string {
  const rest = name.replace(/^[a-z]+/, '').replaceAll(/[-_@:/]+/g, ' ');
  return rest.trim() === '' ? '' : `, ${rest.trim().replace(/^(\d+)$/, 'blur radius $1')}`;
}

/** One metric by one extractor, over all that was measured. */
export interface MeasuredRow {
  readonly metric: string;
  readonly features: string | null;
  readonly measure: Measure;
  /** By the name of the run. */
  readonly samples: ReadonlyMap<string, Measured>;
  readonly reconstructions: ReadonlyMap<string, Measured>;
  /** Real images against real images. */
  readonly floor: Measured | null;
  /** Name of the run that is better than every other, if one is. */
  readonly best: string | null;
}

/** All metrics of all runs, leading ones first. */
export function measuredRows(runs: readonly RunReport[]): MeasuredRow[] {
  const keys = new Map<string, { readonly metric: string; readonly features: string | null }>();
  for (const { metrics } of runs) {
    for (const { metric, features } of metrics) keys.set(JSON.stringify([metric, features]), { metric, features });
  }
  const rank = (metric: string) => {
    const at = measures.findIndex(([pattern]) => pattern.test(metric));
    return at < 0 ? measures.length : at;
  };
  const applies = ({ metric, features }: { metric: string; features: string | null }) =>
    runs.some(run => run.metrics.some(m => m.metric === metric && m.features === features && m.value !== null));
  return [...keys.values()]
    .filter(applies)
    .sort((a, b) => rank(a.metric) - rank(b.metric))
    .map(({ metric, features }) => {
      const of = (row: Measured['row']) =>
        runs.flatMap(run => {
          const found = run.metrics.find(m => m.metric === metric && m.features === features && m.row === row);
          return found === undefined ? [] : [[run.name, found] as const];
        });
      const samples = new Map(of('samples'));
      const measure = measureOf(metric);
      const floors = of('floor').map(([, found]) => found);
      // The floor of most images is the surest one.
      floors.sort((a, b) => (b.n ?? 0) - (a.n ?? 0));
      const best = leaderOf(samples, measure)?.clear === true ? (leaderOf(samples, measure)?.name ?? null) : null;
      return {
        metric,
        features,
        measure,
        samples,
        reconstructions: new Map(of('reconstruction')),
        floor: floors[0] ?? null,
        best,
      };
    });
}

/** A value of a row, scaled, with as many decimals as the row's intervals are worth. */
export function formatMeasured(
  value: number,
  { measure: { scale }, samples, reconstructions, floor }: MeasuredRow,
): string {
  const all = [...samples.values(), ...reconstructions.values(), ...(floor === null ? [] : [floor])];
  const halves = all.flatMap(({ low, high }) =>
    low === null || high === null || high <= low ? [] : [(high - low) / 2],
  );
  if (halves.length === 0) return formatNumber(value * scale);
  const half = halves.sort((a, b) => a - b)[halves.length >> 1] * scale;
  return formatFixed(value * scale, Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(half)))));
}

/** Who has the best value, and who cannot be told from it. */
export interface Leader {
  readonly name: string;
  /** Runs whose intervals overlap its own, or that have none. */
  readonly tied: readonly string[];
  /** Runs that are worse beyond their intervals. */
  readonly behind: readonly string[];
  /** At least one other, all behind, and all measured alike. */
  readonly clear: boolean;
  /** Whether all were measured on as many images against as many. */
  readonly alike: boolean;
}

/** The run with the best value; undefined where no direction is better or nothing was measured. */
export function leaderOf(samples: ReadonlyMap<string, Measured>, { better }: Measure): Leader | undefined {
  const known = [...samples].filter(([, { value }]) => value !== null);
  if (better === null || known.length === 0) return undefined;
  const sign = better === 'lower' ? 1 : -1;
  const sorted = known.sort(([, a], [, b]) => sign * (Number(a.value) - Number(b.value)));
  const [name, first] = sorted[0];
  const others = sorted.slice(1);
  const behind = others.filter(([, other]) => apart(first, other)).map(([other]) => other);
  const tied = others.map(([other]) => other).filter(other => !behind.includes(other));
  const alike = others.every(([, other]) => other.n === first.n && other.reference === first.reference);
  return { name, tied, behind, alike, clear: alike && tied.length === 0 && others.length > 0 };
}

/** Whether two intervals do not overlap; a missing one overlaps everything. */
function apart(a: Measured, b: Measured): boolean {
  if (a.low === null || a.high === null || b.low === null || b.high === null) return false;
  return a.high < b.low || b.high < a.low;
}
