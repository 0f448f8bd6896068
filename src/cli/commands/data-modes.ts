/** @file `tessera data modes`: draws every one of a thousand scenes several times. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { count, folder, seed } from '../common-flags.ts';
import { sayOthers } from '../terminal/others.ts';

export const dataModes = defineCommand({
  name: 'data modes',
  summary: 'draw a thousand scenes that can be counted, several times each',
  examples: ['tessera data modes --out datasets/modes --per-mode 10'],
  result: {
    out: 'the folder',
    train: 'pictures to train on',
    heldOut: 'pictures held out',
    upToDate: 'whether all of them were there',
    others: 'files there that were not drawn, and stay',
  },
  flags: () =>
    z.object({
      out: folder('where to'),
      perMode: count('pictures of every scene, each a little different').max(1000).default(10),
      size: z.number().int().min(16).max(256).default(32).describe('side of the images in pixels'),
      seed: seed('the same seed draws the same pictures').default(1),
    }),
  run: async ({ reporter, print }, { values, answer }) => {
    const { makeModes } = await import('../../../data/generators/modes.ts');
    reporter.stage('modes', { unit: 'images' });
    const { train, heldOut, upToDate, others } = await makeModes({
      ...values,
      onProgress: (step, total) => reporter.update({ step, total, amount: step }),
    });
    reporter.done(`${train} to train on, ${heldOut} held out${upToDate ? ' (made before)' : ''}`);
    sayOthers(reporter, values.out, others);
    print(values.out);
    answer({ out: values.out, train, heldOut, upToDate, others });
  },
});
