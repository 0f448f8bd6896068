/** @file `tessera eval`: how good a run's pictures are, in numbers with intervals, as a table. */

import { z } from 'zod';
import { counted } from '../../core/numbers.ts';
import type { EvalRequest, Evaluation } from '../../runs/evaluate.ts';
import type { Session } from '../../runs/session.ts';
import { defineCommand } from '../command.ts';
import {
  count,
  engineFlags,
  folder,
  formatFlag,
  metricsFlag,
  path,
  seed,
  splitFlag,
  weights,
} from '../common-flags.ts';
import { choiceFlags, samplingFlags } from '../sampling-flags.ts';

export const evaluate = defineCommand({
  name: 'eval',
  summary: "measure a run's pictures against real ones",
  examples: [
    'tessera eval --run runs/emoji --data datasets/emoji --num-images 500',
    'tessera eval --run runs/emoji --data datasets/emoji --metrics clip-score --features features/emoji',
  ],
  result: {
    run: 'the folder',
    step: 'of the training, of the weights',
    weights: 'ema, best or last',
    split: 'sides whose captions were painted',
    seed: 'of the images',
    records: 'the results as they were added to metrics.jsonl: metric, value, low, high, row, features, n, ...',
  },
  aliases: { n: 'numImages' },
  flags: async () => {
    return z.object({
      run: folder('a trained run').default('runs/demo'),
      data: path('the images that it was trained on'),
      format: await formatFlag(),
      metrics: await metricsFlag(
        'what to measure; cmmd, clip-score and r-precision need features that know captions or CLIP',
      ),
      features: z
        .array(z.string())
        .min(1)
        .default(['random'])
        .describe(
          'pixels, random, inception or mobilenet (npm install nsfwjs), folders of `tessera features`, or folders or hub ids of ONNX networks',
        ),
      split: splitFlag('what is measured: validation is what is held out (default), train what was trained on'),
      numImages: count('images painted of its captions').max(100000).default(256),
      reference: count('training images to compare with').max(100000).default(1000),
      seed: seed('the same seed measures the same images').default(0),
      weights,
      ...samplingFlags,
      ...choiceFlags,
      ...(await engineFlags()),
    });
  },
  run: async (session, { values, answer }) => {
    const { step, weights, split, records } = await evalCommand(session, values);
    answer({ run: values.run, step, weights, split, seed: values.seed, records });
  },
});

/** Evaluates and prints the table. */
async function evalCommand(session: Session, request: EvalRequest): Promise<Evaluation> {
  const { evaluateRun } = await import('../../runs/evaluate.ts');
  const { resultTable } = await import('../terminal/results.ts');
  const { sideNames } = await import('../../runs/run-images.ts');
  const evaluation = await evaluateRun(session, request);
  const { step, weights, split, records } = evaluation;
  const { run, numImages, seed } = request;
  session.print(
    `${run}: step ${step}, ${weights} weights, ${counted(numImages, 'image')} of ${sideNames(split)} captions, seed ${seed}`,
  );
  for (const line of resultTable(records)) session.print(line);
  return evaluation;
}
