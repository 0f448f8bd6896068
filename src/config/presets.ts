/**
 * @file Starting points: presets by size, nothing but partial configs.
 */
import type { RunConfigInput } from './run.ts';

/** Starting points; every field can still be set by flag or file. */
export const presets = {
  /** What the demo trains: an 8x8 grid of 64x64 pixels and short captions, made for minutes on two CPU cores. */
  tiny: {
    images: { imageSize: 64, crops: 1, cropAmount: 0.4, padCrops: true },
    caption: { vocabSize: 2048, bpeDropout: 0 },
    patch: { grid: 8, levels: [7, 5, 5, 5, 5], width: 32, maxWidth: 96, stem: 4 },
    patchTrain: { steps: 2500, batchSize: 16, optimizer: 'muon', lr: 4e-3 },
    model: { captionLength: 20, width: 256, layers: 6, heads: 4, dropout: 0 },
    train: {
      steps: 800,
      batchSize: 32,
      balance: 0.6,
      optimizer: 'muon',
      lr: 6e-3,
      evalEvery: 100,
      sampleEvery: 200,
      saveEvery: 100,
    },
    sampling: { temperature: 0.4, cfgScale: 1 },
  },
  /** What the fields' own defaults make, d 256 and 6 layers: the full 256 + 1024 positions at the size of a laptop. */
  small: {},
  /** d 768, 12 layers: for a GPU. */
  base: { model: { width: 768, layers: 12, heads: 12 }, train: { lr: 3e-4 } },
  /** The paper's choices (Ramesh et al. 2021) at the width of `small`. */
  dalle: {
    caption: { bpeDropout: 0.1 },
    patch: { quantizer: 'dvae', codebookSize: 8192 },
    patchTrain: { lr: 1e-3 },
    model: {
      mlp: 'gelu',
      norm: 'layer',
      qkNorm: false,
      positions: 'learned',
      attention: 'dalle',
      dropout: 0,
      captionDrop: 0,
      zLoss: 0,
    },
    train: { beta2: 0.96, weightDecay: 0.045, clip: 4, ema: 0.99 },
    // The paper samples at temperature 1 and predates guidance, which needs captions left out in training.
    sampling: { cfgScale: 1 },
  },
} as const satisfies Record<string, Partial<Record<keyof RunConfigInput, object>>>;

export type PresetName = keyof typeof presets;
/** Where a run starts from that names none. */
export const defaultPreset: PresetName = 'small';
export const presetNames = Object.keys(presets) as readonly PresetName[];
