/** @file `tessera data emoji`: draws the emoji sets that are installed as npm packages. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { count, folder } from '../common-flags.ts';
import { sayOthers } from '../terminal/others.ts';

export const dataEmoji = defineCommand({
  name: 'data emoji',
  summary: 'draw emoji art as captioned images',
  examples: ['tessera data emoji --out datasets/emoji'],
  result: {
    out: 'the folder',
    drawings: 'how many of each style',
    upToDate: 'whether all of them were there',
    others: 'files there that were not drawn, and stay',
  },
  flags: async () => {
    const { emojiStyles } = await import('../../../data/generators/emoji.ts');
    return z.object({
      out: folder('where to'),
      styles: z
        .array(z.enum(emojiStyles))
        .min(1)
        .default([...emojiStyles])
        .describe('which sets'),
      size: z.number().int().min(16).max(1024).default(128).describe('side of the images in pixels'),
      limit: count('only so many drawings of each style').optional(),
    });
  },
  run: async ({ reporter, print }, { values, answer }) => {
    const { makeEmoji } = await import('../../../data/generators/emoji.ts');
    reporter.stage('emoji', { unit: 'images' });
    const { counts, upToDate, others } = await makeEmoji({
      ...values,
      onProgress: (step, total) => reporter.update({ step, total, amount: step }),
    });
    const said = Object.entries(counts).map(([style, drawings]) => `${drawings} ${style}`);
    reporter.done(`${said.join(', ')}${upToDate ? ' (made before)' : ''}`);
    sayOthers(reporter, values.out, others);
    print(values.out);
    answer({ out: values.out, drawings: counts, upToDate, others });
  },
});
