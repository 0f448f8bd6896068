/**
 * @file The curves of a comparison: quality of samples against every axis of the budget, and losses, each on an axis of
 * its own. Runs that differ in their seed alone are one line with a band from the lowest to the highest.
 */
import { familyOf } from '../families/families.ts';
import { isGame, type RunReport, type SampleCheck } from './contents.ts';
import { mainStage, validationOf } from './history.ts';
import { type Line, legend, lineChart } from './linechart.ts';
import { type Html, html } from './markup.ts';
import { amountUnit, formatCount, timeUnit, type Unit } from './numbers.ts';
import { hasFailed } from './verdicts.ts';

type Runs = readonly RunReport[];
type Axis = 'seconds' | 'images' | 'flops';

/** Runs that differ in their seed alone. */
interface Group {
  readonly name: string;
  readonly tone: string;
  readonly dash: number;
  readonly runs: Runs;
}

/** The groups in the order of their first runs; groups of one family share its colour and differ in their dashes. */
function groupsOf(runs: Runs): Group[] {
  const names = [...new Set(runs.map(({ group }) => group))];
  const seen = new Map<string, number>();
  return names.map(name => {
    const own = runs.filter(run => run.group === name);
    const tone = own[0].family;
    const dash = seen.get(tone) ?? 0;
    seen.set(tone, dash + 1);
    return { name, tone, dash: dash % 4, runs: own };
  });
}

/** Three charts beside one another fill the page, or two wider ones. */
const WIDTH = 358;
const WIDER = 552;

/** KID and coverage of the samples painted in training, against wall time, images and operations. */
export function qualityCurves(runs: Runs): Html {
  const checked = runs.filter(({ checks }) => checks.length > 0);
  if (checked.length === 0) {
    const whys = [...new Set(runs.flatMap(({ verdict }) => verdict.why ?? []))];
    return whys.length === 0
      ? html`<p class="missing">No run looked at its samples in training. <code>tessera train --check-samples 128</code> does, at every validation.</p>`
      : html`<p class="missing">No run looked at its samples in training: ${whys.join('; ')}.</p>`;
  }
  const groups = groupsOf(checked);
  const lines = (axis: Axis, value: 'kid' | 'coverage') =>
    groups.flatMap(group => [lineOf(group, axis, value), ...failedLines(group, axis, value)]);
  const without = runs.filter(({ checks }) => checks.length === 0).map(({ name }) => name);
  const several = groups.some(group => group.runs.length > 1);
  return html`${legend(groups)}
<div class="charts">${charts('kid', 'KID × 1,000 of samples (lower is better)')}</div>
<div class="charts">${charts('coverage', 'coverage over that of real images (higher is better)')}</div>
<p class="soft">${several ? 'Bands reach from the lowest to the highest seed, lines are means, thin lines are runs that broke a rule. ' : ''}Time and operations include the stages before: tokenizer or text encoder. A cross marks where a run broke a rule.${
    without.length === 0 ? '' : ` Without checks, and so not shown: ${without.join(', ')}.`
  }</p>`;

  function charts(value: 'kid' | 'coverage', label: string): Html[] {
    return (['seconds', 'images', 'flops'] as const).map(axis => {
      const { unit, label: below } = axisOf(checked, axis);
      const scaled = lines(axis, value).map(line => scaleX(line, unit.divisor));
      const ys = scaled.flatMap(({ points }) => points.flatMap(({ y }) => y ?? []));
      const log = value === 'kid' && Math.min(...ys) > 0 && Math.max(...ys) > 10 * Math.min(...ys);
      return html`<figure>${lineChart({
        title: `${label} against ${below}`,
        x: { label: below },
        y: { label: log ? `${label}, log scale` : label, log, zero: true },
        lines: scaled,
        guides: value === 'kid' ? [] : [{ y: 1, name: 'real images' }],
        width: WIDTH,
        height: 260,
        named: false,
      })}</figure>`;
    });
  }
}

/** Losses of the last stage, one chart a group. */
export function lossCurves(runs: Runs): Html {
  const groups = groupsOf(runs.filter(({ stages }) => mainStage(stages) !== undefined));
  if (groups.length === 0) return html`<p class="missing">No run has a training log.</p>`;
  return html`<div class="charts">${groups.map(group => {
    const { unit, label } = axisOf(group.runs, 'images', run => mainStage(run.stages)?.images ?? null);
    const lines = lossLines(group).map(line => scaleX(line, unit.divisor));
    const ys = lines.flatMap(({ points }) => points.flatMap(({ y }) => y ?? []));
    const log = ys.length > 0 && Math.min(...ys) > 0 && Math.max(...ys) > 30 * Math.min(...ys);
    const loss = familyOf(group.runs[0].family).words.loss;
    return html`<figure><figcaption class="tone-${group.tone}">${group.name}</figcaption>${lineChart({
      title: `${loss} of ${group.name} against ${label}`,
      x: { label },
      y: { label: log ? `${loss}, log scale` : loss, log },
      lines,
      width: [1, 2, 4].includes(groups.length) ? WIDER : WIDTH,
      height: 240,
    })}</figure>`;
  })}</div>`;
}

/** What the curves of a loss are called in a chart. */
const lossNames: readonly (readonly [curve: string, name: string])[] = [
  ['D_loss', 'D'],
  ['G_loss', 'G'],
  ['loss', 'training'],
  ['val_loss', 'held out'],
];

