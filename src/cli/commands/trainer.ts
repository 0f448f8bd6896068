/** @file `tessera trainer`: a page that trains in a browser, as a folder for a web server. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { folder } from '../common-flags.ts';

export const trainer = defineCommand({
  name: 'trainer',
  summary: 'write a page that trains on pictures dropped on it, in the browser alone',
  examples: ['tessera trainer --out site/train'],
  result: { out: 'the folder', files: 'that were written into it' },
  flags: () => z.object({ out: folder('the page: put it on any web server that has https, or open it on localhost') }),
  run: async (session, { values: { out }, answer }) => {
    const { exportTrainer } = await import('../../web/trainer/export.ts');
    const files = await exportTrainer(out);
    session.print(`${out}: ${files.join(', ')}`);
    session.reporter.message('browsers open it from a web server alone, e.g. python3 -m http.server in that folder');
    answer({ out, files });
  },
});
