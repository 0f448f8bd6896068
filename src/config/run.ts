/**
 * @file What a run's config is: the sections that every run has, and the place where the families' own sections join their
 * types. Schemas give the types, the defaults, the checks, the flags of the command line and `config.json` in the run
 * folder. Lengths of schedules are fractions of their training, so that a shorter run is the same run in small.
 * The schema of a whole run is put together from the registered families in src/families/config.ts.
 */
import { z } from 'zod';
import { weightKinds } from '../io/runfiles.ts';
import { amount, batch, belowOne, count, fraction, optimizers, positive, splitNames } from './fields.ts';
import { rejectConfig } from './reject.ts';

/** Where the images come from and how they are cut. */
export const imagesSchema = z.object({
  imageSize: count.max(4096).multipleOf(8).default(128).describe('height and width of the images in pixels'),
  validation: fraction.default(0.05).describe('share of the items held out, chosen by a hash of their names'),
  split: z
    .array(z.enum(splitNames))
    .min(1)
    .max(splitNames.length)
    .overwrite(asked => splitNames.filter(name => asked.includes(name)))
    .default(['train'])
    .describe(
      'published splits that are trained on, where the data has some; validation is held out unless it is named',
    ),
  crops: count.max(64).default(4).describe('crops of every image that are turned into codes, once'),
  cropAmount: fraction.default(1).describe("how far crops shift and zoom; 1 is DALL·E's eighth of the image"),
  padCrops: z
    .boolean()
    .default(false)
    .describe('crops may reach beyond the image, into white: for drawings on a plain ground'),
  flip: z.boolean().default(false).describe('also mirror half of the crops (wrong where captions say left or right)'),
});

/** The caption tokenizer. */
export const captionSchema = z.object({
  vocabSize: count.min(256).max(16384).default(16384).describe('largest number of byte-pair entries'),
  bpeDropout: fraction.default(0.1).describe('chance that a merge is skipped while training'),
  firstShare: fraction
    .default(0)
    .describe('chance that an image of several captions is shown with its first; otherwise with any'),
});

/** Fewest pictures, painted and real, that say anything of a collapse. */
export const FEWEST_CHECKED = 8;

/** Forms of the log for other programs. */
export const logFormats = ['csv', 'tensorboard'] as const;
export type LogFormat = (typeof logFormats)[number];
const logFileChoices = ['both', ...logFormats, 'none'] as const;

/** The forms of the log that a run keeps. */
export function keptFormats({ logFiles }: Pick<TrainConfig, 'logFiles'>): readonly LogFormat[] {
  return logFormats.filter(format => logFiles === format || logFiles === 'both');
}

/** How what paints is trained. */
export const trainSchema = z.object({
  steps: count.default(20000).describe('optimizer steps'),
  batchSize: batch.default(16).describe('sequences or images a step'),
  accumulate: batch.default(1).describe('parts that a batch is computed in, to save memory'),
  balance: fraction
    .default(0)
    .describe('1 draws every subject (the words before the first comma) alike, 0 every image'),
  optimizer: z.enum(optimizers).default('adamw').describe("muon orthogonalises the updates of the layers' matrices"),
  lr: positive.default(6e-4).describe('peak learning rate'),
  warmup: fraction.default(0.03).describe('share of the steps in which the learning rate rises'),
  finalLr: fraction.default(0.05).describe('last learning rate as a share of the peak (cosine)'),
  plateau: z
    .number()
    .int()
    .min(0)
    .max(1e9)
    .default(0)
    .describe('validations without a better loss after which the learning rate halves, five times at most; 0: never'),
  patience: z
    .number()
    .int()
    .min(0)
    .max(1e9)
    .default(0)
    .describe('validations without a better loss after which the training ends; 0: never'),
  beta1: belowOne.default(0.9).describe('AdamW: decay of the mean of gradients'),
  beta2: belowOne.default(0.95).describe('AdamW: decay of the mean of squared gradients'),
  weightDecay: amount.default(0.05).describe('decay of weight matrices towards 0'),
  pull: amount
    .default(0)
    .describe('decay towards the weights that it started from (--from), in the place of --weight-decay'),
  clip: positive.default(1).describe('largest global norm of the gradient'),
  ema: belowOne.default(0.999).describe('decay of the averaged weights; 0 switches them off'),
  evalEvery: count.default(500).describe('steps between validations'),
  checkSamples: z
    .number()
    .int()
    .min(0)
    .max(10000)
    .default(0)
    .describe(`images painted at each validation to watch for collapse, at least ${FEWEST_CHECKED}; 0: none`),
  sampleEvery: count.default(1000).describe('steps between sample sheets'),
  saveEvery: count.default(500).describe('steps between saved states'),
  logEvery: count.default(10).describe('steps between lines of metrics.jsonl'),
  logFiles: z
    .enum(logFileChoices)
    .default('both')
    .describe('what is kept of the log for other programs: metrics.csv for spreadsheets, event files for TensorBoard'),
});

