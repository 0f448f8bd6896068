/** @file What plans know of the transformer: its ladder of sizes, its operations, and what keeps it from learning by heart. */
import { codebookSizeOf } from '../../config/patch-sizes.ts';
import type { RunConfig } from '../../config/run.ts';
import { variantNames } from '../../image/variants.ts';
import { coarsePlaces } from '../../nn/orders.ts';
import { type FamilyPlanning, LONG, type PlannedData, type PlanRung, positionsFor } from '../planning.ts';
import type { ModelConfig } from './config.ts';

interface Size {
  /** Pixels of a side of the pictures, and codes. */
  readonly size: number;
  readonly grid: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly batchSize: number;
  readonly lr: number;
  readonly steps: number;
}

/** From minutes on two cores to a day of a GPU. */
const sizes: readonly Size[] = [
  { size: 64, grid: 8, width: 256, layers: 6, heads: 4, batchSize: 32, lr: 6e-3, steps: 500 },
  { size: 64, grid: 16, width: 256, layers: 6, heads: 4, batchSize: 32, lr: 6e-3, steps: 1500 },
  { size: 128, grid: 16, width: 256, layers: 6, heads: 4, batchSize: 32, lr: 6e-3, steps: 1800 },
  { size: 128, grid: 32, width: 256, layers: 6, heads: 4, batchSize: 16, lr: 4e-3, steps: 5000 },
  { size: 128, grid: 32, width: 512, layers: 8, heads: 8, batchSize: 16, lr: 3e-3, steps: 8000 },
  { size: 256, grid: 32, width: 768, layers: 12, heads: 12, batchSize: 16, lr: 2e-3, steps: 15000 },
];

function rungOf({ size, grid, width, layers, heads, batchSize, lr, steps }: Size): PlanRung {
  // Guidance breaks pictures of a model that was trained for minutes (docs/results/demo.md).
  const sampling = steps >= LONG ? { sampling: { temperature: 0.8, cfgScale: 2 } } : {};
  return {
    imageSize: size,
    fields: { patch: { grid }, model: { width, layers, heads }, train: { batchSize, lr }, ...sampling },
    steps,
  };
}

function fieldsFor({ kind, captionIds }: PlannedData, { steps }: PlanRung) {
  return {
    model: { captionLength: positionsFor(captionIds, 4) },
    train: { balance: kind === 'drawings' && steps < LONG ? 0.6 : 0 },
  };
}

/** Filled in by measurement (scripts/studies/small-data.ts). */
const regularisation = [
  { kind: 'drawings', below: 1000, fields: modelFields({ variants: [...variantNames], codeNoise: 0 }) },
  { kind: 'photographs', below: 1000, fields: modelFields({ variants: ['mirrored'], codeNoise: 0.15 }) },
] as const;

function modelFields(model: Partial<ModelConfig>) {
  return { model };
}

/** Of a picture and the coarse ones beside it, as `Dalle.flopsPerSequence` counts the weights that it has. */
function operations({ model, patch, caption }: RunConfig): number {
  const { width, layers, captionLength, mlp, coarse } = model;
  const inner = model.mlpWidth ?? (mlp === 'swiglu' ? (8 / 3) * width : 4 * width);
  const blocks = layers * width * (4 * width + (mlp === 'swiglu' ? 3 : 2) * inner);
  const ofSequence = (places: number) => {
    const T = captionLength + places;
    const heads = width * ((caption.vocabSize + captionLength) * captionLength + codebookSizeOf(patch) * places);
    return 6 * (blocks * T + heads + layers * T * T * width);
  };
  return ofSequence(patch.grid ** 2) + (coarse === 0 ? 0 : coarse * ofSequence(coarsePlaces(patch.grid)));
}

/** Painting a code after the other uses a processor worse than training on all at once. */
const PAINTING = 6;

export const transformerPlanning: FamilyPlanning = {
  rungs: sizes.map(rungOf),
  fieldsFor,
  regularisation,
  operations,
  passes: () => ({ painting: PAINTING, validatedAtMost: 512 }),
  shape: ({ patch: { grid }, model: { width } }) =>
    `as ${grid} x ${grid} codes${width > 256 ? ` by width ${width}` : ''}`,
  network: ({ model: { width, layers } }) => `width ${width}, ${layers} layers`,
};
