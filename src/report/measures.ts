/**
 * @file Results of all runs set beside each other, metric by metric. A best is named only where its interval lies clear
 * of all others and all were measured alike; anything else is no difference that was shown.
 */
import { networkOf } from '../features/extractor.ts';
import '../metrics/builtin.ts';
import { allQuantities, findQuantity, type Quantity } from '../metrics/define.ts';
import type { Measured, RunReport } from './contents.ts';
import { formatCount, formatFixed, formatNumber } from './numbers.ts';

/** How the values of a quantity are shown. */
export interface Measure extends Quantity {
  readonly title: string;
  /** Shown values are so much larger. */
  readonly scale: number;
  /** The title with the scale and the unit: `KID × 1,000`. */
  readonly heading: string;
}

/** How a quantity is shown; one that no metric gives is shown by its name, without a best. */
export function measureOf(name: string): Measure {
  const {
    title = name,
    scale = 1,
    ...rest
  } = findQuantity(name) ?? ({ name, better: null } satisfies Quantity as Quantity);
  const scaled = scale === 1 ? title : `${title} × ${formatCount(scale)}`;
  return { ...rest, title, scale, heading: rest.unit === undefined ? scaled : `${scaled}, ${rest.unit}` };
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

/** Whether a number is of a metric through a network, wherever that lay. */
function isOf(measured: Measured, metric: string, features: string | null): boolean {
  const network = measured.features && networkOf(measured.features);
  return measured.metric === metric && network === (features && networkOf(features));
}

/** All metrics of all runs, leading ones first. */
export function measuredRows(runs: readonly RunReport[]): MeasuredRow[] {
  const keys = new Map<string, { readonly metric: string; readonly features: string | null }>();
  for (const { metrics } of runs) {
    for (const { metric, features } of metrics)
      keys.set(JSON.stringify([metric, features && networkOf(features)]), { metric, features });
  }
  const known = allQuantities().map(({ name }) => name);
  const rank = (metric: string) => (known.includes(metric) ? known.indexOf(metric) : known.length);
  const applies = ({ metric, features }: { metric: string; features: string | null }) =>
    runs.some(run => run.metrics.some(m => isOf(m, metric, features) && m.value !== null));
  return [...keys.values()]
    .filter(applies)
    .sort((a, b) => rank(a.metric) - rank(b.metric))
    .map(({ metric, features }) => {
      const inRow = (row: Measured['row']) =>
        runs.flatMap(run => {
          const found = run.metrics.find(m => isOf(m, metric, features) && m.row === row);
          return found === undefined ? [] : [[run.name, found] as const];
        });
      const samples = new Map(inRow('samples'));
      const measure = measureOf(metric);
      const floors = inRow('floor').map(([, found]) => found);
      // The floor of most images is the surest one.
      floors.sort((a, b) => (b.n ?? 0) - (a.n ?? 0));
      const best = leaderOf(samples, measure)?.clear === true ? (leaderOf(samples, measure)?.name ?? null) : null;
      return {
        metric,
        features,
        measure,
        samples,
        reconstructions: new Map(inRow('reconstruction')),
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

/** Samples of fewer captions than this say how those are painted, and not who paints better. */
const FEWEST_CAPTIONS = 8;

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
  /** Different captions that the samples are of, where they are too few to order runs by. */
  readonly few: number | undefined;
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
  const captions = Math.min(...known.map(([, measured]) => measured.captions ?? Number.POSITIVE_INFINITY));
  const few = captions < FEWEST_CAPTIONS ? captions : undefined;
  const clear = alike && few === undefined && tied.length === 0 && others.length > 0;
  return { name, tied, behind, alike, few, clear };
}

/** Whether two intervals do not overlap; a missing one overlaps everything. */
export function apart(a: Measured, b: Measured): boolean {
  if (a.low === null || a.high === null || b.low === null || b.high === null) return false;
  return a.high < b.low || b.high < a.low;
}
