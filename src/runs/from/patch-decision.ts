/**
 * @file What becomes of the patch tokenizer of a trained model under other pictures: it is kept where they come back from their
 * codes nearly as well as its own did; else its decoder is tuned, under which codes stay what they are; else all of it.
 * Decided once, and kept in the run.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { type PatchChoice, patchChoices, type RunConfig } from '../../config/run.ts';
import { parseConfig } from '../../config/schema.ts';
import { readJson, writeJson } from '../../io/files.ts';
import type { RunPaths } from '../../io/runfolder.ts';
import { isTrained } from '../../training/saved-training.ts';

/** Decibels below the source's own that are taken for as good. */
const KEPT_WITHIN = 1.5;
/** Decibels that a tuned decoder may leave, where all of it is tuned next. */
const LEFT_BY_DECODER = 3;
/** Validations without a better one after which tuning ends; the best is kept. */
export const TUNING_PATIENCE = 2;
/** What a source is taken to reach on its own pictures whose log does not say. */
export const UNKNOWN_PSNR = 23;

const decisionSchema = z.object({
  choice: z.enum(patchChoices),
  /** Whether it is final: a tuned decoder may turn out not to be enough, or not to be better. */
  settled: z.boolean(),
  /** Of the user's pictures through the tokenizer as it came. */
  psnr: z.number(),
  /** Of the source's pictures. */
  own: z.number(),
});

export type PatchDecision = Readonly<z.infer<typeof decisionSchema>>;

/** The first decision, by what the tokenizer reaches as it is. @param asked for; undefined: the pictures decide */
export function decide(asked: PatchChoice | undefined, measured: Pick<PatchDecision, 'psnr' | 'own'>): PatchDecision {
  const { psnr, own } = measured;
  const choice = asked ?? (psnr >= own - KEPT_WITHIN ? 'keep' : 'decoder');
  return { choice, settled: asked !== undefined || choice === 'keep', ...measured };
}

/**
 * The last decision, when the decoder was tuned. What is far from the source's own then may be the pictures' matter: all of it is
 * tuned only where the decoder became better to its end, so that these pictures are enough to learn from.
 * @param tuned.psnr that it reaches now; @param tuned.rising whether it became better to its end
 */
export function settle(
  { choice, ...before }: PatchDecision,
  { psnr, rising }: { readonly psnr: number; readonly rising: boolean },
): PatchDecision {
  const far = rising && psnr < before.own - LEFT_BY_DECODER;
  const next = psnr <= before.psnr ? 'keep' : far ? 'all' : choice;
  return { ...before, choice: next, settled: true };
}

/** The decision of a run; undefined before it was made. */
export async function readDecision({ patchDecision: path }: RunPaths): Promise<PatchDecision | undefined> {
  return existsSync(path) ? parseConfig(decisionSchema, await readJson(path), path) : undefined;
}

export async function keepDecision({ patchDecision: path }: RunPaths, decision: PatchDecision): Promise<void> {
  await writeJson(path, decision);
}

/** Whether a run takes its patch tokenizer over from what it was started from. */
export function takesPatchOver({ from }: RunConfig): boolean {
  return from?.patch !== undefined && from.patch !== 'anew';
}

/** Whether nothing is left to do to a patch tokenizer that was taken over. */
export async function isPatchReady(paths: RunPaths, { patchTrain }: RunConfig): Promise<boolean> {
  const decision = await readDecision(paths);
  if (decision?.settled !== true || !existsSync(paths.patch)) return false;
  const states = { keep: undefined, decoder: paths.patchState, all: paths.wholePatchState };
  const state = states[decision.choice];
  return state === undefined || isTrained(state, { ...patchTrain, patience: TUNING_PATIENCE });
}
