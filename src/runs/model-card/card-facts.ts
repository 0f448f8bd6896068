/** @file What a model card says of a run: read from its config, its log and what it remembers of its data. */
import { existsSync } from 'node:fs';
import type { RunConfig } from '../../config/run.ts';
import { spreadPlaces } from '../../image/images.ts';
import { readDataName, readDataRecord } from '../../io/datarecord.ts';
import { readJsonLines } from '../../io/jsonlines.ts';
import type { WeightKind } from '../../io/runfiles.ts';
import type { RunPaths } from '../../io/runfolder.ts';
import type { Measured, Point, Verdict } from '../../report/contents.ts';
import { mainStage, readHistory, totalOf, validationOf } from '../../report/history.ts';
import { verdictOf } from '../../report/verdicts.ts';
import { readLearnt } from '../learnt/record.ts';

/** Of the weights that are exported. */
export interface CardSubject {
  /** What the model is called. */
  readonly name: string;
  readonly config: RunConfig;
  readonly weights: WeightKind;
  readonly step: number;
  /** Numbers that painting needs. */
  readonly parameters: number;
  readonly dtype: 'bf16' | 'f32';
  /** The licence's name in the hub's list; undefined: nobody has said. */
  readonly license?: string;
  /** Whether ATTRIBUTION.md and samples.png lie beside the card. */
  readonly isAttributed: boolean;
  readonly hasSamples: boolean;
}

export interface CardFacts extends CardSubject {
  /** The name of the data's folder or file, without where it lay; undefined where the run does not remember it. */
  readonly dataName?: string;
  /** Images that were trained on and held out; undefined where the run does not remember them. */
  readonly images?: { readonly training: number; readonly heldOut?: number };
  /** What the run keeps of its captions: how many different ones there are, and some of them. */
  readonly captions?: { readonly count: number; readonly examples: readonly string[] };
  /** Seconds of training, of all stages; null where the log does not tell. */
  readonly seconds: number | null;
  /** The held-out loss at its lowest and at the last, where there is one that is not `null`. */
  readonly validation?: { readonly best: Point; readonly last: Point };
  readonly verdict: Verdict;
  /** Results of `eval` for these weights. */
  readonly measured: readonly Measured[];
}

/** Gathers what is known. @throws UserError if a file of the run is damaged */
export async function readCardFacts(paths: RunPaths, subject: CardSubject): Promise<CardFacts> {
  const { config, weights } = subject;
  const history = readHistory(readJsonLines(paths.metrics), config, { weights });
  const losses = validationOf(mainStage(history.stages), config).filter(({ value }) => value !== null);
  const best = losses.toSorted((a, b) => Number(a.value) - Number(b.value))[0];
  const last = losses.at(-1);
  return {
    ...subject,
    ...(await learntOf(paths)),
    ...(await dataOf(paths)),
    seconds: totalOf(history.stages, 'seconds'),
    ...(best !== undefined && last !== undefined && { validation: { best, last } }),
    verdict: verdictOf(history, config),
    measured: history.metrics,
  };
}

/** Captions that a card shows. */
const EXAMPLES = 8;

/** What the run keeps of its captions; earlier versions kept nothing. */
async function learntOf({ learnt: path }: RunPaths): Promise<Pick<CardFacts, 'captions' | 'images'>> {
  const learnt = await readLearnt(path);
  if (learnt === undefined) return {};
  const { images, captions: count, lists } = learnt;
  const examples = spreadPlaces(lists.length, EXAMPLES).flatMap(i => lists[i].captions.slice(0, 1));
  return { images: { training: images }, captions: { count, examples } };
}

/** What the run remembers of its data; one that was exported before remembers none. */
async function dataOf({ dataRecord }: RunPaths): Promise<Pick<CardFacts, 'dataName' | 'images'>> {
  if (!existsSync(dataRecord)) return {};
  const record = await readDataRecord(dataRecord);
  const heldOut = record.filter(item => item.heldOut).length;
  return { dataName: await readDataName(dataRecord), images: { training: record.length - heldOut, heldOut } };
}
