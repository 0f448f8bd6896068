/**
 * @file Every hyperparameter of a run: zod schemas that give the types, the defaults, the checks, the flags of the
 * command line and the `config.json` in the run folder; and the presets, which are nothing but partial configs.
 * Lengths of schedules are fractions of their training, so that a shorter run is the same run in small.
 */
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import { OpenNames } from './names.ts';

const fraction = z.number().min(0).max(1);
const belowOne = z.number().min(0).lt(1);
const positive = z.number().positive();
const count = z.number().int().positive();

/** Where the images come from and how they are cut. */
export const imagesSchema = z.object({
  imageSize: count.multipleOf(8).default(128).describe('height and width of the images in pixels'),
  validation: fraction.default(0.05).describe('share of the items held out, chosen by a hash of their names'),
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
});

export const quantizers = ['fsq', 'vq', 'dvae'] as const;

/** The patch tokenizer's network. */
export const patchSchema = z.object({
  grid: count.default(32).describe('codes along each side of the image'),
  quantizer: z.enum(quantizers).default('fsq').describe('how a patch becomes one of the codes'),
  levels: z
    .array(count.min(2))
    .min(1)
    .default([8, 5, 5, 5])
    .describe('fsq: values along each axis; their product is the codebook'),
  codebookSize: count.min(2).max(65536).default(8192).describe('vq and dvae: number of codes'),
  codeDim: count.default(8).describe('vq: dimension of a code'),
  width: count.default(32).describe('channels at the finest stage of the network'),
  maxWidth: count.default(96).describe('channels at the code grid'),
  stem: count.default(2).describe('pixels folded into channels before the first convolution'),
  blocks: count.default(2).describe('residual blocks of the decoder at each resolution; the encoder has half'),
  codeBlocks: count.default(2).describe('residual blocks at the code grid, likewise'),
});

export const optimizers = ['adamw', 'muon'] as const;

/** How the patch tokenizer is trained. */
export const patchTrainSchema = z.object({
  steps: count.default(10000).describe('optimizer steps'),
  batchSize: count.default(8).describe('images a step; small is quick'),
  optimizer: z.enum(optimizers).default('adamw').describe('as for the transformer'),
  lr: positive.default(2e-3).describe('peak learning rate'),
  warmup: fraction.default(0.03).describe('share of the steps in which the learning rate rises'),
  finalLr: fraction.default(0.05).describe('last learning rate as a share of the peak (cosine)'),
  beta1: belowOne.default(0.9),
  beta2: belowOne.default(0.99),
  weightDecay: z.number().min(0).default(0.01),
  clip: positive.default(1).describe('largest global norm of the gradient'),
  ema: belowOne.default(0.998).describe('decay of the averaged weights'),
  l1: z.number().min(0).default(0.5).describe('weight of the absolute error'),
  l2: z.number().min(0).default(5).describe('weight of the squared error'),
  edges: z.number().min(0).default(0.5).describe('weight of the absolute error of image gradients'),
  commitment: z.number().min(0).default(0.25).describe('vq: weight of the commitment loss'),
  reviveAfter: count.default(200).describe('vq: steps after which an unused code takes the place of an encoded patch'),
  klWeight: z
    .number()
    .min(0)
    .default(6.6)
    .describe('dvae: final weight of the KL term, before the division by the values of a patch'),
  klWarmup: fraction.default(0.0017).describe('dvae: share of the steps in which it rises (cosine)'),
  temperature: positive.default(1 / 16).describe('dvae: final temperature of the Gumbel softmax'),
  temperatureSteps: fraction.default(0.05).describe('dvae: share of the steps in which it falls from 1 (cosine)'),
});

/** Patterns of attention masks; src/nn/masks.ts gives them their meaning, and `defineMask` adds more. */
export const attentionPatterns = new OpenNames(['full', 'dalle']);

