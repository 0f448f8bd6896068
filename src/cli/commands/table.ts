/**
 * @file The command table: every command's flags, by the schemas that check them, and what it runs, which is loaded when it
 * is run: painting a caption must not wait for what draws reports.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { emojiStyles } from '../../../data/emoji.ts';
import { formatNames } from '../../../data/index.ts';
import { defaultPreset, presetNames } from '../../config/presets.ts';
import { samplingSchema } from '../../config/run.ts';
import { mergeConfig, parseConfigText } from '../../config/schema.ts';
import { UserError } from '../../core/errors.ts';
import { backendNames } from '../../device/backends.ts';
import { precisionNames } from '../../device/precision.ts';
import { makeConfig, runSchema } from '../../families/config.ts';
import { featuresConfig, featuresFields } from '../../families/featuresconfig.ts';
import { weightKinds } from '../../io/runfolder.ts';
import { defaultMetrics, metricNames } from '../../metrics/registry.ts';
import { type Session, startEngine } from '../../runs/session.ts';
import type { CommandSpec } from '../flags.ts';

/** A command, and what it does with its parsed flags. */
export interface Command<S extends z.ZodObject = z.ZodObject> extends CommandSpec<S> {
  readonly run: (
    session: Session,
    input: {
      readonly values: z.output<S>;
      readonly given: Readonly<Record<string, unknown>>;
      readonly positionals: readonly string[];
    },
  ) => Promise<void>;
}

/** Keeps the schema's type for `run`, and lets the table hold commands of every schema. */
export function command<S extends z.ZodObject>(definition: Command<S>): Command {
  // A command is only ever run with what its own schema has parsed.
  return definition as unknown as Command;
}

const engine = {
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
  threads: z.number().int().positive().max(64).optional().describe('threads of the native backend'),
};

const folder = (description: string) => z.string().min(1).describe(description).meta({ title: 'folder' });
const file = (description: string) => z.string().min(1).describe(description).meta({ title: 'file' });
const weights = z
  .enum(weightKinds)
  .optional()
  .describe('averaged, best on validation, or last (default: ema, or the only ones there)');
const dataFormat = z
  .enum(['auto', ...formatNames])
  .default('auto')
  .describe('layout of the data');
const strict = z
  .boolean()
  .default(false)
  .describe('stop at the first item that cannot be used, instead of skipping it');

/** The run's own settings unless asked otherwise. */
const samplingFlags = Object.fromEntries(
  Object.entries(samplingSchema.shape).map(([name, field]) => [
    name,
    field
      .removeDefault()
      .optional()
      .describe(`${field.description} (default: the run's, usually ${field.parse(undefined)})`),
  ]),
) as { readonly [Name in keyof typeof samplingSchema.shape]: z.ZodOptional<z.ZodNumber> };

/** Made when they are asked for, since families may be registered until then. */
const trainFlags = () =>
  z.object({
    data: folder('captioned images: a folder, archive or index file'),
    out: folder('the run: made, or gone on with if it is there'),
    preset: z.enum(presetNames).default(defaultPreset).describe('starting point for every field below'),
    config: file('JSON file with fields that differ from the preset').optional(),
    format: dataFormat,
    strict,
    ...engine,
    ...runSchema().shape,
  });

