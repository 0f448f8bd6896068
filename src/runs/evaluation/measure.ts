/**
 * @file Measures rows of pictures by metrics: gathers what each metric needs, and says why where something of it is not
 * there. Features are taken one extractor after another; what needs none is measured last.
 */

import { Random } from '../../core/random.ts';
import { hearSignal } from '../../core/stopping.ts';
import { familyOf } from '../../families/families.ts';
import type { Painter } from '../../families/painter.ts';
import { blur } from '../../features/blur.ts';
import type { FeatureExtractor } from '../../features/extractor.ts';
import {
  blurRadii,
  type Captioned,
  type Estimate,
  type Evidence,
  type FeaturePair,
  type MetricDefinition,
  type MetricRow,
  metricRows,
} from '../../metrics/define.ts';
import { matrix } from '../../metrics/matrix.ts';
import type { Session } from '../session.ts';
import { type RealPictures, readCaptionLikelihood, readLikelihood } from './gather.ts';
import type { EvalRecord } from './record.ts';

/** One number of a row, without what all records of an evaluation share. */
export type Result = Pick<
  EvalRecord,
  'metric' | 'value' | 'low' | 'high' | 'n' | 'reference' | 'details' | 'row' | 'features'
>;

export interface Material {
  readonly metrics: readonly MetricDefinition[];
  /** undefined: the model has no such pictures, or no metric needs them. */
  readonly rows: ReadonlyMap<MetricRow, Captioned | undefined>;
  readonly real: RealPictures;
  readonly painter: Painter;
  readonly extractors: readonly FeatureExtractor[];
  readonly seed: number;
}

/** Whether a metric needs any of these. */
export function needsAny({ needs }: MetricDefinition, kinds: readonly (keyof Evidence)[]): boolean {
  return kinds.some(kind => needs.includes(kind));
}

/** Whether a metric looks at the pictures of a row, or at features of them. */
export function looksAt(metric: MetricDefinition, row: MetricRow): boolean {
  return rowsOf(metric).includes(row) && needsAny(metric, ['pictures', ...ofFeatures]);
}

const ofFeatures = ['features', 'blurredFeatures', 'texts'] as const;

function rowsOf({ rows = metricRows }: MetricDefinition): readonly MetricRow[] {
  return rows;
}

/** What is read of the model once for all metrics; undefined: the model has none, or no metric needs it. */
type OfModel = Partial<Pick<Evidence, 'likelihood' | 'captionLikelihood'>>;

/** The material, with what is read of the model. */
interface ReadMaterial extends Material {
  readonly ofModel: OfModel;
}

/** Every number that the metrics give. @throws UserError if the session is stopped */
export async function measureAll(session: Session, material: Material): Promise<Result[]> {
  const byFeatures = material.metrics.filter(metric => needsAny(metric, ofFeatures));
  const others = material.metrics.filter(metric => !byFeatures.includes(metric));
  const ofModel = await readOfModel(session, material);
  const results: Result[] = [];
  for (const extractor of byFeatures.length === 0 ? [] : material.extractors) {
    results.push(...(await measureByFeatures(session, extractor, { ...material, metrics: byFeatures, ofModel })));
  }
  results.push(...(await measureOthers(session, { ...material, metrics: others, ofModel })));
  return results;
}

async function readOfModel(session: Session, { metrics, painter, real: { heldOut } }: Material): Promise<OfModel> {
  const isNeeded = (what: keyof OfModel) => metrics.some(metric => needsAny(metric, [what]));
  if (heldOut === undefined) return {};
  const comparesCaptions = isNeeded('captionLikelihood');
  const likelihood =
    comparesCaptions || isNeeded('likelihood') ? await readLikelihood(session, painter, heldOut) : undefined;
  if (!comparesCaptions) return { likelihood };
  return {
    likelihood,
    captionLikelihood: await readCaptionLikelihood(session, painter, { ...heldOut, own: likelihood }),
  };
}

/** What is there for a row, and of what is not, why. */
interface Available {
  readonly row: MetricRow;
  readonly features: string | null;
  readonly evidence: Partial<Evidence>;
  /** Why the row, which this model could have, has no pictures. */
  readonly lost: string | undefined;
  readonly missing: Partial<Record<keyof Evidence, string | undefined>>;
}

async function measureByFeatures(
  session: Session,
  extractor: FeatureExtractor,
  material: ReadMaterial,
): Promise<Result[]> {
  const { metrics, rows, real } = material;
  const present = [...rows].filter(([, pictures]) => pictures !== undefined).length;
  session.reporter.stage(`features ${extractor.name}`, {
    total: present * metrics.length,
    counts: 'metric',
    unit: 'metrics',
  });
  const rowsOfFeatures = async ({ pictures }: Captioned, radius: number) =>
    matrix(await extractor.images(pictures.map(picture => blur(picture, radius))), extractor.dimension);
  const radii = metrics.some(metric => needsAny(metric, ['blurredFeatures'])) ? [0, ...blurRadii] : [0];
  const reference = new Map<number, FeaturePair['real']>();
  for (const radius of radii) reference.set(radius, await rowsOfFeatures(real.reference, radius));
  const texts = metrics.some(metric => needsAny(metric, ['texts'])) ? await readTexts(extractor, real) : undefined;
  const results: Result[] = [];
  let done = 0;
  for (const [row, pictures] of rows) {
    const blurredFeatures = new Map<number, FeaturePair>();
    if (pictures !== undefined) {
      for (const [radius, ofReal] of reference)
        blurredFeatures.set(radius, { row: await rowsOfFeatures(pictures, radius), real: ofReal });
    }
    const features = blurredFeatures.get(0);
    blurredFeatures.delete(0);
    const available = availableFor(row, extractor.name, material);
    const evidence = { ...available.evidence, features, blurredFeatures, texts };
    for (const metric of metrics) {
      results.push(...(await measureRow(metric, { ...available, evidence }, material)));
      if (pictures === undefined) continue;
      done++;
      session.reporter.update({ step: done, amount: done, note: `${row}: ${metric.name}` });
      await hearSignal(session.signal);
    }
  }
  session.reporter.done();
  return results;
}

