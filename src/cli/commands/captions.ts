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
  flags: () =>
    z.object({
      run: folder('a run (default: the model that comes with Tessera)').optional(),
      search: z
        .string()
        .optional()
        .describe('captions with these words, what else is said of the same images, and words spelt alike'),
      limit: count('most captions of each kind').max(1_000_000).default(20),
      json: z.boolean().default(false).describe('print one JSON document instead'),
    }),
  run: async (session, { values: { run: asked, search, limit, json } }) => {
    const { runOrShipped } = await import('../../runs/session.ts');
    const { queryCaptions } = await import('../../runs/learnt/query.ts');
    const { printableJson } = await import('../../core/printable.ts');
    const { formatCaptions } = await import('../terminal/captions.ts');
    const known = await queryCaptions(runOrShipped(session, asked), { search, limit });
    if (json) session.print(printableJson(known));
    else for (const line of formatCaptions(known, search)) session.print(line);
  },
});
