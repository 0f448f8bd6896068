/**
 * @file What was planned of a training, as its run keeps it beside its states: how long each stage was predicted to take, and
 * which numbers of steps follow the time. Written once, when the run is made; what has become of it since is in the states.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { parseConfig } from '../../config/schema.ts';
import { stageNames } from '../../families/family.ts';
import { readJson, writeJson } from '../../io/files.ts';

const plannedStages = [...stageNames, 'model'] as const;
/** A stage of a training; `model` is the family's own. */
export type PlannedStage = (typeof plannedStages)[number];

const seconds = z.number().min(0).max(1e12);
const stageSchema = z.object({
  /** The whole stage, decoding and painting included. */
  seconds,
  /** Of a training: its steps, and what its loop takes of the seconds. */
  steps: z.number().int().positive().max(1e9).optional(),
  loopSeconds: seconds.optional(),
  /** Whether the steps follow the time, and may become others on a machine that turns out slower or faster. */
  fitted: z.boolean().optional(),
  /** Most seconds of the loop, where that is more than it is predicted to take; and most steps that are worth it. */
  secondsAtMost: seconds.optional(),
  stepsAtMost: z.number().int().positive().max(1e9).optional(),
  /** Whether the seconds are what somebody asked for: a machine that turns out quicker makes more steps than were planned. */
  fillsTime: z.boolean().optional(),
  /** Steps between sheets of samples of so many steps: of fewer they come as much sooner. */
  sampleEvery: z.number().int().positive().max(1e9).optional(),
  /** Whether it is likely that nothing is trained: its loop is not among the seconds, and the model gives it those that it takes. */
  ifNeeded: z.boolean().optional(),
});
const keptSchema = z.object({ stages: z.partialRecord(z.enum(plannedStages), stageSchema) });

/** What is planned of one stage. */
export type StagePlan = Readonly<z.infer<typeof stageSchema>>;

/** What is planned of the stages of a run, each by its name; of those that the family has. */
export interface KeptPlan {
  readonly stages: Readonly<Partial<Record<PlannedStage, StagePlan>>>;
}

/** The plan of a run; undefined where it was made without one. @throws UserError if the file is damaged */
export async function readPlan(path: string): Promise<KeptPlan | undefined> {
  return existsSync(path) ? parseConfig(keptSchema, await readJson(path), path) : undefined;
}

/** Keeps a plan. */
export async function writePlan(path: string, plan: KeptPlan): Promise<void> {
  await writeJson(path, plan);
}
