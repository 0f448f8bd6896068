/**
 * @file The parts that a run's model stands on, tokenizers and text encoder, as files of the run's folder: what they are
 * called, and how weights know the ones that they were trained with. Loading them imports what computes.
 */
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { RunConfig } from '../config/run.ts';
import { readJson } from '../io/files.ts';
import type { Companion } from '../io/runfiles.ts';
import { fingerprint, type RunPaths } from '../io/runfolder.ts';
import { fingerprintKeys, type Parts, type StageName, stageTitles } from './family.ts';

/** Those of some stages that leave a part, which also names its file among `RunPaths`. */
export function partsAmong(stages: readonly StageName[]): readonly (keyof Parts)[] {
  return stages.filter(stage => stage !== 'codes');
}

/** The parts' files, and the stages that leave them: see `expectTrained`. */
export function partFiles(
  stages: readonly StageName[],
  paths: RunPaths,
): readonly (readonly [file: string, stage: string])[] {
  return partsAmong(stages).map(part => [paths[part], stageTitles[part]] as const);
}

/** The fingerprints that weights carry of the parts that they are trained with. */
export async function partFingerprints(
  stages: readonly StageName[],
  paths: RunPaths,
): Promise<Readonly<Record<string, string>>> {
  const entries = partsAmong(stages).map(
    async part => [fingerprintKeys[part], await fingerprint(paths[part])] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** For `expectTrainedWith`. @param metadata of the weights */
export function companionsOf(
  stages: readonly StageName[],
  paths: RunPaths,
  metadata: Readonly<Record<string, string>>,
): readonly Companion[] {
  return partsAmong(stages).map(part => [stageTitles[part], paths[part], metadata[fingerprintKeys[part]]] as const);
}

/**
 * Loads the parts that the stages leave; the caller disposes them by `disposeParts`.
 * @throws UserError if a file is damaged or does not fit the config
 */
export async function loadParts(
  stages: readonly StageName[],
  config: RunConfig,
  paths: RunPaths,
): Promise<Partial<Parts>> {
  const captions = stages.includes('captions') ? await loadCaptionTokenizer(paths.captions) : undefined;
  const text = stages.includes('text') && captions !== undefined ? await loadText(paths.text, captions) : undefined;
  try {
    return { captions, text, patch: stages.includes('patch') ? await loadPatch(config, paths.patch) : undefined };
  } catch (error) {
    disposeParts({ text });
    throw error;
  }
}

/** The caption tokenizer of a run. @throws UserError if the file is damaged */
async function loadCaptionTokenizer(path: string): Promise<BpeTokenizer> {
  return BpeTokenizer.fromJSON(await readJson(path), path);
}

async function loadText(path: string, captions: BpeTokenizer): Promise<Parts['text']> {
  const { loadTowers } = await import('./contrastive/towers.ts');
  const { textEncoderOf } = await import('./contrastive/encoder.ts');
  return textEncoderOf(await loadTowers(path, captions.vocabSize), captions);
}

async function loadPatch(config: RunConfig, path: string): Promise<Parts['patch']> {
  return (await import('./transformer/patch-file.ts')).loadPatchTokenizer(config, path);
}

/** Frees the parameters of parts. */
export function disposeParts({ text, patch }: Partial<Parts>): void {
  text?.dispose();
  patch?.dispose();
}
