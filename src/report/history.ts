/**
 * @file The history of a run, read from what its training and its evaluations wrote into metrics.jsonl. Takes records
 * as they are: logs of older versions, of other families and of stopped runs lack things, which then are null here.
 * Knows no files.
 */
import type { RunConfig } from '../config/run.ts';
import { familyOf } from '../families/families.ts';
import { stageNames } from '../families/family.ts';
import { networkOf } from '../features/extractor.ts';
import type { Measured, Point, SampleCheck, Stage, TrainingCost } from './contents.ts';

/** What a run's log tells. */
export interface History {
  readonly stages: readonly Stage[];
  readonly checks: readonly SampleCheck[];
  /** Where the training's own verdict changed. */
  readonly marks: readonly Mark[];
  readonly metrics: readonly Measured[];
  /** What the log of the last stage says at its beginning, e.g. why something is not measured. */
  readonly notes: readonly string[];
  /** Held-out images of its validation losses, where they are few. */
  readonly heldOut?: number;
}

/** A verdict of the training on itself: the rule that is broken from here on, or 'none'. */
export interface Mark {
  readonly step: number;
  readonly collapsed: string;
}

/** Stages that make what the last one needs, in their order. */
const PREPARING: readonly string[] = stageNames;

/** Most points of a curve; a chart has no room for more. */
const MOST_POINTS = 240;

type Fields = Readonly<Record<string, unknown>>;

/**
 * @param records lines of metrics.jsonl, in their order
 * @param wanted.weights whose evaluations are wanted: `ema`, `best` or `last`
 * @param wanted.split those of whose captions; default: of held-out images, or where there are none whatever is there
 */
export function readHistory(
  records: readonly unknown[],
  config: RunConfig,
  wanted: { readonly weights: string; readonly split?: string },
): History {
  const lines = records.filter((record): record is Fields => typeof record === 'object' && record !== null);
  const names = [
    ...new Set(lines.flatMap(({ stage }) => (typeof stage === 'string' && stage !== 'eval' ? stage : []))),
  ];
  const main = names.findLast(name => !PREPARING.includes(name));
  const order = [...PREPARING.filter(name => names.includes(name)), ...(main === undefined ? [] : [main])];
  const logs = order.map(stage => {
    const curves = stage === main ? validationCurves(config) : [];
    return new StageLog(lines, { name: stage, imagesPerStep: imagesOf(stage, config), curves });
  });
  const stages = logs.map(log => log.stage());
  const last = logs.at(-1);
  const before = stages.slice(0, -1);
  const checks = main === undefined || last === undefined ? [] : last.checks(before);
  const heldOut = last?.heldOut();
  const told = {
    marks: last?.marks() ?? [],
    notes: last?.notes() ?? [],
    ...(heldOut === undefined ? {} : { heldOut }),
  };
  return { stages, checks, metrics: latest(lines, wanted), ...told };
}

/** What was trained last, if it was; the stages before it only prepare. */
export function mainStage(stages: readonly Stage[]): Stage | undefined {
  const last = stages.at(-1);
  return last === undefined || PREPARING.includes(last.stage) ? undefined : last;
}

/** The names of the held-out losses that a run's family is judged by, the first that is there counts. */
function validationCurves({ family }: Pick<RunConfig, 'family'>): readonly string[] {
  return familyOf(family).validation?.curves ?? [];
}

/** The held-out loss that a run's family is judged by, by the curves of its last stage; empty where there is none. */
export function validationOf(main: Stage | undefined, run: Pick<RunConfig, 'family'>): readonly Point[] {
  return validationCurves(run).flatMap(name => (main?.curves[name] === undefined ? [] : [main.curves[name]]))[0] ?? [];
}

/** The sum of a cost over all stages; null if one of them did not record it. */
export function totalOf(stages: readonly Stage[], cost: 'seconds' | 'images' | 'flops'): number | null {
  let sum = 0;
  for (const stage of stages) {
    const value = stage[cost];
    if (value === null) return null;
    sum += value;
  }
  return stages.length === 0 ? null : sum;
}

/** Images a step of a stage shows, for logs that do not count them. */
function imagesOf(stage: string, config: RunConfig): number {
  if (stage === 'patch') return config.patchTrain.batchSize;
  return stage === 'text' ? config.textTrain.batchSize : config.train.batchSize;
}

/** The records of one stage. */
class StageLog {
  private readonly name: string;
  private readonly records: readonly Fields[];
  /** Those of training steps, which tell what it has cost so far. */
  private readonly training: readonly Fields[];
  private readonly imagesPerStep: number;
  /** Names of curves beside the losses. */
  private readonly more: readonly string[];

