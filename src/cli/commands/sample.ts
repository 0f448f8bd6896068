/** @file `tessera sample`: paints captions into files, with completion, inpainting, reranking and nearest images. */

import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { counted } from '../../core/numbers.ts';
import type { WrittenCaption } from '../../runs/sample.ts';
import type { Session } from '../../runs/session.ts';
import { defineCommand } from '../command.ts';
import { count, engineFlags, file, folder, path, seed, splitFlag, weights } from '../common-flags.ts';
import { choiceFlags, samplingFlags } from '../sampling-flags.ts';

/** Most images of a caption. */
const MOST = 10_000;

export const sample = defineCommand({
  name: 'sample',
  summary: 'paint captions',
  examples: [
    "tessera sample --text 'red apple'",
    "tessera sample --run runs/demo --text 'red apple|blue heart' --num-images 8",
    "tessera sample --text 'sunflower' --seeds 1-36",
    'tessera sample --run runs/demo --text-file captions.txt',
    "tessera sample --run runs/demo --text 'a cat' --image half.png --keep-rows 4",
  ],
  aliases: { n: 'numImages' },
  result: {
    outputs: 'the folder',
    captions: 'each with its caption, path (a folder), grid, and images (path, seed, index, with --rerank also score)',
    grid: 'of all captions; null where there is one',
  },
  flags: async () =>
    z.object({
      run: folder('a trained run (default: the model that comes with Tessera)').optional(),
      text: z.string().optional().describe("captions, separated by |; '' paints without one"),
      textFile: file('captions, one a line; -: standard input').optional(),
      numImages: count('images of each caption (default 4), or of each of --seeds (default 1)').max(MOST).optional(),
      seed: seed('the same seed paints the same images').default(0),
      seeds: z
        .string()
        .optional()
        .describe('images of each of these instead, named by them: 1-36, or 3,5,8-10')
        .meta({ title: 'list' }),
      ...samplingFlags,
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
      ...choiceFlags,
      nearest: z.boolean().default(false).describe('show beside each image the nearest training image (needs --data)'),
      data: path('the training images, for --nearest').optional(),
      split: splitFlag('with --nearest: what is looked through instead of what the run was trained on'),
      ...(await engineFlags()),
    }),
  run: async (session, { values, given, answer }) => {
    const { text, textFile, seeds: listed, ...rest } = values;
    const { seeds, numImages } = await askedImages(session, { ...values, isSeedGiven: given.seed !== undefined });
    const captions = await readCaptions(session, text, textFile);
    const { sampleRun } = await import('../../runs/sample.ts');
    const painted: WrittenCaption[] = [];
    let grid: string | null = null;
    for await (const written of sampleRun(session, { ...rest, numImages, seeds, captions })) {
      const { path, images } = written;
      session.print(images === undefined ? path : `${path}: ${counted(images.length, 'image')}, grid.png`);
      if (images === undefined) grid = path;
      else painted.push(written);
    }
    answer({ outputs: rest.outputsDir, captions: painted, grid });
  },
});

async function readCaptions(session: Session, text?: string, textFile?: string): Promise<string[]> {
  const { askedCaptions } = await import('../asked-captions.ts');
  const captions = await askedCaptions(session, {
    command: 'sample',
    text: ['--text', text],
    file: ['--text-file', textFile],
  });
  if (captions !== undefined) return captions;
  throw new UserError(
    'sample',
    'expected captions by --text or --text-file, got neither',
    `for example \`${sample.examples[0]}\``,
  );
}

/** The seeds, if they were listed, and how many images of each. */
async function askedImages(
  { reporter }: Session,
  asked: { readonly seeds?: string; readonly numImages?: number; readonly isSeedGiven: boolean },
): Promise<{ readonly seeds?: readonly number[]; readonly numImages: number }> {
  if (asked.seeds === undefined) return { numImages: asked.numImages ?? 4 };
  if (asked.isSeedGiven) {
    throw new UserError('sample', 'expected either --seed or --seeds, got both', 'leave one of them out');
  }
  const { readSeeds } = await import('../../runs/seeds.ts');
  const { seeds, twice } = readSeeds('sample: --seeds', asked.seeds);
  const { numImages = 1 } = asked;
  if (seeds.length * numImages > MOST) {
    const got = `${seeds.length} seeds of ${numImages} each`;
    throw new UserError('sample: --seeds', `expected at most ${MOST} images of a caption, got ${got}`);
  }
  if (twice.length > 0) {
    reporter.message(
      `listed more than once, painted once: seed${twice.length > 1 ? 's' : ''} ${twice.slice(0, 10).join(', ')}${twice.length > 10 ? ', ...' : ''}`,
    );
  }
  return { seeds, numImages };
}
