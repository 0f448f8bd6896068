/** @file The transformer's settings, and what of them must fit together. */
import { z } from 'zod';
import { amount, belowOne, channels, count, depth, fraction } from '../../config/fields.ts';
import { openChoice } from '../../config/names.ts';
import { patchSchema, patchTrainSchema } from '../../config/patch.ts';
import { codebookSizeOf } from '../../config/patch-sizes.ts';
import { rejectConfig } from '../../config/reject.ts';
import { checkCaptionDrop, type RunConfig } from '../../config/run.ts';
import { variantNames } from '../../image/variants.ts';
import { maskPatterns } from '../../nn/masks.ts';
import { codeOrders } from '../../nn/orders.ts';

/** The transformer. */
export const modelSchema = z.object({
  captionLength: count.max(4096).default(256).describe('caption positions'),
  width: channels.default(256).describe('channels of the residual stream'),
  layers: depth.default(6).describe('layers of attention and feed-forward'),
  heads: count.max(1024).default(4).describe('attention heads of each layer; they divide the width'),
  mlp: z.enum(['swiglu', 'gelu']).default('swiglu').describe('kind of the feed-forward layers'),
  mlpWidth: count
    .max(2 ** 20)
    .optional()
    .describe('channels inside them (default: 8/3 width for swiglu, 4 width for gelu)'),
  norm: z.enum(['rms', 'layer']).default('rms').describe('normalisation before each layer: RMSNorm or LayerNorm'),
  qkNorm: z.boolean().default(true).describe('normalise queries and keys'),
  positions: z
    .enum(['rope', 'learned', 'both'])
    .default('both')
    .describe('rotary, or added embeddings of position, row and column'),
  order: z
    .enum(codeOrders)
    .default('raster')
    .describe('the order of the codes: row by row, or coarse cells first and finer ones between them'),
  coarse: z
    .int()
    .min(0)
    .max(256)
    .default(0)
    .describe(
      'interlaced: pictures that are learnt by their coarse codes alone, the first sixteenth, beside each whole one of a batch',
    ),
  attention: openChoice(() => [...maskPatterns().keys()])
    .default('full')
    .describe("full causal, or DALL·E's row, column, row, row ... convolution"),
  convKernel: count.max(255).default(11).describe("side of the convolutional mask of DALL·E's last layer"),
  dropout: belowOne.default(0.1).describe('share of what a layer adds that is left out'),
  dropoutAfter: amount.default(0).describe('passes over the data after which dropout sets in'),
  codeNoise: belowOne
    .default(0)
    .describe(
      'share of the codes that training reads, not of those it predicts, replaced at random: against learning by heart',
    ),
  variants: z
    .array(z.enum(variantNames))
    .max(variantNames.length)
    .overwrite(asked => variantNames.filter(name => asked.includes(name)))
    .default([])
    .describe(
      'changed pictures that are learnt beside the plain ones, with a sign of how, which painting leaves out; default none',
    ),
  captionDrop: fraction.default(0.1).describe('share of captions left out in training, for guidance'),
  captionWeight: fraction.default(0.125).describe('weight of the caption loss; the image loss has the rest'),
  zLoss: amount.default(1e-5).describe('weight of the squared log-partition'),
});

export type ModelConfig = Readonly<z.infer<typeof modelSchema>>;

/** Sections of a transformer's run. */
export const transformerSections = { patch: patchSchema, patchTrain: patchTrainSchema, model: modelSchema };

declare module '../../config/run.ts' {
  interface Sections {
    patch: typeof patchSchema;
    patchTrain: typeof patchTrainSchema;
    model: typeof modelSchema;
  }
}

/** A lower bound of the numbers of its networks: tables, heads and the matrices of its layers, and the patch tokenizer's blocks. */
export function leastOfTransformer({ model, patch }: RunConfig): number {
  const { width, layers, mlp, captionLength } = model;
  const [matrices, times] = mlp === 'swiglu' ? [3, 2.6] : [2, 4];
  const { mlpWidth: inner = times * width } = model;
  const vocabulary = 256 + captionLength + codebookSizeOf(patch);
  const codebook = patch.quantizer === 'vq' ? patch.codebookSize * patch.codeDim : 0;
  const blocks = 15 * patch.codeBlocks * patch.maxWidth ** 2 + codebook; // the decoder's, and half as many of the encoder
  return layers * width * (4 * width + matrices * inner) + 2 * vocabulary * width + blocks;
}

/** @throws UserError naming the field with which nothing would be learnt */
export function checkNewTransformer({ model, patch, patchTrain }: RunConfig): void {
  checkCaptionDrop('model.captionDrop', model.captionDrop);
  if (model.captionWeight === 1) {
    rejectConfig(
      'model.captionWeight 1: the image loss would have no weight, and no image be learnt; expected less than 1',
      'e.g. --caption-weight 0.125',
    );
  }
  const { l1, l2, edges, decay, finalLr, warmup } = patchTrain;
  if (patch.quantizer !== 'dvae' && l1 + l2 + edges === 0) {
    rejectConfig(
      'patchTrain.l1, l2 and edges are all 0: no error would have a weight, and nothing be learnt',
      'e.g. --l2 5',
    );
  }
  if (finalLr === 0 && decay <= warmup) {
    rejectConfig(
      `patchTrain.decay ${decay}: with finalLr 0 the learning rate would be 0 from the end of the warm-up (${warmup}) on`,
      'e.g. --patch-train.decay 1',
    );
  }
}