/** The transformer. */
export const modelSchema = z.object({
  captionLength: count.max(4096).default(256).describe('caption positions'),
  width: count.default(256).describe('channels of the residual stream'),
  layers: count.default(6),
  heads: count.default(4),
  mlp: z.enum(['swiglu', 'gelu']).default('swiglu').describe('kind of the feed-forward layers'),
  mlpWidth: count.optional().describe('channels inside them (default: 8/3 width for swiglu, 4 width for gelu)'),
  norm: z.enum(['rms', 'layer']).default('rms'),
  qkNorm: z.boolean().default(true).describe('normalise queries and keys'),
  positions: z
    .enum(['rope', 'learned', 'both'])
    .default('both')
    .describe('rotary, or added embeddings of position, row and column'),
  attention: attentionPatterns
    .schema()
    .default('full')
    .describe("full causal, or DALL·E's row, column, row, row ... convolution"),
  convKernel: count.default(11).describe("side of the convolutional mask of DALL·E's last layer"),
  dropout: belowOne.default(0.1),
  captionDrop: fraction.default(0.1).describe('share of captions left out in training, for guidance'),
  captionWeight: fraction.default(0.125).describe('weight of the caption loss; the image loss has the rest'),
  zLoss: z.number().min(0).default(1e-5).describe('weight of the squared log-partition'),
});

/** How the transformer is trained. */
export const trainSchema = z.object({
  steps: count.default(20000).describe('optimizer steps'),
  batchSize: count.default(16).describe('sequences a step'),
  accumulate: count.default(1).describe('parts that a batch is computed in, to save memory'),
  balance: fraction
    .default(0)
    .describe('1 draws every subject (the words before the first comma) alike, 0 every image'),
  optimizer: z.enum(optimizers).default('adamw').describe("muon orthogonalises the updates of the layers' matrices"),
  lr: positive.default(6e-4).describe('peak learning rate'),
  warmup: fraction.default(0.03).describe('share of the steps in which the learning rate rises'),
  finalLr: fraction.default(0.05).describe('last learning rate as a share of the peak (cosine)'),
  beta1: belowOne.default(0.9),
  beta2: belowOne.default(0.95),
  weightDecay: z.number().min(0).default(0.05),
  clip: positive.default(1).describe('largest global norm of the gradient'),
  ema: belowOne.default(0.999).describe('decay of the averaged weights; 0 switches them off'),
  evalEvery: count.default(500).describe('steps between validations'),
  checkSamples: z
    .number()
    .int()
    .min(0)
    .max(10000)
    .default(0)
    .describe('images painted at each validation to watch for collapse; 0: none'),
  sampleEvery: count.default(1000).describe('steps between sample grids'),
  saveEvery: count.default(500).describe('steps between saved states'),
  logEvery: count.default(10).describe('steps between lines of metrics.jsonl'),
});

export const families = ['transformer', 'dcgan', 'r3gan', 'diffusion'] as const;
export type Family = (typeof families)[number];

/** The text encoder of the rivals: a contrastive pair of towers, trained on the captions first and then frozen. */
export const textSchema = z.object({
  length: count.max(256).default(32).describe('caption ids it reads'),
  dim: count.default(128).describe('features of a caption'),
  width: count.default(128).describe('channels of its transformer'),
  layers: count.default(2),
  heads: count.default(4),
  imageWidth: count.default(32).describe('channels of its image tower at the finest stage'),
});

/** How the text encoder is trained. */
export const textTrainSchema = z.object({
  steps: count.default(600).describe('optimizer steps'),
  batchSize: count.default(64).describe('pairs a step; the others of a batch are the wrong answers'),
  optimizer: z.enum(optimizers).default('muon').describe('as for the transformer'),
  lr: positive.default(4e-3).describe('peak learning rate'),
  warmup: fraction.default(0.05).describe('share of the steps in which the learning rate rises'),
  finalLr: fraction.default(0.05).describe('last learning rate as a share of the peak (cosine)'),
  beta1: belowOne.default(0.9),
  beta2: belowOne.default(0.98),
  weightDecay: z.number().min(0).default(0.1),
  clip: positive.default(1).describe('largest global norm of the gradient'),
  ema: belowOne.default(0.99).describe('decay of the averaged weights'),
  crop: belowOne.default(0.1).describe('how far every image is shifted and zoomed anew, as a share of its side'),
  views: z.number().min(0).default(0).describe('weight of the loss between two crops of an image; 0 computes none'),
});

export const ganLosses = ['minimax', 'nonsaturating', 'hinge', 'relativistic'] as const;
export const predictions = ['none', 'G', 'both'] as const;
export const augmentations = ['colour', 'translation', 'cutout'] as const;

