/** @file Opening the tokenizers of a run by themselves. */
import { existsSync } from 'node:fs';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import { UserError } from '../core/errors.ts';
import { loadPatchTokenizer } from '../families/transformer/patch-task.ts';
import { readJson } from '../io/files.ts';
import { startBackend } from '../kernels/start.ts';
import { expectTrained, readRun, runPaths } from './run.ts';
import type { EngineFlags } from './session.ts';

/** The caption tokenizer of a run. @throws UserError if it is not trained yet */
export async function openCaptionTokenizer(run: string): Promise<BpeTokenizer> {
  await readRun(run, 'load');
  const { captions } = runPaths(run);
  expectTrained(run, [[captions, 'caption tokenizer']]);
  return BpeTokenizer.fromJSON(await readJson(captions), captions);
}

/**
 * The patch tokenizer of a run.
 * @throws UserError if it is not trained yet, or the run's family has none
 */
export async function openPatchTokenizer(run: string, engine: EngineFlags): Promise<PatchTokenizer> {
  const config = await readRun(run, 'load');
  const { patch } = runPaths(run);
  if (config.family !== 'transformer' && !existsSync(patch)) {
    throw new UserError(
      'load',
      `${run} is a ${config.family} run, which has no patch tokenizer`,
      'give the run of a transformer',
    );
  }
  expectTrained(run, [[patch, 'patch tokenizer']]);
  await startBackend(engine.backend, engine);
  return loadPatchTokenizer(config, patch);
}
