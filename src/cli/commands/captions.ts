/** @file `tessera captions`: lists the captions that a run was trained on, those with some words, and what is near them. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { count, folder } from '../common-flags.ts';

export const captions = defineCommand({
  name: 'captions',
  summary: 'list the captions that a run was trained on',
  examples: [
    'tessera captions',
    'tessera captions --run runs/demo --search heart',
    "tessera captions --run runs/demo --search 'medium skin' --limit 100 --json",
  ],
  result: {
    run: 'the folder',
    images: 'that it was trained on',
    captions: 'how many different ones they have',
    kept: 'how many of them are looked through: all, but of a large data set',
    words: 'how many different ones',
    found: 'with every word of --search, or all: captions (caption, images), and total, of which --limit are given',
    same: 'others of their images, likewise; null without --search',
    unseen:
      'words that no caption has: word, and near (word, distance, images), those spelt alike; null without --search',
    instead: 'with the nearest words in their place: query, found; null where nothing is found',
    some: 'where no caption has all of several words, those with some; null where one has',
  },
  flags: () =>
    z.object({
      run: folder('a run (default: the model that comes with Tessera)').optional(),
      search: z
        .string()
        .optional()
        .describe('captions with these words, what else is said of the same images, and words spelt alike'),
      limit: count('most captions of each kind').max(1_000_000).default(20),
    }),
  run: async (session, { values: { run: asked, search, limit }, answer }) => {
    const { runOrShipped } = await import('../../runs/session.ts');
    const { queryCaptions } = await import('../../runs/learnt/query.ts');
    const { formatCaptions } = await import('../terminal/captions.ts');
    const run = runOrShipped(session, asked);
    const known = await queryCaptions(run, { search, limit });
    for (const line of formatCaptions(known, search)) session.print(line);
    const {
      images,
      captions: count,
      kept,
      words,
      found,
      same = null,
      unseen = null,
      instead = null,
      some = null,
    } = known;
    answer({ run, images, captions: count, kept, words, found, same, unseen, instead, some });
  },
});
