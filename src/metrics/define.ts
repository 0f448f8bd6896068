/**
 * @file What a metric is, and the metrics there are. A metric is one file that calls `defineMetric`: the evaluation,
 * the command line, the table and the page of a comparison read everything from its definition. A metric sees pictures,
 * rows of features and numbers; where those come from is the caller's matter.
 */
import {
  booleanCheck,
  checkOptions,
  choiceCheck,
  functionCheck,
  listCheck,
  numberCheck,
  objectCheck,
  textCheck,
  wholeCheck,
} from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { isPlainName, Registry } from '../core/registry.ts';
import type { Picture } from '../image/images.ts';
import type { NearestImages } from '../image/nearest.ts';
import type { Interval } from './intervals.ts';
import type { Matrix } from './matrix.ts';

/** Whose pictures are measured: samples, other real images in their place, or those through the tokenizer and back. */
export const metricRows = ['samples', 'floor', 'reconstruction'] as const;
export type MetricRow = (typeof metricRows)[number];

/** Pictures with the caption of each. */
export interface Captioned {
  readonly pictures: readonly Picture[];
  readonly captions: readonly string[];
}

/** Rows of features, one a picture. */
export interface FeaturePair {
  readonly row: Matrix;
  readonly real: Matrix;
}

/** Standard deviations in pixels of the blur of `Evidence.blurredFeatures`. */
export const blurRadii = [1, 2, 4, 8] as const;

/** What a metric may ask for. Which of it there is depends on the model, the features and the data. */
export interface Evidence {
  /** The row's pictures. */
  readonly pictures: Captioned;
  /** Real images that were never trained on, where there are some; the reconstructions are theirs, in their order. */
  readonly heldOut: Captioned;
  /** Every training image, small, to find the nearest of. */
  readonly training: NearestImages;
  /** Features of the row's pictures beside those of training images. */
  readonly features: FeaturePair;
  /** The same of blurred pictures, by each of `blurRadii` in pixels. */
  readonly blurredFeatures: ReadonlyMap<number, FeaturePair>;
  /** The different captions of all real images, with their features. */
  readonly texts: { readonly captions: readonly string[]; readonly features: Matrix };
  /** Mean nats a code of groups of held-out images, where the model has a likelihood. */
  readonly likelihood: {
    readonly nats: readonly number[];
    /** Codes of an image; the side of an image in pixels; images in all groups. */
    readonly codes: number;
    readonly imageSize: number;
    readonly images: number;
  };
  /** The same groups of images under their own captions and under others', where the model has a likelihood. */
  readonly captionLikelihood: {
    /** Mean nats a code of each group. */
    readonly own: readonly number[];
    readonly others: readonly number[];
    /** Codes of an image; images in all groups. */
    readonly codes: number;
    readonly images: number;
  };
}

/** One number with its 95 percent interval. */
export interface Estimate {
  /** Name of the quantity. */
  readonly metric: string;
  readonly value: number;
  readonly interval: Interval | null;
  /** Pictures, and real ones they were compared with. */
  readonly n: number;
  readonly reference: number;
  readonly details?: Readonly<Record<string, number>>;
  /** Evidence that it lacks: there is no value then, and the evaluation says why that is not there. */
  readonly lacks?: keyof Evidence;
}

/** A number that a metric gives, and how it is shown. */
export interface Quantity {
  /** In metrics.jsonl and in tables: lower-case words with hyphens. */
  readonly name: string;
  /** On a page, without scale and unit; default the name. */
  readonly title?: string;
  /** null: values of different models do not compare, or neither way is better. */
  readonly better: 'lower' | 'higher' | null;
  /** Shown values are so much larger; default 1. */
  readonly scale?: number;
  /** Of shown values, e.g. `dB`. */
  readonly unit?: string;
  /** What a reader must know to read it. */
  readonly note?: string;
  /** Whether it comes first in tables, is charted, and the findings rank runs by it. */
  readonly leads?: boolean;
}

export interface MetricDefinition<Need extends keyof Evidence = keyof Evidence> {
  /** As `--metrics` takes it: lower-case words with hyphens. */
  readonly name: string;
  /** The numbers it gives, the leading one first. */
  readonly gives: readonly Quantity[];
  readonly needs: readonly Need[];
  /** The rows it makes sense for; default all. */
  readonly rows?: readonly MetricRow[];
  /** Pictures that a row must have at least; default 1. */
  readonly least?: number;
  /** Training images that the row's features must be compared with at least; default 0. */
  readonly leastReal?: number;
  /** Whether it is measured unless other metrics are asked for. */
  readonly byDefault?: boolean;
  /** Why it says nothing of a row although all it needs is there; undefined if it does. */
  readonly refuse?: (evidence: Pick<Evidence, Need>) => string | undefined;
  /** @param evidence what it needs, and whatever else is there; @param random the same for the same seed, metric and row */
  readonly measure: (
    evidence: Pick<Evidence, Need> & Partial<Evidence>,
    random: Random,
  ) => readonly Estimate[] | Promise<readonly Estimate[]>;
}