/** The generator, the discriminator and their game. */
export const ganSchema = z.object({
  latent: count.default(64).describe('dimension of the noise'),
  width: count.default(32).describe('channels at the finest stage; doubled with every halving, up to eight times'),
  blocks: count.default(1).describe('r3gan: residual blocks at each resolution'),
  loss: z.enum(ganLosses).default('nonsaturating').describe('what the two players minimise'),
  r1: z.number().min(0).default(0).describe('weight of the squared gradient of D at real images; 0: none'),
  r2: z.number().min(0).default(0).describe('weight of the squared gradient of D at generated images; 0: none'),
  gammaEnd: positive.max(1).default(1).describe('share of r1 and r2 that is left after the burn-in (cosine)'),
  burnIn: fraction.default(0.1).describe('share of the steps in which they fall to it'),
  predict: z.enum(predictions).default('none').describe('prediction method: who stands ahead while the other moves'),
  augment: z
    .array(z.enum(augmentations))
    .default(['colour', 'translation', 'cutout'])
    .describe('DiffAugment on every image that D sees'),
  mismatch: z.number().min(0).default(0.5).describe("weight of D's loss on real images with another's caption"),
  captionDrop: fraction.default(0.1).describe('share of captions left out in training, to paint without one'),
});

export const preconditionings = ['edm', 'flow'] as const;

/** The denoiser and its noise. */
export const diffusionSchema = z.object({
  precond: z.enum(preconditionings).default('edm').describe('edm (Karras et al. 2022) or rectified flow'),
  stem: count.default(2).describe('pixels folded into channels before the first convolution'),
  width: count.default(64).describe('channels at the finest stage'),
  multipliers: z.array(count).min(1).default([1, 2, 4]).describe('channels of each stage over the width'),
  blocks: count.default(1).describe('residual blocks at each stage'),
  attention: z.array(count).default([8]).describe('sides of the stages with attention, in folded pixels'),
  embedding: count.default(256).describe('channels of the noise and caption embedding'),
  dropout: belowOne.default(0),
  captionDrop: fraction.default(0.1).describe('share of captions left out in training, for guidance'),
  sigmaData: positive.default(0.5).describe('edm: standard deviation of the data'),
  meanSigma: z.number().default(-1.2).describe('edm: mean of ln sigma in training'),
  deviationSigma: positive.default(1.2).describe('edm: standard deviation of ln sigma in training'),
  sigmaMin: positive.default(0.002).describe('edm: least noise in sampling'),
  sigmaMax: positive.default(80).describe('edm: most noise in sampling'),
  rho: positive.default(7).describe('edm: how the noise levels of sampling are spaced'),
  sampleSteps: count.default(18).describe('steps of sampling (edm: two passes each but the last)'),
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
  cfgScale: z.number().min(0).max(100).default(3).describe('how closely to follow the caption; 1: no guidance'),
});

/** A whole run. */
export const runSchema = z.object({
  seed: z.number().int().min(0).max(0xffffffff).default(0),
  family: z.enum(families).default('transformer').describe('what learns to paint'),
  images: imagesSchema.prefault({}),
  caption: captionSchema.prefault({}),
  patch: patchSchema.prefault({}),
  patchTrain: patchTrainSchema.prefault({}),
  model: modelSchema.prefault({}),
  text: textSchema.prefault({}),
  textTrain: textTrainSchema.prefault({}),
  gan: ganSchema.prefault({}),
  diffusion: diffusionSchema.prefault({}),
  train: trainSchema.prefault({}),
  sampling: samplingSchema.prefault({}),
});

export type ImagesConfig = Readonly<z.infer<typeof imagesSchema>>;
export type CaptionConfig = Readonly<z.infer<typeof captionSchema>>;
export type PatchConfig = Readonly<z.infer<typeof patchSchema>>;
export type PatchTrainConfig = Readonly<z.infer<typeof patchTrainSchema>>;
export type ModelConfig = Readonly<z.infer<typeof modelSchema>>;
export type TrainConfig = Readonly<z.infer<typeof trainSchema>>;
export type TextConfig = Readonly<z.infer<typeof textSchema>>;
export type TextTrainConfig = Readonly<z.infer<typeof textTrainSchema>>;
export type GanConfig = Readonly<z.infer<typeof ganSchema>>;
export type GanLoss = GanConfig['loss'];
export type DiffusionConfig = Readonly<z.infer<typeof diffusionSchema>>;
export type RunConfig = Readonly<z.infer<typeof runSchema>>;
export type RunConfigInput = z.input<typeof runSchema>;

