/** @file `tessera train`: trains a run, or goes on with one. */
import { z } from 'zod';
import { defaultPreset, presetNames } from '../../config/presets.ts';
import { flattenConfig, mergeConfig, parseConfig } from '../../config/schema.ts';
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
    'tessera train --data datasets/emoji --out runs/emoji --preset small',
    'tessera train --data photos --out runs/photos --image-size 64 --grid 16 --steps 5000',
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
        .describe(`starting point of a new run for every field below (default ${defaultPreset})`),
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
    const { planRun } = await import('../../runs/run.ts');
    const fields = mergeConfig(fromFile, settings);
    const config = await planRun(out, { preset, fields });
    const { startEngine } = await import('../../runs/session.ts');
    const { trainRun } = await import('../../runs/train.ts');
    const backend = await startEngine(session, values);
    session.reporter.message(`computing on ${backend}`);
    const finished = await trainRun(session, {
      data,
      out,
      format,
      strict,
      acceptChanges,
      preset,
      config,
      asked: Object.keys(flattenConfig(fields)),
      ...repeatedFlags(given, settings),
    });
    if (finished) session.print(`${out}: trained; paint with \`tessera sample --run ${shellWord(out)} --text '...'\``);
  },
});

/** The fields that a config file sets. @throws UserError naming the file, and the field that does not fit */
async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  const fields = await readJson(path, { most: MOST_CONFIG });
  parseConfig(runSchema(), fields, path); // for its message; the defaults are the preset's
  return fields as Record<string, unknown>; // as the schema has just said
}
