/**
 * @file Evaluating a run: how good its pictures are, in numbers with intervals. Held-out captions are painted and
 * compared with training images, always beside other real images in their place (the floor: what a perfect model would
 * score) and, for a model of codes, those images through its tokenizer (what its codes can hold at all).
 */
import { existsSync } from 'node:fs';
import type { Split } from '../../data/dataset.ts';
import type { RunConfig } from '../config/run.ts';
import { kebab } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import type { FeatureExtractor } from '../features/extractor.ts';
import { isTowersFolder, towersFingerprint, towersOrigin } from '../features/trained.ts';
import { JsonLines } from '../io/jsonlines.ts';
import '../metrics/builtin.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import { type SamplingSetting, samplingSettings, whyIgnored } from '../families/family.ts';
import type { WeightKind } from '../io/runfiles.ts';
import { chooseWeights, fingerprint, runPaths } from '../io/runfolder.ts';
import { type Captioned, findMetrics, type MetricDefinition, type MetricRow } from '../metrics/define.ts';
import { paintCaptions, readReal, reconstructCaptioned } from './evaluation/gather.ts';
import { looksAt, measureAll, needsAny } from './evaluation/measure.ts';
import type { EvalRecord } from './evaluation/record.ts';
import { renewLogs } from './logs/write-logs.ts';
import { openNamedFeatures } from './open-features.ts';
import { openPainter, type Painter } from './open-painter.ts';
import { chosenRanker, loadRanker, type Ranker } from './rerank.ts';
import { isOfPackage } from './run.ts';
import { downloads, type EngineFlags, type Session, startEngine } from './session.ts';

export interface EvalRequest extends EngineFlags, Readonly<Partial<Record<SamplingSetting, number>>> {
  readonly run: string;
  readonly data: string;
  readonly format?: string;
  /** Names of metrics; see `allMetrics`, and `defineMetric` for new ones. */
  readonly metrics: readonly string[];
  readonly numImages: number;
  /** Training images to compare with; default 1000. */
  readonly reference?: number;
  /** `pixels`, `random`, folders of `tessera features`, folders or hub ids of ONNX networks. */
  readonly features: readonly string[];
  readonly seed: number;
  /** Sides of the data whose captions are painted; default: what is held out, or what was trained on where nothing is. */
  readonly split?: readonly Split[];
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
  /** Paints so many images for each that is measured, of which the ranker chooses. */
  readonly bestOf?: number;
  /** See `loadRanker`; default: the run's own. */
  readonly rerank?: string;
}

const REFERENCE = 1000;

/** What was measured of a run. */
export interface Evaluation {
  /** Training step of the weights, and which they are. */
  readonly step: number;
  readonly weights: WeightKind;
  /** Sides of the data whose captions were painted. */
  readonly split: readonly Split[];
  /** As they were appended to the run's metrics.jsonl, unless that came with the package. */
  readonly records: readonly EvalRecord[];
}

/**
 * Measures a run and appends the results to its metrics.jsonl, unless it came with the package, in which nothing is written.
 * @throws UserError if the run, the data or the features are not there, or a metric is unknown or would see too few
 *   images
 */
export async function evaluateRun(session: Session, request: EvalRequest): Promise<Evaluation> {
  const metrics = chooseMetrics(request);
  const config = await readRun(request.run, 'eval');
  const otherwise = paintedOtherwise(request, config);
  const whyNot = isOfPackage(request.run) ? 'came with the package' : otherwise && `is painted with ${otherwise}`;
  const isKept = whyNot === undefined;
  if (isKept)
    append(runPaths(request.run).metrics, []); // what cannot be written is said before anything is measured
  else session.reporter.message(`${request.run} ${whyNot}: what is measured is told, and not kept in its log`);
  const rankedBy = chosenRanker(request, 'eval');
  await expectOtherJudge(request, rankedBy);
  await startEngine(session, request);
  const { run, backend, precision, threads, seed, numImages } = request;
  const weights = chooseWeights(run, request.weights);
  const extractors: FeatureExtractor[] = [];
  let painter: Painter | undefined;
  let ranker: Ranker | undefined;
  try {
    if (rankedBy !== undefined) ranker = await loadRanker(rankedBy, downloads(session));
    painter = await openPainter(run, { weights, backend, precision, threads });
    for (const name of request.features) extractors.push(await openNamedFeatures(name, downloads(session)));
    const nearest = metrics.some(metric => needsAny(metric, ['training']));
    const real = await readReal(session, { reference: REFERENCE, ...request, config, nearest });
    const rows = new Map<MetricRow, Captioned | undefined>([
      ['samples', undefined],
      ['floor', real.heldOut],
      ['reconstruction', undefined],
    ]);
    const wants = (row: MetricRow) => metrics.some(metric => looksAt(metric, row));
    if (wants('samples')) {
      const how = { count: numImages, seed, settings: samplingAsked(request), bestOf: request.bestOf, ranker };
      rows.set('samples', await paintCaptions(session, painter, real.measured.captions, how));
    }
    if (wants('reconstruction') && real.heldOut !== undefined) {
      rows.set('reconstruction', await reconstructCaptioned(painter, real.heldOut));
    }
    const results = await measureAll(session, { metrics, rows, real, painter, extractors, seed });
    const { step } = painter;
    const captions = new Set(rows.get('samples')?.captions).size;
    const records = results.map(({ metric, value, low, high, row, features, ...rest }): EvalRecord => {
      const where = { stage: 'eval', run, step, weights, row, split: real.sides.join(','), features, seed } as const;
      return { ...where, metric, value, low, high, ...rest, ...(row === 'samples' && { captions }) };
    });
    if (isKept) {
      append(runPaths(run).metrics, records);
      await renewLogs(session, run);
    }
    return { step, weights, split: real.sides, records };
  } finally {
    painter?.dispose();
    await ranker?.dispose();
    for (const extractor of extractors) await extractor.dispose();
  }
}

