/** @file The benchmark's flags, and which of them each mode takes. */
import { z } from 'zod';
import { kebab } from '../../src/config/schema.ts';
import { UserError } from '../../src/core/errors.ts';

const count = z.number().int().positive();

export const gpuModels = ['small', 'base'] as const;
const gpuParts = ['train', 'sample'] as const;

/** Every flag of every mode; what depends on the mode has its default there. */
export const benchFlags = z.object({
  rival: z.string().optional().describe('train, sample, gpu: Python script to compare with').meta({ title: 'file' }),
  python: z.string().default('/usr/bin/python3').describe('what runs the rival'),
  rounds: count.default(3).describe('processes of each, in turn; medians are printed'),
  precision: z
    .array(z.enum(['fp32', 'bf16']))
    .min(1)
    .optional()
    .describe('operands of matrix products (default: both where the processor has bf16; roofline: the faster)'),
  batch: z
    .array(count)
    .min(1)
    .optional()
    .describe(
      'sequences or images a step (default 4; tokenizer: 8; sample takes a list, default 1,16; gpu: of painting, a list, ' +
        'default 1,16,256)',
    ),
  steps: count
    .optional()
    .describe('steps measured in a round, after some that warm up (default 5; sample: 128 codes; precision: 300)'),
  lengths: z
    .array(count.min(2))
    .min(1)
    .optional()
    .describe(
      'train: sequence lengths T to measure instead, e.g. 320,640,1280,2560; the grid is the largest power of two ' +
        'whose square is less than T, the caption the rest',
    ),
  width: count.default(256).describe('of the transformer, as are the next six'),
  layers: count.default(6),
  heads: count.default(4),
  captionLength: count.optional().describe('caption positions (default 256; precision: 64)'),
  grid: count.optional().describe('codes along each side (default 32; precision: 16)'),
  captionVocab: count.default(1024).describe('caption ids without pads'),
  imageVocab: count.default(8192),
  what: z
    .enum(['train', 'tokenizer', 'sample'])
    .default('train')
    .describe(
      'roofline: whose kernels are timed; bytes are those of all buffers of a call, each once (of tables and caches ' +
        'only the rows touched), so what stays in the caches can be above 100%',
    ),
  models: z
    .array(z.enum(gpuModels))
    .min(1)
    .default([...gpuModels])
    .describe('gpu: presets to measure'),
  parts: z
    .array(z.enum(gpuParts))
    .min(1)
    .default([...gpuParts])
    .describe('gpu: what to measure of them'),
  mostBatch: count
    .default(1024)
    .describe('gpu: the batch of training is doubled until it is this, or memory or speed stops'),
  peak: z
    .number()
    .positive()
    .optional()
    .describe('gpu: TFLOP/s in f16 that 100% stand for (default: known of some GPUs, else the product measured)'),
  smoke: z.boolean().default(false).describe('gpu: tiny sizes, also on a GPU in software, to see that all of it runs'),
  json: z.boolean().default(false).describe('print one JSON object'),
  worker: z.string().optional().describe('measure this workload in this process (used by the rounds)'),
});

export type BenchFlags = z.output<typeof benchFlags>;

const transformer = ['width', 'layers', 'heads', 'captionLength', 'grid', 'captionVocab', 'imageVocab'] as const;
const rounds = ['rounds', 'precision', 'batch', 'steps', 'json', 'worker'] as const;

/** The modes, and the flags that mean something to each. */
export const modes = {
  train: ['rival', 'python', 'lengths', ...rounds, ...transformer],
  sample: ['rival', 'python', ...rounds, ...transformer],
  tokenizer: rounds,
  roofline: ['what', 'precision', 'batch', 'steps', 'json', ...transformer],
  precision: ['batch', 'steps', 'json', ...transformer],
  gpu: [
    'rival',
    'python',
    'rounds',
    'batch',
    'steps',
    'models',
    'parts',
    'mostBatch',
    'peak',
    'smoke',
    'json',
    'worker',
  ],
  plan: ['precision', 'json'],
} as const satisfies Record<string, readonly (keyof BenchFlags)[]>;

export type ModeName = keyof typeof modes;
const modeNames = Object.keys(modes) as ModeName[];

/**
 * The mode of that name.
 * @param given the names of the flags that the user gave
 * @throws UserError if there is no such mode, or a flag means nothing to it
 */
export function chooseMode(name: string | undefined, given: readonly string[]): ModeName {
  const mode = modeNames.find(known => known === name);
  if (mode === undefined) throw new UserError('bench', `expected one of ${modeNames.join(', ')}, got ${name}`);
  const takes: readonly string[] = modes[mode];
  const stray = given.find(flag => !takes.includes(flag));
  if (stray === undefined) return mode;
  const others = modeNames.filter(other => (modes[other] as readonly string[]).includes(stray));
  const shown = takes.filter(flag => flag !== 'worker').map(flag => `--${kebab(flag)}`);
  throw new UserError(
    `bench ${mode}: --${kebab(stray)}`,
    `expected one of ${shown.join(', ')}, got --${kebab(stray)}`,
    `--${kebab(stray)} is for ${others.join(' and ')}`,
  );
}

/** The shape of the transformer that is measured. */
export interface Shape {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly captionLength: number;
  readonly grid: number;
  readonly captionVocab: number;
  readonly imageVocab: number;
}

/** The flags' shape, with the mode's own lengths where none are given. */
export function shapeOf(flags: BenchFlags, { captionLength = 256, grid = 32 } = {}): Shape {
  const { width, layers, heads, captionVocab, imageVocab } = flags;
  return {
    width,
    layers,
    heads,
    captionVocab,
    imageVocab,
    captionLength: flags.captionLength ?? captionLength,
    grid: flags.grid ?? grid,
  };
}

/** The flag's only batch size. @throws UserError if there are several */
export function oneBatch(mode: ModeName, flags: BenchFlags, otherwise: number): number {
  const { batch = [otherwise] } = flags;
  if (batch.length > 1) throw new UserError(`bench ${mode}: --batch`, `expected one number, got ${batch.join(',')}`);
  return batch[0];
}

/** A sequence of T positions: the grid is the largest power of two whose square is less than T, the caption the rest. */
export function splitLength(T: number): { readonly captionLength: number; readonly grid: number } {
  let grid = 1;
  while ((2 * grid) ** 2 < T) grid *= 2;
  return { captionLength: T - grid ** 2, grid };
}
