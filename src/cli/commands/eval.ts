/** @file `tessera eval`: measures a run's pictures against real ones. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { count, engineFlags, folder, formatFlag, seed, weights } from '../common-flags.ts';

export const evalCommand = defineCommand({
  name: 'eval',
  summary: "measure a run's pictures against real ones",
  examples: [
    'tessera eval --run runs/emoji --data datasets/emoji --num-images 500',
    'tessera eval --run runs/emoji --data datasets/emoji --metrics clip-score --features features/emoji',
  ],
  aliases: { n: 'numImages' },
  flags: async () => {
    const { defaultMetrics, metricNames } = await import('../../metrics/registry.ts');
    return z.object({
      run: folder('a trained run').default('runs/demo'),
      data: folder('the images that it was trained on'),
      format: await formatFlag(),
      metrics: z
        .array(z.enum(metricNames))
        .min(1)
        .default([...defaultMetrics])
        .describe('what to measure; cmmd, clip-score and r-precision need features that know captions or CLIP'),
      features: z
        .array(z.string())
        .min(1)
        .default(['random'])
        .describe('pixels, random, folders of `tessera features`, or folders or hub ids of ONNX networks'),
      numImages: count('images painted of held-out captions').max(100000).default(256),
      reference: count('training images to compare with').max(100000).default(1000),
      seed: seed('the same seed measures the same images').default(0),
      weights,
      ...(await engineFlags()),
    });
  },
  run: async (session, { values }) => {
    await (await import('../../runs/evaluate.ts')).evalRun(session, values);
  },
});