/** Codes are stored as 16-bit numbers. */
const MOST_CODES = 65536;

/** Number of codes of a patch tokenizer. */
export function codebookSizeOf(patch: Pick<PatchConfig, 'quantizer' | 'levels' | 'codebookSize'>): number {
  return patch.quantizer === 'fsq' ? patch.levels.reduce((a, b) => a * b, 1) : patch.codebookSize;
}

/** Pixels along one side of a patch. */
export function patchSizeOf(config: Pick<RunConfig, 'images' | 'patch'>): number {
  return config.images.imageSize / config.patch.grid;
}

/**
 * Checks what no single field can: that the parts of the run's family fit together.
 * @throws UserError naming the fields
 */
export function checkConfig(config: RunConfig): RunConfig {
  const { family, train } = config;
  if (train.batchSize % train.accumulate !== 0) {
    refuse(`batchSize ${train.batchSize} is not a multiple of accumulate ${train.accumulate}`);
  }
  checkText(config);
  switch (family) {
    case 'transformer':
      checkPatches(config);
      checkTransformer(config);
      break;
    case 'dcgan':
    case 'r3gan':
      checkGan(config);
      break;
    case 'diffusion':
      checkDiffusion(config);
      break;
    default:
      family satisfies never;
  }
  return Object.freeze(config);
}

function refuse(problem: string, hint?: string): never {
  throw new UserError('config', problem, hint);
}

function checkPatches(config: RunConfig): void {
  const { images, patch } = config;
  const factor = patchSizeOf(config);
  if (!Number.isInteger(Math.log2(factor)) || factor < patch.stem || !Number.isInteger(Math.log2(patch.stem))) {
    refuse(
      `imageSize ${images.imageSize} / grid ${patch.grid} = ${factor}, expected a power of two that is at least stem (${patch.stem})`,
      'e.g. --image-size 128 --grid 32, or --image-size 64 --grid 16',
    );
  }
  const codes = codebookSizeOf(patch);
  if (codes > MOST_CODES) {
    refuse(`${codes} codes, expected at most ${MOST_CODES}`, 'shorten --levels, whose product is the number of codes');
  }
}

function checkTransformer({ model }: RunConfig): void {
  if (model.width % model.heads !== 0 || (model.width / model.heads) % 4 !== 0) {
    refuse(
      `width ${model.width} / heads ${model.heads}: expected a multiple of 4 channels a head`,
      'e.g. --width 256 --heads 4',
    );
  }
  if (model.convKernel % 2 === 0) {
    refuse(`convKernel ${model.convKernel}, expected an odd number`, 'e.g. --conv-kernel 11');
  }
}

function checkText({ text }: RunConfig): void {
  if (text.width % text.heads !== 0) {
    refuse(
      `text.width ${text.width} / text.heads ${text.heads}: expected whole channels a head`,
      'e.g. --text.width 128 --text.heads 4',
    );
  }
}

function checkGan({ family, images: { imageSize } }: RunConfig): void {
  if (imageSize < 8 || !Number.isInteger(Math.log2(imageSize))) {
    refuse(`imageSize ${imageSize}, expected a power of two from 8 on for ${family}`, 'e.g. --image-size 64');
  }
}

/** Channels of a group in group norm, which the denoiser's widths are made of. */
export const GROUP_CHANNELS = 8;

function checkDiffusion({ images: { imageSize }, diffusion }: RunConfig): void {
  const { stem, width, multipliers, sigmaMin, sigmaMax } = diffusion;
  if (sigmaMin >= sigmaMax) {
    refuse(`sigmaMin ${sigmaMin}, expected less than sigmaMax, which is ${sigmaMax}`, 'e.g. --sigma-min 0.002');
  }
  const folded = stem * 2 ** (multipliers.length - 1);
  if (imageSize % folded !== 0) {
    refuse(
      `imageSize ${imageSize}, expected a multiple of ${folded}: stem ${stem}, halved ${multipliers.length - 1} times`,
      'e.g. --image-size 64 --diffusion.stem 2 --multipliers 1,2,2',
    );
  }
  const odd = multipliers.map(multiplier => width * multiplier).find(channels => channels % GROUP_CHANNELS !== 0);
  if (odd !== undefined) {
    refuse(
      `diffusion.width times multipliers gives ${odd}, expected multiples of ${GROUP_CHANNELS} channels`,
      'e.g. --diffusion.width 64',
    );
  }
}
