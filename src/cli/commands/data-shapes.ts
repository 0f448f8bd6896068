/** @file `tessera data shapes`: draws scenes of coloured shapes with exact captions. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { count, folder, seed } from '../common-flags.ts';
import { sayOthers } from '../terminal/others.ts';

export const dataShapes = defineCommand({
  name: 'data shapes',
  summary: 'draw scenes of coloured shapes whose captions are exact',
  examples: ['tessera data shapes --out datasets/shapes --count 10000'],
  result: {
    out: 'the folder',
    train: 'scenes to train on',
    heldOut: 'scenes held out',
    neverTrained: 'pairs of colour and shape that training never shows',
    upToDate: 'whether all of them were there',
    others: 'files there that were not drawn, and stay',
  },
  flags: () =>
    z.object({
      out: folder('where to'),
      count: count('scenes').max(1_000_000).default(10000),
      size: z.number().int().min(16).max(1024).default(64).describe('side of the images in pixels'),
      seed: seed('the same seed draws the same scenes').default(1),
      holdOut: z
        .number()
        .min(0)
        .max(0.5)
        .default(0.1)
        .describe('share of colour and shape pairs that training never shows'),
    }),
  run: async ({ reporter, print }, { values, answer }) => {
    const { makeShapes } = await import('../../../data/generators/shapes.ts');
    reporter.stage('shapes', { unit: 'images' });
    const { train, heldOut, pairs, upToDate, others } = await makeShapes({
      ...values,
      onProgress: (step, total) => reporter.update({ step, total, amount: step }),
    });
    const never = pairs.length > 0 ? `; never in training: ${pairs.join(', ')}` : '';
    reporter.done(`${train} to train on, ${heldOut} held out${never}${upToDate ? ' (made before)' : ''}`);
    sayOthers(reporter, values.out, others);
    print(values.out);
    answer({ out: values.out, train, heldOut, neverTrained: pairs, upToDate, others });
  },
});
