/** @file Flags that several commands have. What they take is looked up when a command is called, not when it is defined. */
import { z } from 'zod';
import { splitNames } from '../config/fields.ts';
import { weightKinds } from '../io/runfiles.ts';

export const folder = (description: string) => z.string().min(1).describe(description).meta({ title: 'folder' });
/** A folder, or a file that stands for one, such as an archive. */
export const path = (description: string) => z.string().min(1).describe(description).meta({ title: 'path' });
export const file = (description: string) => z.string().min(1).describe(description).meta({ title: 'file' });

/** A seed from 0 to 2^32 - 1. */
export const seed = (description: string) => z.number().int().min(0).max(0xffffffff).describe(description);

/** A whole number above 0. */
export const count = (description: string) => z.number().int().positive().describe(description);

export const weights = z
  .enum(weightKinds)
  .optional()
  .describe('averaged, best on validation, or last (default: ema, or the only ones there)');

/** Where and in which precision to compute. */
export async function engineFlags() {
  const { backendNames } = await import('../device/backends.ts');
  const { precisionNames } = await import('../device/precision.ts');
  return {
    backend: z
      .enum(backendNames)
      .default('auto')
      .describe('where to compute; auto: webgpu where there is a GPU, else native'),
    precision: z
      .enum(precisionNames)
      .default('auto')
      .describe(
        'operands of matrix products; auto: bf16 where the processor has it, f16 where the matrix units of the GPU were ' +
          'seen to work, else fp32',
      ),
    threads: z.number().int().positive().max(64).optional().describe('threads of the native backend and of wasm'),
  };
}

/** How a data set is laid out. */
export async function formatFlag() {
  const { allFormats } = await import('../../data/formats/formats.ts');
  return z
    .enum(['auto', ...allFormats().map(({ name }) => name)])
    .default('auto')
    .describe('layout of the data');
}

/** Sides of the data that a command looks at. */
export const splitFlag = (description: string) => z.array(z.enum(splitNames)).min(1).optional().describe(description);

/** How a data set is read. */
export async function dataFlags() {
  return {
    format: await formatFlag(),
    strict: z.boolean().default(false).describe('stop at the first item that cannot be used, instead of skipping it'),
  };
}

/** Whether a training goes on with data that has changed. */
export const acceptChanges = z
  .boolean()
  .default(false)
  .describe('go on with data that has changed since the run was started, as it is now, instead of refusing it');

/** Names of metrics, those that a program has defined among them. */
export async function metricsFlag(description: string) {
  await import('../metrics/builtin.ts');
  const { allMetrics, defaultMetrics } = await import('../metrics/define.ts');
  return z
    .array(z.enum([...allMetrics().keys()]))
    .min(1)
    .default(defaultMetrics())
    .describe(description);
}