/** The metrics that were asked for. @throws UserError if there is one that is none, or it needs more pictures */
function chooseMetrics({ metrics: names, numImages, reference = REFERENCE }: EvalRequest): MetricDefinition[] {
  const metrics = findMetrics(names, 'eval: --metrics');
  for (const { name, least: leastPictures, leastReal } of metrics) {
    for (const [flag, count, least = 0] of [
      ['--num-images', numImages, leastPictures],
      ['--reference', reference, leastReal],
    ] as const) {
      if (count >= least) continue;
      throw new UserError('eval', `${flag} ${count}: ${name} needs at least ${least}`, 'e.g. --num-images 256');
    }
  }
  return metrics;
}

/**
 * A model is not judged by the network that tells it what its captions say, nor by that which has chosen its pictures.
 * @throws UserError if it would be
 */
export async function expectOtherJudge(
  { run, features }: Pick<EvalRequest, 'run' | 'features'>,
  rankedBy: string | undefined,
): Promise<void> {
  const { text } = runPaths(run);
  const own = existsSync(text) ? await fingerprint(text) : undefined;
  const ranker = rankedBy !== undefined && isTowersFolder(rankedBy) ? await towersOrigin(rankedBy) : undefined;
  for (const folder of features.filter(isTowersFolder)) {
    const isOwn = (await towersFingerprint(folder)) === own;
    if (!isOwn && (await towersOrigin(folder)) !== ranker) continue;
    const what = isOwn ? `the text encoder that ${run} paints by` : 'what ranks the pictures';
    throw new UserError(
      'eval',
      `the features ${folder} are ${what}`,
      'train others with `tessera features --data datasets/emoji --out features/emoji --seed 1`',
    );
  }
}

/** The settings of painting that were asked for in place of the run's. */
function samplingAsked(request: EvalRequest): Partial<Record<SamplingSetting, number>> {
  return Object.fromEntries(
    samplingSettings.filter(name => request[name] !== undefined).map(name => [name, request[name]]),
  );
}

/**
 * In words, how the pictures are painted otherwise than the run is by itself; undefined if they are not.
 * @throws UserError if the run's family cannot follow a setting
 */
function paintedOtherwise(request: EvalRequest, config: RunConfig): string | undefined {
  const { sampling, words } = familyOf(config.family);
  const followed = sampling(config);
  const asked = Object.entries(samplingAsked(request)) as [SamplingSetting, number][];
  const stray = asked.find(([name]) => followed[name] === undefined);
  if (stray !== undefined) {
    throw new UserError(
      'eval',
      `--${kebab(stray[0])}: ${request.run} is a ${config.family} run; ${whyIgnored(stray[0], words)}`,
      'leave the flag out, or measure a run of another family',
    );
  }
  const said = asked
    .filter(([name, value]) => followed[name] !== value)
    .map(([name, value]) => `${kebab(name)} ${value}`);
  if (request.bestOf !== undefined) said.push(`the best of ${request.bestOf}`);
  return said.length === 0 ? undefined : said.join(', ');
}

function append(path: string, records: readonly EvalRecord[]): void {
  const lines = new JsonLines(path);
  for (const record of records) lines.append(record);
  lines.close();
}
