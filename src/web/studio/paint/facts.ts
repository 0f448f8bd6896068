/** @file What a run paints with, read from its folder: settings of its family with their values, weights, captions it knows. */
import { existsSync } from 'node:fs';
import type { RunConfig } from '../../../config/run.ts';
import { isRecord } from '../../../core/checks.ts';
import { UserError } from '../../../core/errors.ts';
import { readRun } from '../../../families/config.ts';
import { familyOf } from '../../../families/families.ts';
import { samplingSettings, whyIgnored } from '../../../families/family.ts';
import { partFiles } from '../../../families/parts.ts';
import { weightKinds } from '../../../io/runfiles.ts';
import { chooseWeights, runPaths } from '../../../io/runfolder.ts';
import { readLearnt } from '../../../runs/learnt/record.ts';
import { type FoundCaptions, listCaptions, searchCaptions } from '../../../runs/learnt/search.ts';
import type { Place } from '../library.ts';
import type { CaptionOffers, PaintingFacts, PaintingSetting } from './messages.ts';

/** Most captions of a search. */
const OFFERED = 12;
/** Letters of a caption that is offered where nothing is written. */
const SHORT = 18;

/** @throws UserError if the run's config cannot be read */
export async function paintingFacts(
  { id, name, folder }: Place,
  around: Pick<PaintingFacts, 'polite' | 'datasets'>,
): Promise<PaintingFacts> {
  const config = await readRun(folder, 'paint');
  const { words, piecewise } = familyOf(config.family);
  const paths = runPaths(folder);
  return {
    ...{ id, name, title: words.title, paints: words.paints, imageSize: config.images.imageSize },
    grid: piecewise === true ? config.patch.grid : null,
    settings: settingsOf(config),
    weights: weightKinds.filter(kind => existsSync(paths.weights[kind])),
    chosen: chooseWeights(folder),
    problem: problemOf(folder, config),
    captions: (await readLearnt(paths.learnt).catch(orNothing))?.captions ?? null,
    ...around,
  };
}

function settingsOf(config: RunConfig): PaintingSetting[] {
  const { sampling, words, sections } = familyOf(config.family);
  const followed = sampling(config);
  const values = Object.keys(sections).map(section => config[section as keyof RunConfig] as unknown);
  const learnsNone = values.some(section => isRecord(section) && section.captionDrop === 0);
  return samplingSettings.map(name => {
    const { [name]: value } = followed;
    if (value === undefined) return { name, value: null, why: whyIgnored(name, words) };
    if (name === 'cfgScale' && learnsNone && value === 1) {
      return { name, value: null, why: 'trained with captionDrop 0: it has not learnt to paint without a caption' };
    }
    return { name, value };
  });
}

/** What it lacks to paint; null if nothing. */
function problemOf(folder: string, { family }: RunConfig): string | null {
  const paths = runPaths(folder);
  const needed = [
    ...partFiles(familyOf(family).stages, paths),
    [paths.weights[chooseWeights(folder)], family] as const,
  ];
  const missing = needed.find(([file]) => !existsSync(file));
  return missing === undefined ? null : `its ${missing[1]} is not trained yet`;
}

/** Captions with the words of a text, and the words that the run does not know; of no text some. */
export async function offerCaptions({ folder }: Place, text: string): Promise<CaptionOffers | null> {
  const learnt = await readLearnt(runPaths(folder).learnt).catch(orNothing);
  if (learnt === undefined) return null;
  const found = searchCaptions(learnt, text, OFFERED);
  if (found === undefined) return { ...someOf(listCaptions(learnt, Number.POSITIVE_INFINITY)), unseen: [] };
  const { captions, total } = found.found;
  const unseen = found.unseen.map(({ word, near }) => ({ word, near: near.map(known => known.word) }));
  const others = captions.length === 0 ? (found.instead?.found ?? found.some) : undefined;
  return { captions: others?.captions ?? captions, total, unseen };
}

/** A few short ones from all over the list, which is of all kinds then. */
function someOf({ captions, total }: FoundCaptions): FoundCaptions {
  const short = captions.filter(({ caption }) => caption.length <= SHORT);
  const from = short.length < OFFERED ? captions : short;
  const step = Math.max(1, from.length / OFFERED);
  return { captions: from.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)), total };
}

/** A run whose captions are damaged paints without. */
function orNothing(error: unknown): undefined {
  if (!(error instanceof UserError)) throw error;
  return undefined;
}
