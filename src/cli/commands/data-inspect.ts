/** @file `tessera data inspect`: prints what a data set holds and draws a sheet of it. */
import { z } from 'zod';
import { defineCommand } from '../command.ts';
import { dataFlags, file } from '../common-flags.ts';

export const dataInspect = defineCommand({
  name: 'data inspect',
  summary: 'count, measure and show what a data set holds',
  examples: ['tessera data inspect datasets/emoji'],
  positionals: [{ name: 'DATA', description: 'a folder, archive or index file' }],
  flags: async () =>
    z.object({
      ...(await dataFlags()),
      sheet: file('where the contact sheet goes').default('contact-sheet.png'),
    }),
  run: async ({ reporter, print, signal }, { values, positionals: [path] }) => {
    const { openDataset } = await import('../../../data/open.ts');
    const { contactSheet, formatInspection, inspectDataset } = await import('../../../data/inspect.ts');
    const { UserError } = await import('../../core/errors.ts');
    const { hearSignal } = await import('../../core/stopping.ts');
    const { writeAtomic } = await import('../../io/atomic.ts');
    // Every image is decoded anyway, so headers need no check of their own.
    const dataset = await openDataset(path, { format: values.format, check: false, signal });
    reporter.stage('inspect', { unit: 'images' });
    const inspection = await inspectDataset(dataset, {
      onProgress: (step, total) => reporter.update({ step, total, amount: step }),
    });
    reporter.done();
    const [problem] = inspection.problems;
    if (values.strict && problem !== undefined) throw new UserError(path, `${problem.id}: ${problem.what}`);
    await hearSignal(signal);
    for (const line of formatInspection(inspection)) print(line);
    await writeAtomic(values.sheet, await contactSheet(dataset));
    print(`contact sheet: ${values.sheet}`);
  },
});
