/**
 * @file Evaluating a run: how good a run's pictures are, in numbers with intervals. Held-out captions are painted and compared with
 * training images, always beside other real images in their place (the floor: what a perfect model would score) and, for
 * a transformer, those images through its tokenizer (what its codes can hold at all).
 */

import { existsSync } from 'node:fs';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import { UserError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import { blur } from '../features/blur.ts';
import { isTowersFolder, towersFingerprint } from '../features/contrastive.ts';
import type { FeatureExtractor } from '../features/extractor.ts';
import { openFeatures } from '../features/open.ts';
import { JsonLines } from '../io/jsonlines.ts';
import { chooseWeights, fingerprint, runPaths, type WeightKind } from '../io/runfolder.ts';
import { readJson } from '../io/state.ts';
import { type Matrix, matrix } from '../metrics/matrix.ts';
import {
  type Estimate,
  type Evidence,
  fdRadii,
  type MetricDefinition,
  type MetricRow,
  metricRows,
  metrics,
} from '../metrics/registry.ts';
import { DISTRACTORS } from '../metrics/rprecision.ts';
import {
  type Captioned,
  checkCaptions,
  likelihoodOf,
  paintCaptions,
  type RealPictures,
  readReal,
  throughTokenizer,
} from './evaluation/pictures.ts';
import type { EvalRecord } from './evaluation/record.ts';
import { openPainter, type Painter } from './painter.ts';
import { downloads, type EngineFlags, type Session, startEngine } from './session.ts';

export interface EvalRequest extends EngineFlags {
  readonly run: string;
  readonly data: string;
  readonly format?: string;
  readonly metrics: readonly string[];
  readonly numImages: number;
  /** Training images to compare with; default 1000. */
  readonly reference?: number;
  /** `pixels`, `random`, folders of `tessera features`, folders or hub ids of ONNX networks. */
  readonly features: readonly string[];
  readonly seed: number;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
}

const REFERENCE = 1000;

/** What was measured of a run. */
export interface Evaluation {
  /** Training step of the weights, and which they are. */
  readonly step: number;
  readonly weights: WeightKind;
  /** As they were appended to the run's metrics.jsonl. */
  readonly records: readonly EvalRecord[];
}

/**
 * Measures a run and appends the results to its metrics.jsonl.
 * @throws UserError if the run, the data or the features are not there, or a metric is unknown or would see too few images
 */
export async function evaluateRun(session: Session, request: EvalRequest): Promise<Evaluation> {
  const wanted = chooseMetrics(request);
  const config = await readRun(request.run, 'eval');
  await expectOtherJudge(request);
  await startEngine(session, request);
  const { backend, precision, seed, numImages } = request;
  const weights = chooseWeights(request.run, request.weights);
  const extractors: FeatureExtractor[] = [];
  let painter: Painter | undefined;
  const results: EvalRecord[] = [];
  try {
    painter = await openPainter(request.run, { weights, backend, precision });
    for (const name of request.features) extractors.push(await openExtractor(session, name));
    const real = await readReal(session, { reference: REFERENCE, ...request, config, nearest: wanted.has('nearest') });
    if (!real.unseen) session.reporter.message('no image is held out: the floor is made of training images');
    const needsSamples = [...wanted.values()].some(
      ({ rows, needs }) => rows.includes('samples') && needs !== 'likelihood',
    );
    const samples = needsSamples
      ? await paintCaptions(session, painter, real.heldOut.captions, { count: numImages, seed })
      : undefined;
    const rows = new Map<MetricRow, Captioned | undefined>([
      ['samples', samples],
      ['floor', real.heldOut],
      ['reconstruction', await throughTokenizer(painter, real.heldOut)],
    ]);
    const report = (estimates: readonly Result[], row: MetricRow, features: string | null) => {
      const of = {
        stage: 'eval',
        run: request.run,
        step: (painter as Painter).step,
        weights,
        row,
        features,
        seed,
      } as const;
      results.push(...estimates.map(estimate => ({ ...of, ...estimate })));
    };
    await measureByFeatures(session, { extractors, wanted, rows, real, seed }, report);
    await measureOthers(session, { painter, wanted, rows, real, seed }, report);
  } finally {
    painter?.dispose();
    for (const extractor of extractors) await extractor.dispose();
  }
  append(runPaths(request.run).metrics, results);
  return { step: painter.step, weights, records: results };
}

type Wanted = ReadonlyMap<string, MetricDefinition>;
type Result = Pick<EvalRecord, 'metric' | 'value' | 'low' | 'high' | 'n' | 'reference' | 'details'>;
type Report = (estimates: readonly Result[], row: MetricRow, features: string | null) => void;

/** The metrics that were asked for. @throws UserError if there is one that is none, or it needs more pictures */
function chooseMetrics({ metrics: names, numImages, reference = REFERENCE }: EvalRequest): Wanted {
  const known = [...metrics.keys()].join(', ');
  const wanted = names.map((name): [string, MetricDefinition] => {
    const metric = metrics.get(name);
    if (metric === undefined) throw new UserError('eval: --metrics', `expected some of ${known}, got "${name}"`);
    const pictures: readonly (readonly [flag: string, count: number])[] = [
      ['--num-images', numImages],
      ...(metric.needs === 'features' ? ([['--reference', reference]] as const) : []),
    ];
    for (const [flag, count] of pictures) {
      if (count >= metric.least) continue;
      throw new UserError('eval', `${flag} ${count}: ${name} needs at least ${metric.least}`, 'e.g. --num-images 256');
    }
    return [name, metric];
  });
  return new Map(wanted);
}

/** A model is not judged by the network that tells it what its captions say. */
async function expectOtherJudge({ run, features }: EvalRequest): Promise<void> {
  const { text } = runPaths(run);
  if (!existsSync(text)) return;
  const own = await fingerprint(text);
  for (const folder of features) {
    if (!isTowersFolder(folder) || (await towersFingerprint(folder)) !== own) continue;
    throw new UserError(
      'eval',
      `the features ${folder} are the text encoder that ${run} paints by`,
      'train others with `tessera features --data datasets/emoji --out features/emoji`',
    );
  }
}

async function openExtractor(session: Session, name: string): Promise<FeatureExtractor> {
  const readCaptions = async (path: string) =>
    BpeTokenizer.fromJSON((await readJson(path)) as Parameters<typeof BpeTokenizer.fromJSON>[0], path);
  return openFeatures(name, { ...downloads(session), readCaptions });
}

interface Material {
  readonly wanted: Wanted;
  readonly rows: ReadonlyMap<MetricRow, Captioned | undefined>;
  readonly real: RealPictures;
  readonly seed: number;
}

/** The metrics that look through features, for each extractor. */
async function measureByFeatures(
  session: Session,
  { extractors, wanted, rows, real, seed }: Material & { readonly extractors: readonly FeatureExtractor[] },
  report: Report,
): Promise<void> {
  const chosen = [...wanted].filter(([, { needs }]) => needs === 'features' || needs === 'texts');
  if (chosen.length === 0) return;
  const radii = wanted.has('fd') ? fdRadii : ([0] as const);
  for (const extractor of extractors) {
    const present = [...rows].filter(([, pictures]) => pictures !== undefined).length;
    session.reporter.stage(`features ${extractor.name}`, { total: present * chosen.length, unit: 'metrics' });
    let done = 0;
    const featuresOf = async ({ pictures }: Captioned, radius: number): Promise<Matrix> =>
      matrix(await extractor.images(pictures.map(picture => blur(picture, radius))), extractor.dimension);
    const reference = new Map<number, Matrix>();
    for (const radius of radii) reference.set(radius, await featuresOf(real.reference, radius));
    const pool = await poolOf(extractor, wanted, [real.heldOut, real.reference]);
    for (const [row, pictures] of rows) {
      if (pictures === undefined) continue;
      const features = new Map<number, { row: Matrix; real: Matrix }>();
      for (const [radius, ofReal] of reference)
        features.set(radius, { row: await featuresOf(pictures, radius), real: ofReal });
      const texts = pool === undefined ? undefined : { captions: pictures.captions, pool };
      for (const [name, metric] of chosen) {
        const refusal = refusalOf(name, metric, { features, texts }, pictures, real.reference);
        report(estimate(name, metric, { features, texts }, { row, seed, refusal }), row, extractor.name);
        done++;
        session.reporter.update({ step: done, amount: done, note: `${row}: ${name}` });
        if (session.signal.aborted) throw new UserError('eval', 'stopped');
      }
    }
    session.reporter.done();
  }
}

/** Why a metric of features does not apply; undefined if it does. */
function refusalOf(
  name: string,
  { needs, least }: MetricDefinition,
  { texts }: Evidence,
  row: Captioned,
  reference: Captioned,
): string | undefined {
  if (needs === 'texts' && texts === undefined) return 'these features know no captions';
  if (name === 'r-precision' && (texts?.pool.captions.length ?? 0) <= DISTRACTORS) {
    return `needs more than ${DISTRACTORS} different captions, there are ${texts?.pool.captions.length}`;
  }
  const fewest = needs === 'features' ? Math.min(row.pictures.length, reference.pictures.length) : row.pictures.length;
  return fewest < least ? `needs ${least} real images on both sides, there are ${fewest}` : undefined;
}

/** The different captions of some pictures, with their features. */
async function poolOf(
  { text }: FeatureExtractor,
  wanted: Wanted,
  sources: readonly Captioned[],
): Promise<NonNullable<Evidence['texts']>['pool'] | undefined> {
  if (text === undefined || ![...wanted.values()].some(({ needs }) => needs === 'texts')) return undefined;
  const captions = [...new Set(sources.flatMap(source => source.captions))];
  const data = await text(captions);
  return { captions, features: matrix(data, data.length / captions.length) };
}

/** The metrics that need no features. */
async function measureOthers(
  session: Session,
  { painter, wanted, rows, real, seed }: Material & { readonly painter: Painter },
  report: Report,
): Promise<void> {
  const likelihood = wanted.has('nll') ? await likelihoodOf(session, painter, real.heldOut) : undefined;
  for (const [name, metric] of wanted) {
    if (metric.needs === 'features' || metric.needs === 'texts') continue;
    for (const row of metric.rows) {
      const pictures = rows.get(row);
      if (pictures === undefined && metric.needs !== 'likelihood' && metric.needs !== 'pairs') continue;
      const evidence: Evidence = {
        likelihood,
        checks: metric.needs === 'checks' && pictures !== undefined ? checkCaptions(pictures) : undefined,
        pictures:
          pictures === undefined || real.train === undefined
            ? undefined
            : { row: pictures.pictures, heldOut: real.heldOut.pictures, train: real.train },
        pairs:
          pictures === undefined ? undefined : { originals: real.heldOut.pictures, reconstructions: pictures.pictures },
      };
      const refusal = evidence[metric.needs] === undefined ? whyNot(metric, painter) : undefined;
      report(estimate(name, metric, evidence, { row, seed, refusal }), row, null);
    }
  }
}

/** Why something that a metric needs is not there. */
function whyNot({ needs }: MetricDefinition, { family }: Painter): string {
  switch (needs) {
    case 'likelihood':
      return familyOf(family).words.noLikelihood ?? `${family} has no likelihood`;
    case 'pairs':
      return `${family} has no tokenizer`;
    case 'checks':
      return 'only captions of `tessera data shapes` and `tessera data modes` can be read back from pictures';
    default:
      return 'there is nothing to measure';
  }
}

/** What a metric says, or for each number it would give why it says nothing. */
function estimate(
  name: string,
  metric: MetricDefinition,
  evidence: Evidence,
  { row, seed, refusal }: { readonly row: MetricRow; readonly seed: number; readonly refusal: string | undefined },
): Result[] {
  if (refusal !== undefined) {
    const nothing = { value: null, low: null, high: null, n: 0, reference: 0, details: { reason: refusal } };
    return metric.gives.map(given => ({ metric: given, ...nothing }));
  }
  const random = new Random(seed).fork(`eval/${name}`, metricRows.indexOf(row));
  return metric.measure(evidence, random).map(record);
}

function record({ metric, value, interval, n, reference, details }: Estimate): Result {
  const [low, high] = interval ?? [null, null];
  return { metric, value, low, high, n, reference, ...(details === undefined ? {} : { details }) };
}

function append(path: string, results: readonly EvalRecord[]): void {
  const lines = new JsonLines(path);
  for (const result of results) lines.append(result);
  lines.close();
}