/** The command table. */
export const commands: readonly Command[] = [
  command({
    name: 'data emoji',
    summary: 'draw emoji art as captioned images',
    examples: ['tessera data emoji --out datasets/emoji'],
    flags: z.object({
      out: folder('where to'),
      styles: z
        .array(z.enum(emojiStyles))
        .min(1)
        .default([...emojiStyles])
        .describe('which sets'),
      size: z.number().int().min(16).max(1024).default(128).describe('side of the images in pixels'),
      limit: z.number().int().positive().optional().describe('only so many drawings of each style'),
    }),
    run: async (session, { values }) => (await import('./data.ts')).emojiData(session, values),
  }),
  command({
    name: 'data shapes',
    summary: 'draw scenes of coloured shapes whose captions are exact',
    examples: ['tessera data shapes --out datasets/shapes --count 10000'],
    flags: z.object({
      out: folder('where to'),
      count: z.number().int().positive().default(10000).describe('scenes'),
      size: z.number().int().min(16).max(1024).default(64).describe('side of the images in pixels'),
      seed: z.number().int().min(0).max(0xffffffff).default(1).describe('the same seed draws the same scenes'),
      holdOut: z
        .number()
        .min(0)
        .max(0.5)
        .default(0.1)
        .describe('share of colour and shape pairs that training never shows'),
    }),
    run: async (session, { values }) => (await import('./data.ts')).shapesData(session, values),
  }),
  command({
    name: 'data modes',
    summary: 'draw a thousand scenes that can be counted, several times each',
    examples: ['tessera data modes --out datasets/modes --per-mode 10'],
    flags: z.object({
      out: folder('where to'),
      perMode: z
        .number()
        .int()
        .positive()
        .max(1000)
        .default(10)
        .describe('pictures of every scene, each a little different'),
      size: z.number().int().min(16).max(256).default(32).describe('side of the images in pixels'),
      seed: z.number().int().min(0).max(0xffffffff).default(1).describe('the same seed draws the same pictures'),
    }),
    run: async (session, { values }) => (await import('./data.ts')).modesData(session, values),
  }),
  command({
    name: 'data inspect',
    summary: 'count, measure and show what a data set holds',
    examples: ['tessera data inspect datasets/emoji'],
    positionals: [{ name: 'DATA', description: 'a folder, archive or index file' }],
    flags: z.object({
      format: dataFormat,
      strict,
      sheet: file('where the contact sheet goes').default('contact-sheet.png'),
    }),
    run: async (session, { values, positionals }) =>
      (await import('./data.ts')).inspectData(session, { ...values, path: positionals[0] }),
  }),
  command({
    name: 'train',
    summary: 'train a run on captioned images, or go on with one',
    examples: [
      'tessera train --data datasets/emoji --out runs/emoji --preset small',
      'tessera train --data photos --out runs/photos --image-size 64 --grid 16 --steps 5000',
    ],
    get flags() {
      return trainFlags();
    },
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
    run: async (session, { values, given }) => {
      const fields = runSchema().shape;
      const typed = Object.fromEntries(Object.entries(given).filter(([name]) => name in fields));
      const fromFile = values.config === undefined ? {} : readConfigFile(values.config);
      const wanted = mergeConfig(fromFile, typed);
      const config = makeConfig(values.preset, wanted);
      const { trainRun } = await import('./train.ts');
      const backend = await startEngine(session, values);
      session.reporter.message(`computing on ${backend}`);
      const { data, out, format } = values;
      const finished = await trainRun(session, { data, out, format, strict: values.strict, config, given: wanted });
      if (finished) session.print(`${out}: trained; paint with \`tessera sample --run ${out} --text '...'\``);
    },
  }),
  command({
    name: 'sample',
    summary: 'paint captions',
    examples: [
      "tessera sample --text 'red apple'",
      "tessera sample --run runs/demo --text 'red apple|blue heart' --num-images 8",
      "tessera sample --run runs/demo --text 'a cat' --image half.png --keep-rows 4",
    ],
    aliases: { n: 'numImages' },
    flags: z.object({
      run: folder('a trained run (default: the model that comes with Tessera)').optional(),
      text: z.string().describe("captions, separated by |; '' paints without one"),
      numImages: z.number().int().positive().max(10000).default(4).describe('images of each caption'),
      seed: z.number().int().min(0).max(0xffffffff).default(0).describe('the same seed paints the same images'),
      ...samplingFlags,
      steps: z
        .number()
        .int()
        .positive()
        .max(1000)
        .optional()
        .describe("diffusion: steps of sampling (default: the run's)"),
      outputsDir: folder('where the images go').default('outputs'),
      batchSize: z.number().int().positive().max(1024).default(16).describe('images painted at once'),
      weights,
      preview: z.boolean().default(false).describe('show the unfinished images in the terminal'),
      image: file('an image to complete').optional(),
      keepRows: z
        .number()
        .int()
        .min(0)
        .optional()
        .describe('rows of patches of --image that are kept; the rest is painted'),
      mask: file('patches of --image that are white here are painted, black ones kept').optional(),
      rerank: folder('rank with this CLIP: a folder or a hub id such as Xenova/clip-vit-base-patch32').optional(),
      bestOf: z
        .number()
        .int()
        .positive()
        .optional()
        .describe('with --rerank: paint so many and keep the best --num-images'),
      nearest: z.boolean().default(false).describe('show beside each image the nearest training image (needs --data)'),
      data: folder('the training images, for --nearest').optional(),
      ...engine,
    }),
    run: async (session, { values }) => (await import('./sample.ts')).sampleRun(session, values),
  }),
  command({
    name: 'reconstruct',
    summary: "put images through a run's patch tokenizer and back",
    examples: ['tessera reconstruct --run runs/demo photo.png datasets/emoji'],
    positionals: [{ name: 'INPUT', description: 'an image or a data set', many: true }],
    flags: z.object({
      run: folder('a run with a trained patch tokenizer (default: the model that comes with Tessera)').optional(),
      out: file('picture of originals above reconstructions').default('reconstructions.png'),
      numImages: z.number().int().positive().max(1000).default(16).describe('images taken from a data set'),
      ...engine,
    }),
    run: async (session, { values, positionals }) =>
      (await import('./reconstruct.ts')).reconstructImages(session, { ...values, inputs: positionals }),
  }),
  command({
    name: 'features',
    summary: "train a network of features on a data set's own captions, to judge models by",
    examples: ['tessera features --data datasets/emoji --out features/emoji --image-size 64'],
    flags: z.object({
      data: folder('captioned images: a folder, archive or index file'),
      out: folder('the features: made, or gone on with if they are there'),
      format: dataFormat,
      strict,
      ...engine,
      ...featuresFields,
    }),
    run: async (session, { values, given }) => {
      const { data, out, format } = values;
      const wanted = Object.fromEntries(Object.entries(given).filter(([name]) => name in featuresFields));
      featuresConfig(wanted); // before anything is started
      const { trainFeatures } = await import('../../runs/features.ts');
      const backend = await startEngine(session, values);
      session.reporter.message(`computing on ${backend}`);
      const note = await trainFeatures(session, { data, out, format, strict: values.strict, given: wanted });
      if (note !== undefined) session.print(`${out}: ${note}`);
    },
  }),
  command({
    name: 'eval',
    summary: "measure a run's pictures against real ones",
    examples: [
      'tessera eval --run runs/emoji --data datasets/emoji --num-images 500',
      'tessera eval --run runs/emoji --data datasets/emoji --metrics clip-score --features features/emoji',
    ],
    aliases: { n: 'numImages' },
    flags: z.object({
      run: folder('a trained run').default('runs/demo'),
      data: folder('the images that it was trained on'),
      format: dataFormat,
      metrics: z
        .array(z.enum(metricNames))
        .min(1)
        .default([...defaultMetrics])
        .describe('what to measure; cmmd, clip-score and r-precision need features that know captions or CLIP'),
      features: z
        .array(z.string())
        .min(1)
        .default(['random'])
        .describe('pixels, random, folders of `tessera features`, or folders or hub ids of ONNX networks'),
      numImages: z.number().int().positive().max(100000).default(256).describe('images painted of held-out captions'),
      reference: z.number().int().positive().max(100000).default(1000).describe('training images to compare with'),
      seed: z.number().int().min(0).max(0xffffffff).default(0).describe('the same seed measures the same images'),
      weights,
      ...engine,
    }),
    run: async (session, { values }) => (await import('./eval.ts')).evalCommand(session, values),
  }),
  command({
    name: 'compare',
    summary: 'put runs beside one another on one page',
    examples: [
      'tessera compare runs/tokens runs/dcgan runs/diffusion --data datasets/emoji --out comparison.html',
      "tessera compare runs/a runs/b --captions 'red apple|blue heart'",
    ],
    aliases: { n: 'numImages' },
    positionals: [{ name: 'RUN', description: 'runs of any family, trained on the same images', many: true }],
    flags: z.object({
      out: file('the page; the same content as JSON goes beside it').default('comparison.html'),
      data: folder('the images that the runs were trained on, to paint held-out captions and to measure').optional(),
      format: dataFormat,
      captions: z.string().optional().describe('captions to paint, separated by | (default: those of held-out images)'),
      metrics: z
        .array(z.enum(metricNames))
        .min(1)
        .default([...defaultMetrics])
        .describe('with --data: measured of runs that have no result of it yet'),
      features: z.array(z.string()).min(1).default(['random']).describe('what the metrics look through, as for eval'),
      numImages: z.number().int().positive().max(100000).default(256).describe('images painted by each run to measure'),
      reference: z.number().int().positive().max(100000).default(1000).describe('training images to compare with'),
      seed: z.number().int().min(0).max(0xffffffff).default(0).describe('the same seed paints the same images'),
      weights,
      ...engine,
    }),
    run: async (session, { values, positionals }) =>
      (await import('./compare.ts')).compareCommand(session, { ...values, runs: positionals }),
  }),
  command({
    name: 'export',
    summary: 'copy what of a run is needed to paint, at half the size',
    examples: ['tessera export --run runs/emoji --out models/apples --attribution datasets/emoji/ATTRIBUTION.md'],
    flags: z.object({
      run: folder('a trained run'),
      out: folder('the copy: a run that can be painted with, evaluated and compared'),
      weights,
      dtype: z.enum(['bf16', 'f32']).default('bf16').describe('type of the weight matrices'),
      attribution: file('whose art the run was trained on: copied as ATTRIBUTION.md').optional(),
    }),
    run: async (session, { values }) => (await import('./export.ts')).exportRun(session, values),
  }),
  command({
    name: 'build-native',
    summary: 'compile the C++ addon for this machine',
    examples: ['tessera build-native'],
    flags: z.object({
      all: z
        .boolean()
        .default(false)
        .describe('every instruction set of this architecture, not only the best one here'),
    }),
    run: async (_, { values }) => (await import('./build.ts')).buildNative(values),
  }),
  command({
    name: 'doctor',
    summary: 'say which backends work here and how fast they are',
    examples: ['tessera doctor'],
    flags: z.object({}),
    run: async session => (await import('./doctor.ts')).doctor(session),
  }),
];

function readConfigFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const folder = (error as NodeJS.ErrnoException).code === 'EISDIR'; // readFileSync throws nothing else
    throw new UserError(
      'train: --config',
      folder ? `expected a file, got the folder ${path}` : `no such file: ${path}`,
    );
  }
  // Checked against the schema, then only what the file itself says goes over the preset.
  parseConfigText(runSchema(), text, path);
  return JSON.parse(text) as Record<string, unknown>;
}
