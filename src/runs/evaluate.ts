/**
 * @file Evaluating a run: how good its pictures are, in numbers with intervals. Held-out captions are painted and
 * compared with training images, always beside other real images in their place (the floor: what a perfect model would
 * score) and, for a model of codes, those images through its tokenizer (what its codes can hold at all).
 */
import { existsSync } from 'node:fs';
import type { Split } from '../../data/dataset.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import { UserError } from '../core/errors.ts';
import type { FeatureExtractor } from '../features/extractor.ts';
import { openFeatures } from '../features/open.ts';
import { isTowersFolder, towersFingerprint } from '../features/trained.ts';
import { readJson } from '../io/files.ts';
import { JsonLines } from '../io/jsonlines.ts';
import '../metrics/builtin.ts';
import { readRun } from '../families/config.ts';
import type { WeightKind } from '../io/runfiles.ts';
import { chooseWeights, fingerprint, runPaths } from '../io/runfolder.ts';
import { type Captioned, findMetrics, type MetricDefinition, type MetricRow } from '../metrics/define.ts';
import { paintCaptions, readReal, reconstructCaptioned } from './evaluation/gather.ts';
import { looksAt, measureAll, needsAny } from './evaluation/measure.ts';
import type { EvalRecord } from './evaluation/record.ts';
import { renewLogs } from './logs/write-logs.ts';
import { openPainter, type Painter } from './open-painter.ts';
import { isOfPackage } from './run.ts';
import { downloads, type EngineFlags, type Session, startEngine } from './session.ts';

export interface EvalRequest extends EngineFlags {
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
  const isKept = !isOfPackage(request.run);
  if (isKept)
    append(runPaths(request.run).metrics, []); // what cannot be written is said before anything is measured
  else
    session.reporter.message(`${request.run} came with the package: what is measured is told, and not kept in its log`);
  await expectOtherJudge(request);
  await startEngine(session, request);
  const { run, backend, precision, threads, seed, numImages } = request;
  const weights = chooseWeights(run, request.weights);
  const extractors: FeatureExtractor[] = [];
  let painter: Painter | undefined;
  try {
    painter = await openPainter(run, { weights, backend, precision, threads });
    for (const name of request.features) extractors.push(await openExtractor(session, name));
    const nearest = metrics.some(metric => needsAny(metric, ['training']));
    const real = await readReal(session, { reference: REFERENCE, ...request, config, nearest });
    const rows = new Map<MetricRow, Captioned | undefined>([
      ['samples', undefined],
      ['floor', real.heldOut],
      ['reconstruction', undefined],
    ]);
    const wants = (row: MetricRow) => metrics.some(metric => looksAt(metric, row));
    if (wants('samples')) {
      rows.set('samples', await paintCaptions(session, painter, real.measured.captions, { count: numImages, seed }));
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

function append(path: string, records: readonly EvalRecord[]): void {
  const lines = new JsonLines(path);
  for (const record of records) lines.append(record);
  lines.close();
}
