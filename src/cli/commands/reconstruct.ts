/** @file `tessera reconstruct`: images through a run's patch tokenizer and back, with the error in dB. */

import { z } from 'zod';
import { counted } from '../../core/numbers.ts';
import { defineCommand } from '../command.ts';
import { count, engineFlags, file, folder, splitFlag } from '../common-flags.ts';

export const reconstruct = defineCommand({
  name: 'reconstruct',
  summary: "put images through a run's patch tokenizer and back",
  examples: ['tessera reconstruct --run runs/demo photo.png datasets/emoji'],
  positionals: [{ name: 'INPUT', description: 'an image or a data set', title: 'path', many: true }],
  result: { out: 'the picture', images: 'how many', psnr: 'mean over the images, in dB' },
  flags: async () =>
    z.object({
      run: folder('a run with a trained patch tokenizer (default: the model that comes with Tessera)').optional(),
      out: file('picture of originals above reconstructions').default('reconstructions.png'),
      split: splitFlag('sides of a data set that images are taken of; validation is what is held out (default all)'),
      numImages: count('images taken from a data set').max(1000).default(16),
      ...(await engineFlags()),
    }),
  run: async (session, { values, given, positionals, answer }) => {
    const { reconstructImages } = await import('../../runs/reconstruct.ts');
    const { images, psnr } = await reconstructImages(session, {
      ...values,
      named: given.out !== undefined,
      inputs: positionals,
    });
    session.print(`${values.out}: ${counted(images, 'image')}, mean PSNR ${psnr.toFixed(2)} dB`);
    answer({ out: values.out, images, psnr });
  },
});
