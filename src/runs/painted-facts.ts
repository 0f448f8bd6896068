/** @file What the file of a painted picture says of itself: the run, its weights, the settings, the seed. */
import type { RunConfig } from '../config/run.ts';
import { familyOf } from '../families/families.ts';
import type { SamplingSetting } from '../families/family.ts';
import type { Painter } from '../families/painter.ts';
import type { WeightKind } from '../io/runfiles.ts';
import { fingerprint, runPaths } from '../io/runfolder.ts';
import type { CompletionFlags } from './completion.ts';

/** By their names in the file, without `tessera:`. */
export type Facts = Readonly<Record<string, string | number | undefined>>;

/** What the user asked of the painting; the rest is the run's. */
export interface AskedSettings extends Readonly<Partial<Record<SamplingSetting, number>>>, CompletionFlags {
  /** Undefined where every picture has a seed of its own. */
  readonly seed: number | undefined;
}

/** What all pictures of a painting have in common. */
export interface FactsOptions {
  /** The run as the files name it. */
  readonly named: string;
  readonly weights: WeightKind;
  /** The backend that computes. */
  readonly backend: string;
  readonly asked: AskedSettings;
}

/** What all pictures of a painting say. */
export async function gatherFacts(
  { run, family, config }: Pick<Painter, 'run' | 'family' | 'config'>,
  { named, weights, backend, asked }: FactsOptions,
): Promise<Facts> {
  return {
    run: named,
    family,
    weights,
    weights_sha256: await fingerprint(runPaths(run).weights[weights]),
    backend,
    ...settingsOf(asked, config),
  };
}

/** How the images are made: by the user's settings, or else by the run's, as far as the family has them. */
function settingsOf({ seed, image, keepRows, mask, ...asked }: AskedSettings, config: RunConfig): Facts {
  const { sampling, piecewise } = familyOf(config.family);
  const followed = Object.entries(sampling(config)).map(([setting, value]) => [
    setting,
    asked[setting as SamplingSetting] ?? value,
  ]);
  return { seed, ...Object.fromEntries(followed), ...(piecewise === true && { completed: image, keepRows, mask }) };
}

/** One picture of a painting. */
export interface PaintedPicture {
  readonly caption: string;
  /** Where it has one of its own. */
  readonly seed?: number;
  /** Which of the seed's images. */
  readonly index: number;
  /** How well the CLIP says that it fits, where one ranked. */
  readonly score?: number;
}

/** The text entries of a picture's PNG. */
export function pictureText(
  { caption, index: image, score, ...own }: PaintedPicture,
  made: Facts,
): Record<string, string> {
  const { seed = made.seed } = own;
  const facts = Object.entries({ ...made, seed, image, score });
  const text = facts.flatMap(([key, value]) => (value === undefined ? [] : [[`tessera:${key}`, String(value)]]));
  return { Title: caption, Software: 'Tessera', ...Object.fromEntries(text) };
}