function lossLines({ runs, tone }: Group): Line[] {
  // The transformer's training loss weighs captions and codes; per image code it compares with the held-out one.
  const perCode = runs.some(({ stages }) => mainStage(stages)?.curves.image !== undefined);
  const game = isGame(runs[0].family);
  return lossNames
    .filter(([curve]) => game === /^[DG]_/.test(curve))
    .map(([curve, name], i) => {
      const source = perCode && curve === 'loss' ? 'image' : curve;
      const curves = runs.map(run => {
        const main = mainStage(run.stages);
        return main?.curves[source] ?? (curve === 'val_loss' ? validationOf(main, run) : []);
      });
      const { points, band } = merge(
        curves.map(points => points.map(point => [point.step, point.images, point.value])),
      );
      return { name, tone, dash: i % 2, points, band };
    })
    .filter(({ points }) => points.length > 0);
}

function lineOf({ name, tone, dash, runs }: Group, axis: Axis, value: 'kid' | 'coverage'): Line {
  const shownOf = (check: SampleCheck) => scaled(check[value], value);
  const { points, band } = merge(
    runs.map(({ checks }) => checks.map(check => [check.step, check[axis], shownOf(check)])),
  );
  const crosses = runs.filter(hasFailed).flatMap(({ name: run, verdict, checks }) => {
    const at = checks.findLast(check => verdict.step !== null && check.step <= verdict.step && check[value] !== null);
    const [x, y] = [at?.[axis] ?? null, at === undefined ? null : shownOf(at)];
    return x === null || y === null ? [] : [{ x, y, title: `${run}: ${verdict.kind} (${verdict.rule})` }];
  });
  return { name, tone, dash, points, band, crosses, dots: true };
}

/** Runs that failed, each by itself to its end, where their group's line is a mean. */
function failedLines(group: Group, axis: Axis, value: 'kid' | 'coverage'): Line[] {
  if (group.runs.length < 2) return [];
  return group.runs.filter(hasFailed).map(run => {
    const { crosses: _, dots: __, ...line } = lineOf({ ...group, runs: [run] }, axis, value);
    return { ...line, name: run.name, thin: true };
  });
}

function scaled(value: number | null, kind: 'kid' | 'coverage'): number | null {
  return value === null || kind === 'coverage' ? value : value * 1000;
}

type Triple = readonly [step: number, x: number | null, y: number | null];

/** Curves of several seeds as one: at every step the mean of those that have it, between the lowest and the highest. */
function merge(curves: readonly (readonly Triple[])[]): Pick<Line, 'points' | 'band'> {
  const steps = [...new Set(curves.flatMap(curve => curve.map(([step]) => step)))].sort((a, b) => a - b);
  const maps = curves.map(curve => new Map(curve.map(triple => [triple[0], triple])));
  const merged = steps.flatMap(step => {
    const found = maps.flatMap(map => {
      const triple = map.get(step);
      return triple === undefined || triple[1] === null ? [] : [{ x: triple[1], y: triple[2] }];
    });
    if (found.length === 0) return [];
    const ys = found.flatMap(({ y }) => y ?? []);
    const x = mean(found.map(point => point.x));
    return [{ x, y: ys.length === 0 ? null : mean(ys), low: Math.min(...ys), high: Math.max(...ys) }];
  });
  const spread = merged.filter(({ y }) => y !== null).map(({ x, low, high }) => ({ x, low, high }));
  return { points: merged.map(({ x, y }) => ({ x, y })), band: curves.length > 1 ? spread : [] };
}

/** The unit and the label of an axis of the budget. */
function axisOf(
  runs: Runs,
  axis: Axis,
  longest: (run: RunReport) => number | null = run => Math.max(0, ...run.checks.flatMap(check => check[axis] ?? [])),
): { readonly unit: Unit; readonly label: string } {
  const most = Math.max(0, ...runs.flatMap(run => longest(run) ?? []));
  if (axis === 'seconds') {
    const unit = timeUnit(most);
    return { unit, label: `training time, ${unit.name}` };
  }
  if (axis === 'flops') {
    const unit = amountUnit(most, 'FLOP');
    return { unit, label: `training operations, ${unit.name}` };
  }
  const unit = most >= 10_000 ? { divisor: 1000, name: 'thousands' } : { divisor: 1, name: '' };
  return { unit, label: unit.name === '' ? 'images seen' : `images seen, ${unit.name}` };
}

function scaleX(line: Line, divisor: number): Line {
  const by = <T extends { readonly x: number }>(items: readonly T[] = []) =>
    items.map(item => ({ ...item, x: item.x / divisor }));
  return { ...line, points: by(line.points), band: by(line.band), crosses: by(line.crosses) };
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** Rank correlations of losses with KID, in words. */
export function progressText({ progress, family }: RunReport): string {
  if (progress.every(({ rho }) => rho === null)) return '–';
  return progress
    .map(({ loss, rho, n }) => {
      const name = isGame(family) ? loss.replace('_loss', '') : loss === 'val_loss' ? 'held out' : 'training';
      return `${name} ${rho === null ? '–' : rho.toFixed(2).replace('-', '−')} (${formatCount(n)})`;
    })
    .join(', ');
}
