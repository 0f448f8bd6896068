/**
 * @file `npm run bench -- precision`: does rounding operands to bf16 change what training learns? The same training twice,
 * from the same weights on the same batches, once in each precision, and how far the two loss curves are apart.
 *
 * The task can be learned: two words of a caption, a colour and a pattern, determine every code of its picture, but for one
 * code in ten, which is noise, so that the loss has a floor well above zero.
 */

import { textTable } from '../../src/cli/terminal/tables.ts';
import { trainSchema } from '../../src/config/run.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import type { Precision } from '../../src/device/native/native.ts';
import type { SequenceBatch } from '../../src/families/transformer/dalle.ts';
import { startNative } from '../../src/kernels/start.ts';
import type { Session } from '../../src/runs/session.ts';
import { learningRate } from '../../src/training/optimizer.ts';
import { type BenchFlags, oneBatch, type Shape, shapeOf } from './flags.ts';
import { createModel, createStep, modelOptimizer } from './jobs.ts';
import { describeMachine, fixed, percent } from './report.ts';

/** Kinds of each word, and codes that a picture of one colour is made of. */
const KINDS = 8;
const SHADES = 16;
const NOISE = 0.1;

/**
 * Pictures of stripes with their captions. A caption is a colour, a pattern, and pads.
 * @param random where the words and the noise come from
 * @throws UserError if the model is too small for them
 */
export function drawStripes(shape: Shape, batch: number, random: Random): SequenceBatch {
  const { captionLength: L, grid, captionVocab, imageVocab } = shape;
  if (imageVocab < KINDS * SHADES || captionVocab < 2 * KINDS || L < 3) {
    throw new UserError(
      'bench precision',
      `expected at least 3 caption positions, ${2 * KINDS} caption ids and ${KINDS * SHADES} codes, got ${L}, ${captionVocab} and ${imageVocab}`,
    );
  }
  const captions = new Int32Array(batch * L);
  const codes = new Int32Array(batch * grid ** 2);
  for (let b = 0; b < batch; b++) {
    const colour = random.integer(KINDS);
    const pattern = random.integer(KINDS);
    for (let i = 0; i < L; i++) captions[b * L + i] = i === 0 ? colour : i === 1 ? KINDS + pattern : captionVocab + i;
    const [down, across] = [1 + (pattern % 4), 1 + Math.floor(pattern / 4)];
    for (let i = 0; i < grid ** 2; i++) {
      const shade = (Math.floor(i / grid) * down + (i % grid) * across) % SHADES;
      const noisy = random.uniform() < NOISE;
      codes[b * grid ** 2 + i] = noisy ? random.integer(KINDS * SHADES) : colour * SHADES + shade;
    }
  }
  return { captions, codes };
}

/** Trains from seed 0 and returns the loss of every step, in nats. */
async function train(
  precision: Precision,
  { shape, batch, steps }: { readonly shape: Shape; readonly batch: number; readonly steps: number },
  signal: AbortSignal,
): Promise<number[]> {
  await startNative({ precision });
  const model = createModel(shape);
  const { step, dispose } = createStep(model.parameters, modelOptimizer);
  const random = new Random(1);
  const { lr, warmup, finalLr } = trainSchema.parse({});
  const losses: number[] = [];
  for (let i = 0; i < steps && !signal.aborted; i++) {
    const stripes = drawStripes(shape, batch, random);
    const rate = learningRate({ lr, warmup, finalLr, steps }, i);
    losses.push(await step(() => model.loss(stripes, { random: new Random(i) }).loss, rate));
  }
  dispose();
  model.dispose();
  return losses;
}

/** Where two curves are furthest apart. */
export interface Gap {
  readonly step: number;
  /** Of the two, in nats, and as a share of the first. */
  readonly absolute: number;
  readonly relative: number;
}

/** The largest gap between two loss curves by each measure, and the mean of the absolute ones. */
export function findGaps(a: readonly number[], b: readonly number[]): { absolute: Gap; relative: Gap; mean: number } {
  const gaps = a.map((loss, step): Gap => {
    const absolute = Math.abs(b[step] - loss);
    return { step, absolute, relative: absolute / loss };
  });
  const largest = (by: 'absolute' | 'relative') => gaps.reduce((most, gap) => (gap[by] > most[by] ? gap : most));
  return {
    absolute: largest('absolute'),
    relative: largest('relative'),
    mean: gaps.reduce((sum, { absolute }) => sum + absolute, 0) / gaps.length,
  };
}

export async function benchPrecision(session: Session, flags: BenchFlags): Promise<void> {
  const { supportsBf16 } = await startNative();
  if (!supportsBf16) throw new UserError('bench precision', 'expected a processor with bf16 (AVX512-BF16)');
  const { steps = 300 } = flags;
  const batch = oneBatch('precision', flags, 4);
  const shape = shapeOf(flags, { captionLength: 64, grid: 16 });
  const fp32 = await train('fp32', { shape, batch, steps }, session.signal);
  const bf16 = await train('bf16', { shape, batch, steps }, session.signal);
  if (session.signal.aborted) return;
  const gaps = findGaps(fp32, bf16);
  const machine = describeMachine();
  if (flags.json) {
    session.print(JSON.stringify({ mode: 'precision', machine, shape, batch, steps, gaps, losses: { fp32, bf16 } }));
    return;
  }
  const positions = `positions ${shape.captionLength} + ${shape.grid} x ${shape.grid}`;
  session.print(`precision, ${steps} steps, batch ${batch}, ${positions} on ${machine}; loss in nats`);
  const shown = [...new Set(Array.from({ length: 11 }, (_, i) => Math.round((i * (steps - 1)) / 10)))];
  const cells = shown.map(i => [`step ${i}`, fixed(fp32[i], 4), fixed(bf16[i], 4), fixed(bf16[i] - fp32[i], 4)]);
  for (const line of textTable([['', 'fp32', 'bf16', 'gap'], ...cells], { align: 'right' })) session.print(line);
  const { absolute, relative, mean } = gaps;
  const at = ({ step }: Gap) => `at step ${step}, where fp32 has ${fixed(fp32[step], 4)}`;
  session.print(`largest gap: ${fixed(absolute.absolute, 4)} nats (${percent(absolute.relative, 2)}) ${at(absolute)}`);
  session.print(
    `largest relative gap: ${percent(relative.relative, 2)} (${fixed(relative.absolute, 4)} nats) ${at(relative)}`,
  );
  session.print(`mean gap: ${fixed(mean, 4)} nats`);
}
