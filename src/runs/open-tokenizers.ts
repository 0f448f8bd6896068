/** @file Opening the tokenizers of a run by themselves. */
import { existsSync } from 'node:fs';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import { UserError } from '../core/errors.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import { stageTitles } from '../families/family.ts';
import { loadPatchTokenizer } from '../families/transformer/patch-file.ts';
import { readJson } from '../io/files.ts';
import { expectTrained, runPaths } from '../io/runfolder.ts';

/** The caption tokenizer of a run. @throws UserError if it is not trained yet */
export async function openCaptionTokenizer(run: string): Promise<BpeTokenizer> {
  await readRun(run, 'load');
  const { captions } = runPaths(run);
  expectTrained(run, [[captions, stageTitles.captions]]);
  return BpeTokenizer.fromJSON(await readJson(captions), captions);
}

/**
 * The patch tokenizer of a run.
 * @param options.where opens the messages of errors
 * @param options.start starts the backend, once all is known to be there
 * @throws UserError if it is not trained yet, or the run's family has none
 */
export async function openPatchTokenizer(
  run: string,
  { where = 'load', start }: { readonly where?: string; readonly start: () => Promise<unknown> },
): Promise<PatchTokenizer> {
  const config = await readRun(run, where);
  const { patch } = runPaths(run);
  if (!familyOf(config.family).stages.includes('patch')) {
    throw new UserError(
      where,
      `${run} is a ${config.family} run, which has no patch tokenizer`,
      'give the run of a family that paints codes, e.g. a transformer',
    );
  }
  if (!existsSync(patch)) throw new UserError(where, `the patch tokenizer of ${run} is not trained yet (no ${patch})`);
  await start();
  return loadPatchTokenizer(config, patch);
}
