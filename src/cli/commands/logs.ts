/** @file `tessera logs`: the log of a run for spreadsheets and TensorBoard, made at any time. */
import { z } from 'zod';
import { logFormats } from '../../config/run.ts';
import { defineCommand } from '../command.ts';
import { folder } from '../common-flags.ts';

export const logs = defineCommand({
  name: 'logs',
  summary: 'make metrics.csv and event files for TensorBoard of a run that has none',
  examples: ['tessera logs --run runs/emoji', 'tessera logs --run runs/emoji --formats csv --out tables'],
  result: { paths: 'the table, and the folder of event files, as far as they were made' },
  flags: () =>
    z.object({
      run: folder('a run'),
      formats: z
        .array(z.enum(logFormats))
        .min(1)
        .default([...logFormats])
        .describe('what to make'),
      out: folder("where to; default: the run's folder, where a training keeps them").optional(),
    }),
  run: async (session, { values, answer }) => {
    const { writeLogs } = await import('../../runs/logs/write-logs.ts');
    const paths = await writeLogs(values);
    for (const path of paths) session.print(path);
    answer({ paths });
  },
});
