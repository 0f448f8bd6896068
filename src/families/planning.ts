/**
 * @file What a family says of itself so that its trainings can be planned: the sizes that it may have, what its work costs in
 * counted operations and passes, what keeps it from learning few pictures by heart, and words. Every part may be left out; what
 * stands then is here, too. How a plan is made of it is the matter of src/runs/plan.
 */
import type { RunConfig, RunConfigInput } from '../config/run.ts';
import { flattenConfig } from '../config/schema.ts';

/** Fields of a config, under their sections. */
export type PlannedFields = Readonly<Partial<Record<keyof RunConfigInput, object>>>;

/** A size that a family may have. */
export interface PlanRung {
  /** Pixels of a side of the pictures; those that are planned are no larger than the data's. */
  readonly imageSize: number;
  /** What else makes it this size, e.g. `{ model: { width: 512 } }`. */
  readonly fields?: PlannedFields;
  /** Steps after which fifty pictures are well learnt; more pictures need more. A rung is taken where most of them fit the time. */
  readonly steps: number;
}

export const pictureKinds = ['drawings', 'photographs'] as const;
/** What most pictures are, by their even areas. */
export type PictureKind = (typeof pictureKinds)[number];

/** What a family may know of the data that it is planned for. */
export interface PlannedData {
  readonly pictures: number;
  readonly kind: PictureKind;
  /** Ids of a caption that nearly all of them have at most. */
  readonly captionIds: number;
}

/** What keeps a model from learning few pictures by heart. */
export interface Regularisation {
  readonly kind: PictureKind;
  /** It is for fewer pictures than this. */
  readonly below: number;
  readonly fields: PlannedFields;
}

/** Forward passes of the network, each a third of what a training step computes of an image. */
export interface PlanPasses {
  /** To paint an image of a sheet; default 1. One that leaves a processor half idle counts twice. */
  readonly painting?: number;
  /** To paint an image that an evaluation looks at (`train.checkSamples`); default as in a sheet. */
  readonly checking?: number;
  /** Of a held-out image in an evaluation; default 1, and 0 for a family without `validation`. */
  readonly validation?: number;
  /** Most held-out images that an evaluation measures; default all. */
  readonly validatedAtMost?: number;
  /** Time that painting such an image takes, as a share of that of an image of a sheet; default 1. */
  readonly checkingShare?: number;
}

/** See the file's doc. */
export interface FamilyPlanning {
  /**
   * Sizes, the smallest first; the largest is chosen that gets its steps in the time. Of those that are of one `shape`, because
   * somebody has asked for fields of them or the pictures are small, the first counts. Default: pictures of 64 and 128 pixels.
   */
  readonly rungs?: readonly PlanRung[];
  /** Fields that follow the data, over those of a rung; always the same ones, whatever their values. */
  readonly fieldsFor?: (data: PlannedData, rung: PlanRung) => PlannedFields;
  /** For few pictures; the first that fits counts. Default none. */
  readonly regularisation?: readonly Regularisation[];
  /** Floating-point operations of the forward and the backward pass of one image; default as many a pixel as a GAN makes. */
  readonly operations?: (config: RunConfig) => number;
  readonly passes?: (config: RunConfig) => PlanPasses;
  /** A size in words that stand behind its pixels, e.g. `as 16 x 16 codes`; default the fields in which its rungs differ. */
  readonly shape?: (config: RunConfig) => string;
  /** The size of its network, for the plan's line about the model, e.g. `width 256, 6 layers`; default none. */
  readonly network?: (config: RunConfig) => string;
}

/** What is known of a family for plans, with what stands where it says nothing. */
export interface Planning extends Required<Omit<FamilyPlanning, 'passes'>> {
  readonly passes: (config: RunConfig) => Required<PlanPasses>;
}

/** Steps from which on a model is trained for hours, and can have settings that fewer would break. */
export const LONG = 5000;

const wholeImages: readonly PlanRung[] = [
  { imageSize: 64, steps: 1500 },
  { imageSize: 128, steps: 8000 },
];

/** Operations a pixel where nobody says how many. */
const OPERATIONS_A_PIXEL = 3e5;

/** What a family says, and the defaults of what it does not. @param family its definition */
export function planningOf({
  planning = {},
  validation,
}: {
  readonly planning?: FamilyPlanning;
  readonly validation?: object;
}): Planning {
  const { rungs = wholeImages, passes = () => ({}) as PlanPasses } = planning;
  return {
    rungs,
    fieldsFor: planning.fieldsFor ?? (() => ({})),
    regularisation: planning.regularisation ?? [],
    operations: planning.operations ?? (({ images }) => OPERATIONS_A_PIXEL * images.imageSize ** 2),
    passes: config => {
      const said = passes(config);
      const { painting = 1, checking = painting, checkingShare = 1 } = said;
      const { validation: each = validation === undefined ? 0 : 1, validatedAtMost = Number.POSITIVE_INFINITY } = said;
      return { painting, checking, checkingShare, validation: each, validatedAtMost };
    },
    shape: planning.shape ?? (config => differenceOf(rungs, config)),
    network: planning.network ?? (() => ''),
  };
}

/** The fields by which some rungs differ, as a config has them: `with side 8`; '' where there are none. */
function differenceOf(rungs: readonly PlanRung[], config: RunConfig): string {
  const all = rungs.map(({ fields = {} }) => flattenConfig(fields as Record<string, unknown>));
  const names = [...new Set(all.flatMap(fields => Object.keys(fields)))];
  const differing = names.filter(name => new Set(all.map(fields => JSON.stringify(fields[name]))).size > 1);
  const values = flattenConfig({ ...config });
  const words = differing.map(name => `${name.slice(name.lastIndexOf('.') + 1)} ${String(values[name])}`);
  return words.length === 0 ? '' : `with ${words.join(', ')}`;
}

/** Positions for nearly all captions, in steps of four: each of them costs time at every step. */
export function positionsFor(captionIds: number, least: number): number {
  return Math.min(256, Math.max(least, 4 * Math.ceil((captionIds + 1) / 4)));
}