/** Fields of the sections `train`, `patchTrain` and so on by which a training is only looked at. */
const lookedAt = /^(train|\w+Train)\.(evalEvery|sampleEvery|saveEvery|logEvery|logFiles|checkSamples)$/;

/** Whether a field, e.g. `train.logEvery`, says how closely a training is watched, and nothing of what is learnt. */
export function isWatching(field: string): boolean {
  return lookedAt.test(field);
}

/** Whether a run that is gone on with may have another value of a field: how long and how closely watched it is trained. */
export function isChangeable(field: string): boolean {
  // Samples that are checked choose the best weights of a family without a loss of its own.
  return (
    /^((train|\w+Train)\.steps|train\.patience)$/.test(field) || (isWatching(field) && !field.endsWith('.checkSamples'))
  );
}

/** How long a training is to take, where that was asked for or chosen. */
export const planSchema = z.object({
  minutes: positive
    .max(1e7)
    .optional()
    .describe('time for the whole training, which its sizes and steps are fitted to'),
  epochs: positive
    .max(1e7)
    .optional()
    .describe('passes that the model makes over the training images, in place of steps'),
});

/** How a run paints unless it is asked otherwise. */
export const samplingSchema = z.object({
  temperature: z
    .number()
    .min(0)
    .max(100)
    .default(1)
    .describe('below 1 safer, above 1 wilder; 0 takes the likeliest code'),
  topK: z.number().int().min(0).default(0).describe('draw from the k likeliest codes; 0: from all'),
  topP: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .describe('draw from the likeliest codes that have this probability together'),
  fineTemperature: z
    .number()
    .min(0)
    .max(100)
    .default(1)
    .describe(
      'interlaced: the temperature of the fine codes, all but the first sixteenth, over that of the coarse ones',
    ),
  cfgScale: z.number().min(0).max(100).default(3).describe('how closely to follow the caption; 1: no guidance'),
});

/** What the share of every batch may be that comes from what a trained model knows. */
export const keptShare = { least: 0.001, most: 0.9 } as const;

/** What a run was started from: written when it is made, and no field to be set. */
export const fromSchema = z.object({
  name: z.string().min(1).max(4096).describe('the shipped model, or the folder of the run'),
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('SHA-256 of its weights'),
  weights: z.enum(weightKinds).describe('which of its weights'),
  step: z.number().int().min(0).max(1e10).describe('of its training'),
  psnr: z
    .number()
    .optional()
    .describe('that its patch tokenizer reached on its own held-out pictures, if that is known'),
  patch: z
    .enum(['auto', 'keep', 'decoder', 'all', 'anew'])
    .optional()
    .describe('what becomes of its patch tokenizer; auto: decided by the pictures; anew: of another shape'),
  keep: z
    .object({
      share: z.number().positive().lt(1).describe('of every batch that comes from its data'),
      drawn: z.boolean().describe('whether that is drawn; else it is a folder'),
      validation: imagesSchema.shape.validation,
      split: imagesSchema.shape.split,
    })
    .optional()
    .describe('what of its own data is rehearsed, and how that was divided'),
});

/** What can be asked to become of the patch tokenizer of a trained model. */
export const patchChoices = ['keep', 'decoder', 'all'] as const;
export type PatchChoice = (typeof patchChoices)[number];

export type FromConfig = Readonly<z.infer<typeof fromSchema>>;

export type ImagesConfig = Readonly<z.infer<typeof imagesSchema>>;
export type TrainConfig = Readonly<z.infer<typeof trainSchema>>;

/**
 * The sections of a run's config by name. A family adds its own where it defines them:
 * `declare module '.../config/run.ts' { interface Sections { gan: typeof ganSchema } }`.
 */
export interface Sections {
  plan: typeof planSchema;
  images: typeof imagesSchema;
  caption: typeof captionSchema;
  train: typeof trainSchema;
  sampling: typeof samplingSchema;
}

/** A whole run. Sections of families other than its own are at their defaults. */
export type RunConfig = {
  readonly seed: number;
  /** What learns to paint, by its registered name. */
  readonly family: string;
  /** Absent where it was trained from nothing. */
  readonly from?: FromConfig;
} & { readonly [Name in keyof Sections]: Readonly<z.infer<Sections[Name]>> };

/** What the config of every run has; no family's section has such a name. */
export const commonFields = ['seed', 'family', 'from', 'plan', 'images', 'caption', 'train', 'sampling'] as const;

/** What a run's config is made of: everything that is left out has a default. */
export type RunConfigInput = {
  readonly seed?: number;
  readonly family?: string;
} & { readonly [Name in keyof Sections]?: z.input<Sections[Name]> };

/** @throws UserError if captions would always be left out. @param field e.g. `model.captionDrop` */
export function checkCaptionDrop(field: string, share: number): void {
  if (share < 1) return;
  rejectConfig(
    `${field} ${share}: every caption would be left out of training, and none learnt; expected less than 1`,
    'e.g. --caption-drop 0.1',
  );
}
