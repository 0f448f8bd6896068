/** @file What tier T2 keeps of every run, and how runs are summed up. It trains nothing and says nothing. */
import { z } from 'zod';
import { type Interval, wilson } from '../../../src/metrics/intervals.ts';
import { K, scoreSchema } from './modes-score.ts';

/** What must be equal for results to stand in one table. */
export const settingsSchema = z.object({
  budget: z.union([z.object({ seconds: z.number() }), z.object({ images: z.number() })]),
  perMode: z.number(),
  /** Pictures that a finished run paints. */
  images: z.number(),
  /** Looks at a run, the last one included, and the pictures of those before. */
  checks: z.number(),
  glance: z.number(),
});

export const resultSchema = z.object({
  family: z.string(),
  label: z.string(),
  kind: z.enum(['likelihood', 'denoising', 'gan']),
  without: z.string().optional(),
  lr: z.number(),
  seed: z.number(),
  settings: settingsSchema,
  steps: z.number(),
  /** Training time of the model itself, and of the stage before it that all runs of its kind share. */
  seconds: z.number(),
  firstSeconds: z.number(),
  /** Images the model was trained on, repetitions counted. */
  seen: z.number(),
  parameters: z.number().nullable(),
  passes: z.number().nullable(),
  /** Whether its loss stayed finite; one that did not has its last look for a score. */
  finite: z.boolean(),
  checks: z.array(z.object({ step: z.number(), score: scoreSchema })),
  score: scoreSchema.nullable(),
});

/** Pictures that need no model: real ones, and those that a patch tokenizer gives back. */
export const referencesSchema = z.object({ real: scoreSchema, reconstruction: scoreSchema.nullable() });

export type ModesSettings = Readonly<z.output<typeof settingsSchema>>;
export type ModesResult = Readonly<z.output<typeof resultSchema>>;
export type References = Readonly<z.output<typeof referencesSchema>>;

/** Fixed before any run: finite to the end, and at least half of the scenes painted. */
export function stands({ finite, score }: ModesResult): boolean {
  return finite && score !== null && score.hit >= K / 2;
}

/** A family, at all of its rates or at one. */
export interface ModesSummary extends Pick<ModesResult, 'family' | 'label' | 'kind' | 'without'> {
  readonly results: readonly ModesResult[];
  readonly successes: number;
  readonly runs: number;
  readonly interval: Interval;
}

/** By family, in the order they come in. */
export function byFamily(results: readonly ModesResult[]): ModesSummary[] {
  return grouped(results, ({ family }) => family);
}

/** By family and learning rate, rates in rising order. */
export function byRate(results: readonly ModesResult[]): ModesSummary[] {
  return byFamily(results).flatMap(({ results: own }) =>
    grouped(
      own.toSorted((a, b) => a.lr - b.lr),
      ({ lr }) => String(lr),
    ),
  );
}

function grouped(results: readonly ModesResult[], key: (result: ModesResult) => string): ModesSummary[] {
  return [...new Set(results.map(key))].map(name => {
    const own = results.filter(result => key(result) === name);
    const successes = own.filter(stands).length;
    const { family, label, kind, without } = own[0];
    const interval = wilson(successes, own.length);
    return { family, label, kind, without, results: own, successes, runs: own.length, interval };
  });
}
