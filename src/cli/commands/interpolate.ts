/** @file `tessera interpolate`: the way from picture to picture as an animated file. */

import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { counted } from '../../core/numbers.ts';
import { defineCommand } from '../command.ts';
import { count, engineFlags, file, folder, weights } from '../common-flags.ts';

export const interpolate = defineCommand({
  name: 'interpolate',
  summary: 'paint the way between captions or seeds as an animated file (GANs, diffusion)',
  examples: [
    "tessera interpolate --run runs/gan --text 'red apple|green apple'",
    "tessera interpolate --run runs/gan --text 'red apple' --seeds 1-4 --loop --out apples.webp",
  ],
  result: { path: 'the animated file', frames: 'pictures in it', seconds: 'how long it is', bytes: 'of the file' },
  flags: async () =>
    z.object({
      run: folder('a trained run of a GAN or a diffusion model'),
      text: z.string().describe('captions that are passed, separated by |'),
      seeds: z
        .string()
        .default('0')
        .describe('seeds that are passed: 1-4, or 3,5; as many as captions, or one of either for all')
        .meta({ title: 'list' }),
      frames: count('pictures in all').min(2).max(10000).default(48),
      fps: z.number().min(1).max(100).default(24).describe('pictures a second'),
      loop: z.boolean().default(false).describe('go on from the last to the first, so that it repeats without a jump'),
      out: file('the file, .webp or .gif (default: a new one in outputs)').optional(),
      scale: count('each pixel becomes so many, across and down (default: so that it is 256 wide)').max(64).optional(),
      cfgScale: z.number().min(0).max(100).optional().describe("diffusion: guidance (default: the run's)"),
      steps: count("diffusion: steps of sampling (default: the run's)").max(1000).optional(),
      batchSize: count('most images painted at once (default: as many as fit)').max(1024).optional(),
      weights,
      ...(await engineFlags()),
    }),
  run: async (session, { values, answer }) => {
    const { text, seeds: listed, ...rest } = values;
    const { splitCaptions } = await import('../../runs/captions.ts');
    const { readSeeds } = await import('../../runs/seeds.ts');
    const captions = splitCaptions('interpolate: --text', text);
    const { seeds, twice } = readSeeds('interpolate: --seeds', listed);
    if (twice.length > 0) {
      throw new UserError(
        'interpolate: --seeds',
        `expected each seed once, got ${twice[0]} again`,
        '--loop goes back to the first',
      );
    }
    const { interpolateRun } = await import('../../runs/interpolate.ts');
    const { path, frames, seconds, bytes } = await interpolateRun(session, { ...rest, captions, seeds });
    session.print(`${path}: ${counted(frames, 'image')}, ${seconds.toFixed(1)} s, ${(bytes / 1e6).toFixed(1)} MB`);
    answer({ path, frames, seconds, bytes });
  },
});
