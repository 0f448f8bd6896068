/** @file `tessera train`: trains a run, or goes on with one. */
import { z } from 'zod';
import { presetNames } from '../../config/presets.ts';
import { mergeConfig, parseConfig } from '../../config/schema.ts';
import { UserError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell.ts';
import { MOST_CONFIG, runSchema } from '../../families/config.ts';
import { readJson } from '../../io/files.ts';
import { defineCommand } from '../command.ts';
import { acceptChanges, dataFlags, engineFlags, file, folder } from '../common-flags.ts';
import { repeatedFlags } from '../flag-words.ts';

export const train = defineCommand({
  name: 'train',
  summary: 'train a run on captioned images, or go on with one',
  examples: [
    'tessera train --data photos --out runs/photos',
    'tessera train --data photos --out runs/photos --minutes 30',
    'tessera train --data datasets/emoji --out runs/emoji --preset small',
  ],
  aliases: {
    model: 'family',
    steps: 'train.steps',
    'batch-size': 'train.batchSize',
    lr: 'train.lr',
    width: 'model.width',
    layers: 'model.layers',
    heads: 'model.heads',
    attention: 'model.attention',
    dropout: 'model.dropout',
    'caption-drop': 'model.captionDrop',
    stem: 'patch.stem',
    blocks: 'patch.blocks',
    ema: 'train.ema',
    clip: 'train.clip',
    warmup: 'train.warmup',
    'weight-decay': 'train.weightDecay',
    'vocab-size': 'caption.vocabSize',
  },
  flags: async () =>
    z.object({
      data: folder('captioned images: a folder, archive or index file'),
      out: folder('the run: made, or gone on with if it is there'),
      preset: z
        .enum(presetNames)
        .optional()
        .describe(
          'starting point of a new run for every field below (default: planned from the data and this machine)',
        ),
      hours: z.number().positive().max(1e5).optional().describe('as --minutes'),
      config: file('JSON file with fields that differ from the preset').optional(),
      ...(await dataFlags()),
      acceptChanges,
      ...(await engineFlags()),
    }),
  settings: runSchema,
  saves: true,
  run: async (session, { values, given, settings }) => {
    const { data, out, preset, format, strict, acceptChanges } = values;
    const fromFile = values.config === undefined ? {} : await readConfigFile(values.config);
    const fields = mergeConfig(fromFile, settings, planOf(values.hours, settings));
    const { startEngine } = await import('../../runs/session.ts');
    const { prepareTraining } = await import('../../runs/training/prepare.ts');
    const { trainRun } = await import('../../runs/train.ts');
    const request = { data, out, format, strict, acceptChanges, preset, ...repeatedFlags(given, settings) };
    const start = async () => session.reporter.message(`computing on ${await startEngine(session, values)}`);
    const prepared = await prepareTraining(session, { ...request, fields, start });
    const finished = prepared !== undefined && (await trainRun(session, { ...request, ...prepared }));
    if (finished) session.print(`${out}: trained; paint with \`tessera sample --run ${shellWord(out)} --text '...'\``);
  },
});

/** The hours of a training as the minutes that its config has. @throws UserError if both are given */
function planOf(hours: number | undefined, settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (hours === undefined) return {};
  const { minutes } = (settings.plan ?? {}) as { minutes?: number };
  if (minutes === undefined) return { plan: { minutes: 60 * hours } };
  throw new UserError('train', 'expected --minutes or --hours, got both');
}

/** The fields that a config file sets. @throws UserError naming the file, and the field that does not fit */
async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  const fields = await readJson(path, { most: MOST_CONFIG });
  parseConfig(runSchema(), fields, path); // for its message; the defaults are the preset's
  return fields as Record<string, unknown>; // as the schema has just said
}