async function measureOthers(session: Session, material: ReadMaterial): Promise<Result[]> {
  const results: Result[] = [];
  for (const metric of material.metrics) {
    for (const row of metricRows) {
      results.push(...(await measureRow(metric, availableFor(row, null, material), material)));
      await hearSignal(session.signal);
    }
  }
  return results;
}

/** What there is without features. */
function availableFor(
  row: MetricRow,
  features: string | null,
  { rows, real, painter, ofModel }: ReadMaterial,
): Available {
  const { family, tokenizer, likelihood: knowsLikelihood } = painter;
  const { whyNone } = real; // what is missing for want of held-out images
  const noLikelihood =
    knowsLikelihood === undefined ? (familyOf(family).words.noLikelihood ?? `${family} has no likelihood`) : whyNone;
  const lost = row === 'floor' || (row === 'reconstruction' && tokenizer !== undefined) ? whyNone : undefined;
  return {
    row,
    features,
    evidence: { pictures: rows.get(row), heldOut: real.heldOut, training: real.train, ...ofModel },
    lost,
    missing: {
      pictures: lost ?? `${family} has no tokenizer`,
      heldOut: whyNone,
      texts: 'these features know no captions',
      likelihood: noLikelihood,
      captionLikelihood: noLikelihood ?? 'all images have one caption',
    },
  };
}

/** The different captions of all real pictures, with their features; undefined where the features know no captions. */
async function readTexts({ text }: FeatureExtractor, real: RealPictures): Promise<Evidence['texts'] | undefined> {
  if (text === undefined) return undefined;
  const captions = [...new Set([real.measured, real.reference].flatMap(source => source.captions))];
  const data = await text(captions);
  return { captions, features: matrix(data, data.length / captions.length) };
}

/**
 * What a metric says of a row, or of each number it would give why it says nothing; nothing of rows that are not its.
 */
async function measureRow(metric: MetricDefinition, available: Available, { seed }: Material): Promise<Result[]> {
  const { row, features, evidence, lost, missing } = available;
  // A row that the model does not have is left out, but a metric of that row alone says why it gives nothing.
  const noPictures = evidence.pictures === undefined && looksAt(metric, row);
  const leftOut = noPictures && lost === undefined && rowsOf(metric).length > 1;
  if (!rowsOf(metric).includes(row) || leftOut) return [];
  const reason = refusalOf(metric, available);
  if (reason !== undefined) {
    const nothing = { value: null, low: null, high: null, n: 0, reference: 0, details: { reason } };
    return metric.gives.map(({ name }) => ({ metric: name, row, features, ...nothing }));
  }
  const random = new Random(seed).fork(`eval/${metric.name}`, metricRows.indexOf(row));
  const estimates = await metric.measure(evidence as Evidence, random); // it has all that is needed: `refusalOf`
  return estimates.map(estimate => ({ row, features, ...recordOf(metric, estimate, missing) }));
}

/** Why a metric says nothing of a row; undefined if it does. */
function refusalOf(metric: MetricDefinition, { row, evidence, missing }: Available): string | undefined {
  const { needs, least = 1, leastReal = 0, refuse } = metric;
  const absent = looksAt(metric, row) && evidence.pictures === undefined ? 'pictures' : undefined;
  const lacking = absent ?? needs.find(need => evidence[need] === undefined);
  if (lacking !== undefined) return missing[lacking] ?? 'there is nothing to measure';
  const reason = refuse?.(evidence as Evidence); // the same
  if (reason !== undefined || !looksAt(metric, row)) return reason;
  const count = evidence.pictures?.pictures.length ?? 0;
  const real = leastReal > 0 ? (evidence.features?.real.rows ?? 0) : Number.POSITIVE_INFINITY;
  if (count >= least && real >= leastReal) return undefined;
  return leastReal > 0
    ? `needs ${Math.max(least, leastReal)} real images on both sides, there are ${Math.min(count, real)}`
    : `needs ${least} images, there are ${count}`;
}

function recordOf(
  metric: MetricDefinition,
  estimate: Estimate,
  missing: Available['missing'],
): Omit<Result, 'row' | 'features'> {
  const { metric: name, value, interval, n, reference, details, lacks } = estimate;
  if (!metric.gives.some(quantity => quantity.name === name)) {
    throw new Error(`metric ${metric.name}: measured ${name}, which is not among what it gives`);
  }
  if (!Number.isFinite(value)) {
    // JSON has no such numbers, and null without a reason would look as if nothing had been tried.
    const reason = (lacks === undefined ? undefined : missing[lacks]) ?? `it is ${value}`;
    return { metric: name, value: null, low: null, high: null, n, reference, details: { reason } };
  }
  const [low, high] = interval?.every(Number.isFinite) ? interval : [null, null];
  return { metric: name, value, low, high, n, reference, ...(details === undefined ? {} : { details }) };
}
