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
  /**
   * The paper's choices and schedules (Ramesh et al. 2021, arXiv:2102.12092, appendices A and B) at the width of `small`;
   * docs/decisions/dalle-preset.md lists what differs. Its learning rates are those of batches of 512 and 1,024.
   */
  dalle: {
    images: { imageSize: 256 },
    caption: { bpeDropout: 0.1 },
    patch: { grid: 32, quantizer: 'dvae', codebookSize: 8192 },
    patchTrain: {
      lr: 1e-4,
      warmup: 0,
      // To 1.25e-6, over 1,200,000 of 3,000,000 updates.
      finalLr: 0.0125,
      decay: 0.4,
      beta1: 0.9,
      beta2: 0.999,
      weightDecay: 1e-4,
      clip: 1e9,
      ema: 0.999,
    },
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
    train: {
      lr: 4.5e-4,
      // 5,000 of 430,000 updates; then constant, halved where the validation loss no longer falls.
      warmup: 5000 / 430000,
      finalLr: 1,
      plateau: 3,
      beta1: 0.9,
      beta2: 0.96,
      weightDecay: 0.045,
      clip: 4,
      // 0.99 every 25 updates.
      ema: 0.99 ** (1 / 25),
    },
    // The paper samples at temperature 1 and predates guidance, which needs captions left out in training.
    sampling: { temperature: 1, cfgScale: 1 },
  },
} as const satisfies Record<string, Partial<Record<keyof RunConfigInput, object>>>;

export type PresetName = keyof typeof presets;
/** Where a run starts from that names none. */
export const defaultPreset: PresetName = 'small';
export const presetNames = Object.keys(presets) as readonly PresetName[];