  constructor(
    lines: readonly Fields[],
    options: { readonly name: string; readonly imagesPerStep: number; readonly curves: readonly string[] },
  ) {
    const { name, imagesPerStep, curves } = options;
    this.more = curves;
    this.name = name;
    this.records = lines.filter(({ stage, step }) => stage === name && typeof step === 'number');
    this.training = this.records.filter(record => 'lr' in record);
    this.imagesPerStep = imagesPerStep;
  }

  stage(): Stage {
    const steps = Math.max(0, ...this.records.map(({ step }) => Number(step)));
    const { seconds, images, flops } = this.place(steps);
    return { stage: this.name, steps, seconds, images, flops, curves: this.curves() };
  }

  checks(before: readonly Stage[]): SampleCheck[] {
    const earlier = (cost: 'seconds' | 'images' | 'flops') => (before.length === 0 ? 0 : totalOf(before, cost));
    const [seconds, flops] = [earlier('seconds'), earlier('flops')];
    return this.records
      .filter(record => Object.keys(record).some(key => key.startsWith('check_')))
      .map(record => {
        const place = this.place(Number(record.step));
        return {
          ...place,
          seconds: sum(place.seconds, seconds),
          flops: sum(place.flops, flops),
          kid: numberOf(record.check_kid),
          coverage: numberOf(record.check_coverage),
          spread: numberOf(record.check_spread),
        };
      });
  }

  marks(): Mark[] {
    return this.records.flatMap(({ step, collapsed, nonfinite }) => {
      const rule = textOf(collapsed) ?? (nonfinite === undefined ? null : 'nonfinite');
      return rule === null ? [] : [{ step: Number(step), collapsed: rule }];
    });
  }

  notes(): string[] {
    return this.records.flatMap(({ note }) => textOf(note) ?? []);
  }

  heldOut(): number | undefined {
    return this.records.map(record => numberOf(record.val_items)).findLast(items => items !== null) ?? undefined;
  }

  /** What the training had cost at a step, by the last record up to it. */
  private place(step: number): TrainingCost {
    const record = this.training.findLast(line => Number(line.step) <= step) ?? {};
    return {
      step,
      seconds: numberOf(record.seconds),
      images: record.step === step ? (numberOf(record.images) ?? step * this.imagesPerStep) : step * this.imagesPerStep,
      flops: numberOf(record.flops),
    };
  }

  private curves(): Record<string, Point[]> {
    const names = new Set(
      this.records.flatMap(record =>
        Object.keys(record).filter(key => /(^|_)(loss|image)$/.test(key) || this.more.includes(key)),
      ),
    );
    const curves: Record<string, Point[]> = {};
    for (const name of names) {
      // A training record without its loss had no step with a finite one.
      const lines = /^(val|check)_/.test(name) ? this.records.filter(record => name in record) : this.training;
      const points = lines.map(record => ({ ...this.place(Number(record.step)), value: numberOf(record[name]) }));
      curves[name] = thinned(points);
    }
    return curves;
  }
}

/** Of each metric, row and features the last result, all of one split. */
function latest(lines: readonly Fields[], { weights, split }: { weights: string; split?: string }): Measured[] {
  const found = new Map<string, Measured>();
  const own = lines.filter(line => line.stage === 'eval' && [null, weights].includes(textOf(line.weights)));
  const wanted = split ?? [...new Set(['validation', ...own.map(splitOf)])].find(s => own.some(l => splitOf(l) === s));
  for (const line of own) {
    const metric = textOf(line.metric);
    if (metric === null || splitOf(line) !== wanted) continue;
    const kind = textOf(line.weights);
    const row = line.row === 'floor' || line.row === 'reconstruction' ? line.row : 'samples';
    const features = textOf(line.features);
    const key = JSON.stringify([metric, row, features && networkOf(features)]);
    found.delete(key);
    found.set(key, {
      metric,
      row,
      split: splitOf(line),
      features,
      weights: kind,
      value: numberOf(line.value),
      low: numberOf(line.low),
      high: numberOf(line.high),
      step: numberOf(line.step),
      n: numberOf(line.n),
      reference: numberOf(line.reference),
      seed: numberOf(line.seed),
      ...(numberOf(line.captions) === null ? {} : { captions: Number(line.captions) }),
      reason: textOf((line.details as Fields | undefined)?.reason),
    });
  }
  return [...found.values()];
}

/** Whose captions were painted; earlier versions knew of held-out ones alone. */
function splitOf(line: Fields): string {
  return textOf(line.split) ?? 'validation';
}

/** Evenly fewer points, the first and the last among them, and every one that is not finite. */
function thinned(points: readonly Point[]): Point[] {
  if (points.length <= MOST_POINTS) return [...points];
  const kept = new Set(
    Array.from({ length: MOST_POINTS }, (_, i) => Math.round((i * (points.length - 1)) / (MOST_POINTS - 1))),
  );
  return points.filter(({ value }, i) => value === null || kept.has(i));
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