const evidenceNames: readonly (keyof Evidence)[] = [
  'pictures',
  'heldOut',
  'training',
  'features',
  'blurredFeatures',
  'texts',
  'likelihood',
  'captionLikelihood',
];

const checks = {
  name: textCheck,
  gives: listCheck('numbers', objectCheck, { least: 1 }),
  needs: listCheck('kinds of evidence', choiceCheck(evidenceNames), { least: 1 }),
  rows: listCheck('rows', choiceCheck(metricRows), { least: 1 }),
  least: wholeCheck({ least: 1 }),
  leastReal: wholeCheck({ least: 0 }),
  byDefault: booleanCheck,
  refuse: functionCheck,
  measure: functionCheck,
};

const quantityChecks = {
  name: textCheck,
  title: textCheck,
  better: {
    expected: "'lower', 'higher' or null",
    fits: (value: unknown) => [null, 'lower', 'higher'].includes(value as null),
  },
  scale: numberCheck({ above: 0 }),
  unit: textCheck,
  note: textCheck,
  leads: booleanCheck,
};

const registry = new Registry<MetricDefinition>('Metric');
const definitions = registry.all();

/**
 * Adds a metric: from here on `evaluateRun`, `tessera eval --metrics` and `compareRuns` know it.
 * @throws UserError if a field is not what it must be, or a name is taken or has other characters
 */
export function defineMetric<Need extends keyof Evidence>(definition: MetricDefinition<Need>): void {
  addMetric(definition, {});
}

/** `defineMetric` for a metric that comes with the program: it stays. */
export function defineBuiltInMetric<Need extends keyof Evidence>(definition: MetricDefinition<Need>): void {
  addMetric(definition, { builtIn: true });
}

function addMetric<Need extends keyof Evidence>(
  definition: MetricDefinition<Need>,
  options: { readonly builtIn?: boolean },
): void {
  checkOptions('defineMetric', definition, checks, ['name', 'gives', 'needs', 'measure']);
  for (const quantity of definition.gives) checkOptions('defineMetric: gives', quantity, quantityChecks, ['name']);
  const where = `metric ${definition.name}`;
  const odd = [definition.name, ...definition.gives.map(({ name }) => name)].find(name => !isPlainName(name));
  if (odd !== undefined) {
    throw new UserError(where, `expected names of lower-case words with hyphens, got ${JSON.stringify(odd)}`);
  }
  const taken = definition.gives.find(({ name }) => findQuantity(name) !== undefined);
  if (taken !== undefined && !definitions.has(definition.name)) {
    throw new UserError(where, `expected new numbers, got ${taken.name}, which another gives`);
  }
  // It is only ever given evidence that has what it needs (`missingFor`).
  registry.add(definition as unknown as MetricDefinition, options);
}

/**
 * Takes a metric out; results that it left in logs are then shown by their names alone.
 * @throws UserError if `defineMetric` has added none of this name
 */
export function removeMetric(name: string): void {
  registry.remove(name);
}

/** All metrics by name, in the order they were defined. */
export function allMetrics(): ReadonlyMap<string, MetricDefinition> {
  return definitions;
}

/**
 * The metrics of these names. @param where opens the message @throws UserError if one is none, which lists those there
 * are
 */
export function findMetrics(names: readonly string[], where: string): MetricDefinition[] {
  return names.map(name => {
    const metric = definitions.get(name);
    if (metric !== undefined) return metric;
    throw new UserError(where, `expected some of ${[...definitions.keys()].join(', ')}, got "${name}"`);
  });
}

/** Names of what is measured unless something else is asked for: the rest needs trained features. */
export function defaultMetrics(): string[] {
  return [...definitions.values()].filter(({ byDefault }) => byDefault).map(({ name }) => name);
}

/** The number of that name, if a metric gives it. */
export function findQuantity(name: string): Quantity | undefined {
  return allQuantities().find(quantity => quantity.name === name);
}

/** The numbers of all metrics, leading ones first, otherwise in the order they were defined. */
export function allQuantities(): Quantity[] {
  const all = [...definitions.values()].flatMap(({ gives }) => gives);
  return [...all.filter(({ leads }) => leads), ...all.filter(({ leads }) => !leads)];
}
