/** @file `tessera sample`: paints captions into files, with completion, inpainting, reranking and nearest images. */
import { z } from 'zod';
import { samplingSchema } from '../../config/run.ts';
import { defineCommand } from '../command.ts';
import { count, engineFlags, file, folder, seed, splitFlag, weights } from '../common-flags.ts';

/** The run's own settings unless asked otherwise. */
const samplingFlags = Object.fromEntries(
  Object.entries(samplingSchema.shape).map(([name, field]) => [
    name,
    field
      .removeDefault()
      .optional()
      .describe(`${field.description} (default: the run's, usually ${field.parse(undefined)})`),
  ]),
) as { readonly [Name in keyof typeof samplingSchema.shape]: z.ZodOptional<z.ZodNumber> };

export const sample = defineCommand({
  name: 'sample',
  summary: 'paint captions',
  examples: [
    "tessera sample --text 'red apple'",
    "tessera sample --run runs/demo --text 'red apple|blue heart' --num-images 8",
    "tessera sample --run runs/demo --text 'a cat' --image half.png --keep-rows 4",
  ],
  aliases: { n: 'numImages' },
  flags: async () =>
    z.object({
      run: folder('a trained run (default: the model that comes with Tessera)').optional(),
      text: z.string().describe("captions, separated by |; '' paints without one"),
      numImages: count('images of each caption').max(10000).default(4),
      seed: seed('the same seed paints the same images').default(0),
      ...samplingFlags,
      steps: count("diffusion: steps of sampling (default: the run's)").max(1000).optional(),
      outputsDir: folder('where the images go').default('outputs'),
      batchSize: count('most images painted at once (default: as many as fit)').max(1024).optional(),
      weights,
      preview: z.boolean().default(false).describe('show the unfinished images in the terminal'),
      image: file('an image to complete').optional(),
      keepRows: z
        .number()
        .int()
        .min(0)
        .optional()
        .describe('rows of patches of --image that are kept; the rest is painted'),
      mask: file('patches of --image that are white here are painted, black ones kept').optional(),
      rerank: folder('rank with this CLIP: a folder or a hub id such as Xenova/clip-vit-base-patch32').optional(),
      bestOf: count('with --rerank: paint so many and keep the best --num-images').optional(),
      nearest: z.boolean().default(false).describe('show beside each image the nearest training image (needs --data)'),
      data: folder('the training images, for --nearest').optional(),
      split: splitFlag('with --nearest: what is looked through instead of what the run was trained on'),
      ...(await engineFlags()),
    }),
  run: async (session, { values }) => {
    const { sampleRun } = await import('../../runs/sample.ts');
    for await (const { path, images } of sampleRun(session, values)) {
      session.print(images === undefined ? path : `${path}: ${images} images, grid.png`);
    }
  },
});
