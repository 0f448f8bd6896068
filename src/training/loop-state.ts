/** @file What the training loop remembers beside weights and moments, as state.json keeps it: read with checks. */
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import { readJson } from '../io/files.ts';
import type { SavedState } from '../io/state.ts';

/** What is looked at after a step, in this order. */
export const looks = ['evaluation', 'samples'] as const;
export type Look = (typeof looks)[number];

/** Counts are 32-bit numbers on a device. */
const whole = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const stateSchema = z.object({
  step: whole,
  skipped: whole,
  seconds: z.number().min(0),
  /** Null before the first evaluation. */
  best: z.number().nullable(),
  /** Updates of each player. */
  updates: z.array(whole).max(16),
  /** Absent where losses are not scaled. */
  lossScales: z
    .array(z.object({ scale: z.number().positive(), good: whole }).nullable())
    .max(16)
    .optional(),
  // What earlier versions did not save.
  halvings: whole.optional(),
  stale: whole.optional(),
  waited: whole.optional(),
  spent: z.number().min(0).optional(),
  /** Of a training with a time to keep to. */
  steps: whole.optional(),
  pace: z.object({ step: whole, spent: z.number().min(0), secondsAStep: z.number().min(0) }).optional(),
  owed: z.enum(looks).optional(),
  window: z
    .object({ sums: z.record(z.string(), z.number().nullable()), steps: whole, milliseconds: z.number() })
    .optional(),
  /** Of the task, which checks it. */
  task: z.unknown(),
});

export type StoredLoopState = Readonly<z.infer<typeof stateSchema>>;

/** Longest file that is read, in bytes. */
const MOST = 2 ** 20;

/**
 * Reads the state.json of a saved state.
 * @param players of the game, where they are known
 * @throws UserError naming what does not fit
 */
export async function readLoopState({ path }: Pick<SavedState, 'path'>, players?: number): Promise<StoredLoopState> {
  const file = join(path, 'state.json');
  const stored = stateSchema.safeParse(await readJson(file, { most: MOST }));
  const hint = 'the file is damaged: restore it, or train in another folder';
  if (!stored.success) {
    const [{ path: field, message }] = stored.error.issues;
    throw new UserError(file, `${field.join('.') || 'all of it'}: ${message}`, hint);
  }
  const { updates, lossScales } = stored.data;
  const other = [updates, lossScales].find(
    list => list !== undefined && players !== undefined && list.length !== players,
  );
  if (other !== undefined) {
    throw new UserError(file, `expected the updates of ${players} players, got those of ${other.length}`, hint);
  }
  return stored.data;
}
