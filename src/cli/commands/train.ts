/** @file `tessera train`: trains a run, or goes on with one. */
import { z } from 'zod';
import { presetNames } from '../../config/presets.ts';
import { keptShare, patchChoices } from '../../config/run.ts';
import { flattenConfig, mergeConfig, parseConfig } from '../../config/schema.ts';
import { UserError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell.ts';
import { MOST_CONFIG, runSchema, settingsSchema } from '../../families/config.ts';
import { readJson } from '../../io/files.ts';
import { weightKinds } from '../../io/runfiles.ts';
import { defineCommand } from '../command.ts';
import { acceptChanges, dataFlags, engineFlags, file, folder, path } from '../common-flags.ts';
import { repeatedFlags } from '../flag-words.ts';

export const train = defineCommand({
  name: 'train',
  summary: 'train a run on captioned images, or go on with one',
  examples: [
    'tessera train --data photos --out runs/photos',
    'tessera train --data photos --out runs/photos --minutes 30',
    'tessera train --data datasets/emoji --out runs/emoji --preset small',
    'tessera train --data photos --out runs/mine --from emoji',
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
  result: {
    run: 'the folder',
    family: 'what learnt to paint',
    steps: 'of its training',
    weights: 'files by kind (ema, best, last); null for one that is not there',
    paints: 'the kind that paints unless another is asked for',
    best: 'lowest held-out loss: step and loss; null where nothing was measured',
    last: 'the same of the last validation',
    metrics: 'the log',
    samples: 'the last sheet of samples; null where there is none',
  },
  basic: {
    'data and run': ['data', 'out', 'from', 'preset', 'family'],
    time: ['plan.minutes', 'plan.epochs'],
    pictures: ['images.imageSize', 'images.flip', 'images.validation'],
    transformer: ['patch.grid', 'model.width', 'model.layers'],
    training: ['train.steps', 'train.batchSize', 'train.lr', 'train.sampleEvery', 'seed'],
    machine: ['backend', 'threads'],
  },
  defaults: async ({ preset }, { family }) => {
    const { familyNames } = await import('../../families/families.ts');
    const { resolveConfig } = await import('../../families/resolve.ts');
    const { PLANNED_FROM, plannedFields } = await import('../../runs/plan/planned-fields.ts');
    const named = presetNames.find(name => name === preset);
    const whose = familyNames().find(name => name === family) ?? familyNames()[0];
    const config = resolveConfig({ preset: named ?? PLANNED_FROM, fields: { family: whose } });
    const { family: _, ...values } = flattenConfig(config);
    if (named !== undefined) return { note: `Defaults of the preset ${named}.`, values };
    return {
      note: 'What is planned follows the data, this machine and the minutes. Defaults of a preset: tessera train --preset tiny --help',
      values,
      open: Object.fromEntries(plannedFields(whose).map(field => [field, 'planned'])),
    };
  },
  flags: async () =>
    z.object({
      data: path('captioned images: a folder, archive or index file'),
      out: folder('the run: made, or gone on with if it is there'),
      preset: z
        .enum(presetNames)
        .optional()
        .describe(
          'starting point of a new run for every field below (default: planned from the data and this machine)',
        ),
      hours: z.number().positive().max(1e5).optional().describe('as --minutes'),
      from: folder('trained model that a new run starts from: a run, an export, or emoji, which comes with the package')
        .optional()
        .meta({ title: 'run' }),
      fromWeights: z
        .enum(weightKinds)
        .optional()
        .describe('which of its weights (default: best on validation, else averaged, else last)'),
      patch: z
        .enum(patchChoices)
        .optional()
        .describe(
          'its patch tokenizer: kept, its decoder tuned, or all of it (default: by how your pictures come back)',
        ),
      keep: z
        .number()
        .min(keptShare.least)
        .max(keptShare.most)
        .optional()
        .describe('share of every batch that comes from the data of the trained model, so that it is not forgotten'),
      keepData: folder('the data of the trained model, for --keep; that of emoji is drawn').optional(),
      config: file('JSON file with fields that differ from the preset').optional(),
      ...(await dataFlags()),
      acceptChanges,
      ...(await engineFlags()),
    }),
  settings: settingsSchema,
  saves: true,
  run: async (session, { values, given, settings, answer }) => {
    const { data, out, preset, format, strict, acceptChanges, from, fromWeights: weights, patch } = values;
    const { keep, keepData } = values;
    const fromFile = values.config === undefined ? {} : await readConfigFile(values.config);
    const fields = mergeConfig(fromFile, settings, planOf(values.hours, settings));
    const { startEngine } = await import('../../runs/session.ts');
    const { prepareTraining } = await import('../../runs/training/prepare.ts');
    const { trainRun } = await import('../../runs/train.ts');
    const request = { data, out, format, strict, acceptChanges, preset, keepData, ...repeatedFlags(given, settings) };
    const begin = async () => session.reporter.message(`computing on ${await startEngine(session, values)}`);
    const prepared = await prepareTraining(session, { ...request, fields, from, weights, patch, keep, begin });
    if (prepared === undefined || !(await trainRun(session, { ...request, ...prepared }))) return;
    const { describeTrained } = await import('../../runs/trained-run.ts');
    session.print(`${out}: trained; paint with \`tessera sample --run ${shellWord(out)} --text '...'\``);
    answer({ run: out, ...describeTrained(out, prepared.config) });
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
