/** @file The log of a run as curves for a page: few points of long ones, the best and the turning point of what it is judged by. */
import type { RunConfig } from '../../../config/run.ts';
import { familyOf } from '../../../families/families.ts';
import { learntByHeartSince, lowestOf } from '../../../metrics/turning.ts';
import type { Curves, Measurement, StageCurves } from '../messages.ts';
import { sectionOf } from './card.ts';
import { decimate, meansOf } from './decimate.ts';
import { titleOf } from './detail.ts';
import type { Column, RunLog, StageLog } from './log.ts';

export interface Wanted {
  /** Points of a curve, about. */
  readonly points: number;
  /** Only what the log has after this place. */
  readonly after?: number;
  /** Only these steps. */
  readonly from?: number;
  readonly to?: number;
}

/** What a log has by now. */
export function curvesOf(log: RunLog, config: RunConfig, wanted: Wanted): Curves {
  const stages = [...log.stages.values()].map(stage => stageOf(stage, config, wanted));
  return { epoch: log.epoch, end: log.end, stages };
}

function stageOf(stage: StageLog, config: RunConfig, wanted: Wanted): StageCurves {
  const { name, steps, columns, last } = stage;
  const curves: Record<string, readonly Measurement[]> = {};
  const means: Record<string, readonly Measurement[]> = {};
  for (const [key, column] of columns) {
    const points = pointsOf(stage, column, wanted);
    if (points.length === 0 && wanted.after !== undefined) continue;
    curves[key] = decimate(points, wanted.points);
    if (curves[key] !== points) means[key] = meansOf(points, wanted.points >> 1);
  }
  const total = config[sectionOf(name)].steps;
  const costs = { seconds: numberOf(last.seconds), images: numberOf(last.images), flops: numberOf(last.flops) };
  return { name, title: titleOf(name), total, step: steps.at(-1) ?? 0, ...costs, curves, means, ...judged(stage) };
}

function pointsOf({ steps, ends }: StageLog, { rows, values }: Column, { after, from, to }: Wanted): Measurement[] {
  const first = after === undefined ? 0 : firstRow(ends, after);
  const points: Measurement[] = [];
  for (let i = first === 0 ? 0 : firstIndex(rows, first); i < rows.length; i++) {
    const step = steps[rows[i]];
    if ((from !== undefined && step < from) || (to !== undefined && step > to)) continue;
    points.push([step, Number.isFinite(values[i]) ? values[i] : null]);
  }
  return points;
}

/** The held-out loss of a stage, its lowest, and where it turned. */
function judged(stage: StageLog): Pick<StageCurves, 'judged' | 'bestAt' | 'turnedAt'> {
  const { name, columns } = stage;
  const candidates = [...(knownCurves(name) ?? []), 'val_loss'];
  const held = candidates.find(curve => columns.has(curve));
  if (held === undefined) return { judged: null, bestAt: null, turnedAt: null };
  const training = columns.get(held === 'val_image' ? 'image' : 'loss');
  const finite = (column: Column | undefined) =>
    (column === undefined ? [] : pointsOf(stage, column, { points: 0 })).flatMap(([step, value]) =>
      value === null ? [] : [{ step, value }],
    );
  const losses = finite(columns.get(held));
  const [best, turned] = [lowestOf(losses), learntByHeartSince(losses, finite(training))];
  const at = (found: typeof best): Measurement | null => (found === undefined ? null : [found.step, found.value]);
  return { judged: held, bestAt: at(best), turnedAt: at(turned) };
}

/** Those that a family is judged by; undefined of a stage that only prepares. */
function knownCurves(stage: string): readonly string[] | undefined {
  return sectionOf(stage) === 'train' ? familyOf(stage).validation?.curves : undefined;
}

/** The first place at which sorted numbers are above one. */
function firstRow(ends: readonly number[], after: number): number {
  return firstIndex(ends, after + 1);
}

/** The first place at which sorted numbers are not below one. */
function firstIndex(sorted: readonly number[], least: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
