/** @file What is killed: every kind of work that leaves files, small enough for a minute, with all on that draws or remembers. */

/** A stage in which work can be killed: its title in the progress, and how many steps it has; '' is all of the work. */
export interface Kill {
  readonly stage: string;
  readonly steps: number;
}

/** Work that is to leave the same files, however often it was killed. */
export interface Target {
  readonly name: string;
  /** The command, but for where it writes. */
  readonly argv: readonly string[];
  /** The flag that says where. */
  readonly out: '--out' | '--outputs-dir';
  /** In the order in which they come. */
  readonly stages: readonly Kill[];
  /** Its share of the kills. */
  readonly share: number;
}

const images = { imageSize: 16, validation: 0.25, crops: 2, padCrops: true, flip: true };
const caption = { vocabSize: 300, bpeDropout: 0.2 };
const train = { steps: 40, batchSize: 4, evalEvery: 8, sampleEvery: 16, saveEvery: 5, logEvery: 3 };

/** Config files, by name. */
export const configs: Readonly<Record<string, object>> = {
  transformer: {
    images,
    caption,
    patch: { grid: 4, quantizer: 'vq', codebookSize: 16, width: 4, maxWidth: 8, stem: 2, blocks: 1, codeBlocks: 1 },
    patchTrain: { steps: 60, batchSize: 2, reviveAfter: 20 },
    model: { captionLength: 8, width: 16, layers: 2, heads: 2, dropout: 0.1, captionDrop: 0.2 },
    train: { ...train, accumulate: 2 },
  },
  ...Object.fromEntries(
    ['dcgan', 'r3gan', 'diffusion'].map(family => [
      family,
      {
        family,
        images,
        caption,
        text: { length: 8, dim: 16, width: 16, layers: 1, heads: 2, imageWidth: 8 },
        textTrain: { steps: 24, batchSize: 4 },
        gan: {
          latent: 8,
          width: 8,
          captionDrop: 0.2,
          ...(family === 'dcgan' ? { predict: 'G' } : { predict: 'both' }),
        },
        diffusion: { width: 8, multipliers: [1, 2], attention: [4], embedding: 16, dropout: 0.1, sampleSteps: 3 },
        train: { ...train, steps: 24, checkSamples: 8 },
      },
    ]),
  ),
};

/** @param data a data set; @param run a trained run; @param configAt where a config lies */
export function targetsOf(data: string, run: string, configAt: (name: string) => string): readonly Target[] {
  const training = (name: string, share: number, stages: readonly Kill[]): Target => ({
    name,
    argv: ['train', '--data', data, '--config', configAt(name), '--threads', '1'],
    out: '--out',
    stages,
    share,
  });
  const rival = (name: string) =>
    training(name, 7, [
      { stage: 'text encoder', steps: 24 },
      { stage: name, steps: 24 },
    ]);
  const drawing = (
    name: string,
    argv: readonly string[],
    { steps, share }: { readonly steps: number; readonly share: number },
  ): Target => ({
    name: `data ${name}`,
    argv: ['data', name, ...argv],
    out: '--out',
    stages: [{ stage: name, steps }],
    share,
  });
  return [
    training('transformer', 14, [
      { stage: 'caption tokenizer', steps: 0 },
      { stage: 'patch tokenizer', steps: 60 },
      { stage: 'codes', steps: 1 },
      { stage: 'transformer', steps: 40 },
    ]),
    ...['dcgan', 'r3gan', 'diffusion'].map(rival),
    {
      name: 'features',
      argv: [
        ...['features', '--data', data, '--threads', '1', '--image-size', '16', '--dim', '8', '--width', '16'],
        ...['--image-width', '8', '--steps', '40', '--batch-size', '4'],
      ],
      out: '--out',
      stages: [{ stage: 'text encoder', steps: 40 }],
      share: 5,
    },
    drawing('shapes', ['--count', '150', '--size', '16'], { steps: 150, share: 5 }),
    drawing('modes', ['--per-mode', '1', '--size', '16'], { steps: 900, share: 3 }),
    drawing('emoji', ['--limit', '60', '--size', '16', '--styles', 'twemoji,noto'], { steps: 120, share: 4 }),
    { name: 'export', argv: ['export', '--run', run], out: '--out', stages: [{ stage: '', steps: 0 }], share: 4 },
    {
      name: 'sample',
      argv: ['sample', '--run', run, '--text', 'a red circle|a blue square', '-n', '3', '--threads', '1'],
      out: '--outputs-dir',
      stages: [
        { stage: 'a red circle', steps: 20 },
        { stage: 'a blue square', steps: 20 },
      ],
      share: 4,
    },
  ];
}
