/** @file `tessera export`: what of a run is needed to paint, in a folder of its own. */
import { z } from 'zod';
import { isLicenseName, LICENSE_WORDS } from '../../config/names.ts';
import { defineCommand } from '../command.ts';
import { file, folder, weights } from '../common-flags.ts';

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'copy what of a run is needed to paint: one set of weights, in half the bytes',
  examples: ['tessera export --run runs/emoji --out models/apples --attribution datasets/emoji/ATTRIBUTION.md'],
  result: {
    out: 'the folder',
    weights: 'ema, best or last',
    step: 'of the training, of the weights',
    dtype: 'of the weight matrices',
    bytes: 'of the file of weights',
  },
  flags: () =>
    z.object({
      run: folder('a trained run'),
      out: folder('the copy: a run that can be painted with, evaluated and compared'),
      weights,
      dtype: z.enum(['bf16', 'f32']).default('bf16').describe('type of the weight matrices'),
      license: z
        .string()
        .refine(isLicenseName, `expected ${LICENSE_WORDS}`)
        .optional()
        .describe('of the weights, as the card shall say it, e.g. cc-by-4.0 (default: unknown)'),
      attribution: file('whose art the run was trained on: copied as ATTRIBUTION.md').optional(),
    }),
  run: async (session, { values, answer }) => {
    const { exportRun } = await import('../../runs/export.ts');
    const { weights: kind, step, bytes } = await exportRun(values);
    session.print(`${values.out}: ${kind} weights of step ${step} in ${values.dtype}, ${(bytes / 1e6).toFixed(1)} MB`);
    answer({ out: values.out, weights: kind, step, dtype: values.dtype, bytes });
  },
});
