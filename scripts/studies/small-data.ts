/**
 * @file `npm run small-data`: what keeps a transformer from learning a small data set by heart. Trains it from scratch on some
 * of the pictures of a data set, as codes of one fixed patch tokenizer, under one condition at a time and several seeds, and
 * writes a line of JSON for each training: the held-out loss at every look. Losses of different conditions compare, since codes
 * and held-out pictures are the same in all. Goes on where it was stopped: what has its line is not trained again.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Item } from '../../data/dataset.ts';
import { decodeAll } from '../../data/decoded.ts';
import { openDataset } from '../../data/open.ts';
import { runProgram } from '../../src/cli.ts';
import { presets } from '../../src/config/presets.ts';
import type { RunConfig, RunConfigInput } from '../../src/config/run.ts';
import { mergeConfig } from '../../src/config/schema.ts';
import { Random } from '../../src/core/random.ts';
import { checkConfig, runSchema } from '../../src/families/config.ts';
import type { CaptionedCodes } from '../../src/families/family.ts';
import { adapt } from '../../src/families/transformer/adapt.ts';
import { Dalle } from '../../src/families/transformer/dalle.ts';
import { DalleTask } from '../../src/families/transformer/task.ts';
import { Images } from '../../src/image/images.ts';
import { imagesToTensor } from '../../src/image/pixels.ts';
import { changed, type Variant, variantNames } from '../../src/image/variants.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { readSource, type Source } from '../../src/runs/from/source.ts';
import { openPatchTokenizer } from '../../src/runs/open-tokenizers.ts';
import { shippedModel } from '../../src/runs/run.ts';
import { type Session, startEngine } from '../../src/runs/session.ts';
import { train } from '../../src/training/loop.ts';
import type { Metrics } from '../../src/training/measured.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { PatchTokenizer } from '../../tokenizer/patch.ts';

/** What a training differs in. */
interface Condition {
  readonly fields?: RunConfigInput;
}

const variants = [...variantNames];
const noise = (codeNoise: number): Condition => ({ fields: { model: { codeNoise } } });

const conditions: Readonly<Record<string, Condition>> = {
  plain: {},
  'noise 0.1': noise(0.1),
  'noise 0.2': noise(0.2),
  'noise 0.3': noise(0.3),
  'decay 0.3': { fields: { train: { weightDecay: 0.3 } } },
  'decay 1': { fields: { train: { weightDecay: 1 } } },
  'dropout 0.1': { fields: { model: { dropout: 0.1 } } },
  'late dropout': { fields: { model: { dropout: 0.2, dropoutAfter: 3 } } },
  'lr / 2': { fields: { train: { lr: 3e-3 } } },
  'lr / 4': { fields: { train: { lr: 1.5e-3 } } },
  'pull 0.3': { fields: { train: { pull: 0.3 } } },
  'pull 1': { fields: { train: { pull: 1 } } },
  'noise 0.2 + pull 1': { fields: { model: { codeNoise: 0.2 }, train: { pull: 1 } } },
  'bpe dropout 0.1': { fields: { caption: { bpeDropout: 0.1 } } },
  mirrored: { fields: { model: { variants: ['mirrored'] } } },
  turned: { fields: { model: { variants: ['turned'] } } },
  recoloured: { fields: { model: { variants: ['recoloured'] } } },
  small: { fields: { model: { variants: ['small'] } } },
  'all variants': { fields: { model: { variants } } },
  'all variants + noise 0.2': { fields: { model: { variants, codeNoise: 0.2 } } },
  'all variants + decay 1': { fields: { model: { variants }, train: { weightDecay: 1 } } },
  'noise 0.2 + decay 1': { fields: { model: { codeNoise: 0.2 }, train: { weightDecay: 1 } } },
  'all variants + noise 0.2 + decay 1': { fields: { model: { variants, codeNoise: 0.2 }, train: { weightDecay: 1 } } },
  'noise 0.2 + decay 1 + late dropout': {
    fields: { model: { codeNoise: 0.2, dropout: 0.2, dropoutAfter: 3 }, train: { weightDecay: 1 } },
  },
};

const flags = z.object({
  data: z.string().describe('captioned images').meta({ title: 'folder' }),
  tokenizer: z
    .string()
    .optional()
    .describe('a run whose patch tokenizer is used; default: the one that comes with the package')
    .meta({ title: 'folder' }),
  from: z
    .string()
    .optional()
    .describe('a run, or a model that comes with the package: trainings start from its weights; default: from scratch')
    .meta({ title: 'run' }),
  fromWeights: z.enum(['best', 'ema', 'last']).optional().describe('which of its weights'),
  out: z.string().describe('lines of JSON, one a training').meta({ title: 'file' }),
  pictures: z.array(z.number().int().positive()).min(1).describe('how many are trained on'),
  steps: z.number().int().positive().describe('of each training'),
  evalEvery: z.number().int().positive().default(8),
  conditions: z.array(z.string()).min(1).default(Object.keys(conditions)).describe('which'),
  seeds: z.array(z.number().int().min(0)).min(1).default([0, 1, 2]),
  heldOut: z.number().int().positive().default(192).describe('pictures that are measured on, at most'),
  threads: z.number().int().positive().default(1),
});

/** All pictures as codes, plain and changed. */
interface Encoded {
  readonly items: readonly Item[];
  /** Plain and by variant: [items, N]. */
  readonly codes: ReadonlyMap<Variant | 'plain', Uint16Array>;
  readonly length: number;
}

async function encodeAll(patch: PatchTokenizer, config: RunConfig, items: readonly Item[]): Promise<Encoded> {
  const { images, items: decoded } = await decodeAll(items, { size: config.images.imageSize });
  const length = patch.grid ** 2;
  const codes = new Map<Variant | 'plain', Uint16Array>();
  for (const kind of ['plain', ...variantNames] as const) {
    const all = new Uint16Array(decoded.length * length);
    for (let from = 0; from < images.count; from += 32) {
      const plain = images.slice(from, from + 32).pictures();
      const pictures = kind === 'plain' ? plain : plain.map(picture => changed(picture, kind));
      const tensor = imagesToTensor(Images.of(pictures));
      const encoded = patch.encode(tensor);
      all.set((await encoded.data()) as Int32Array, from * length);
      tensor.dispose();
      encoded.dispose();
    }
    codes.set(kind, all);
  }
  return { items: decoded, codes, length };
}

/** Some items, plain and in some variants. */
function captionedCodes(encoded: Encoded, places: readonly number[], among: readonly Variant[]): CaptionedCodes {
  const { items, codes, length } = encoded;
  const kinds = ['plain', ...among] as const;
  const all = new Uint16Array(places.length * kinds.length * length);
  for (const [i, place] of places.entries()) {
    for (const [k, kind] of kinds.entries()) {
      const its = (codes.get(kind) as Uint16Array).subarray(place * length, (place + 1) * length);
      all.set(its, (i * kinds.length + k) * length);
    }
  }
  return {
    set: { ids: places.map(place => items[place].id), crops: kinds.length, length, codes: all },
    captions: places.map(place => items[place].captions),
  };
}

interface Training {
  /** What it started from; absent: from scratch. */
  readonly from?: string;
  readonly pictures: number;
  readonly condition: string;
  readonly seed: number;
}

/** Trains once. @returns what was logged at every look */
async function trainOnce(
  training: Training,
  sides: { readonly training: Encoded; readonly heldOut: Encoded },
  options: {
    readonly base: RunConfig;
    readonly source: Source | undefined;
    readonly steps: number;
    readonly evalEvery: number;
    readonly session: Session;
  },
): Promise<Metrics[]> {
  const { pictures, condition, seed } = training;
  const { fields = {} } = conditions[condition];
  const { base, source, steps, evalEvery, session } = options;
  const config = checkConfig(runSchema().parse(mergeConfig(base, fields)));
  const places = [...new Random(seed).fork('pictures').permutation(sides.training.items.length)].slice(0, pictures);
  const data = {
    training: captionedCodes(sides.training, places, config.model.variants),
    heldOut: captionedCodes(sides.heldOut, [...sides.heldOut.items.keys()], []),
  };
  const captions =
    source?.captions ?? BpeTokenizer.train(data.training.captions.flat(), { vocabSize: config.caption.vocabSize });
  const vocabulary = {
    caption: captions.vocabSize,
    image: config.patch.levels.reduce((a, b) => a * b, 1),
    grid: config.patch.grid,
  };
  const model = new Dalle(config.model, vocabulary, new Random(seed).fork('model'));
  const random = new Random(seed).fork('adapted');
  const start = source && adapt(source, { config, random }).values;
  if (source !== undefined && start !== undefined) model.parameters.load(start, source.said);
  const { batchSize, accumulate } = config.train;
  const { bpeDropout } = config.caption;
  const task = new DalleTask(model, captions, data, {
    ...{ batchSize, accumulate, bpeDropout, seed },
    imageSize: config.images.imageSize,
  });
  const folder = await mkdtemp(join(tmpdir(), 'small-data-'));
  const log: Metrics[] = [];
  try {
    const rhythm = { steps, evalEvery, sampleEvery: steps, saveEvery: steps, logEvery: evalEvery };
    await train(
      task,
      { ...config.train, ...rhythm, seed },
      {
        folder,
        now: session.now,
        signal: session.signal,
        anchors: start,
        watcher: { onLog: record => log.push(record) },
      },
    );
  } finally {
    model.dispose();
    await rm(folder, { recursive: true });
  }
  return log;
}

/** A training's line: the loss of held-out codes at every look, its lowest, and what is known of the trained ones at the end. */
function lineOf(training: Training, log: readonly Metrics[]): string {
  const curve = log.flatMap(({ step, val_loss: loss }) => (loss === undefined ? [] : [[step, loss] as const]));
  const [at, best] = curve.reduce((low, look) => (look[1] < low[1] ? look : low));
  const end = curve[curve.length - 1][1];
  const trained = log.findLast(({ image }) => image !== undefined)?.image;
  return JSON.stringify({ ...training, best, at, end, trained, curve });
}

async function smallData(session: Session, values: z.output<typeof flags>): Promise<void> {
  const { data, out, steps, evalEvery, threads } = values;
  const { reporter } = session;
  const unknown = values.conditions.filter(name => !(name in conditions));
  if (unknown.length > 0)
    throw new Error(`no condition ${unknown.join(', ')}; there are ${Object.keys(conditions).join('; ')}`);
  await startEngine(session, { backend: 'auto', precision: 'auto', threads });
  const tokenizer = values.tokenizer ?? shippedModel();
  const patch = await openPatchTokenizer(tokenizer, { start: async () => undefined });
  const { tiny } = presets;
  const imageSize = patch.imageSize;
  const source = values.from === undefined ? undefined : await readSource(values.from, values.fromWeights);
  const fields = { images: { imageSize }, patch: { ...patch.config }, train: { balance: 0 }, from: source?.from };
  const base = checkConfig(runSchema().parse(mergeConfig(tiny, fields)));
  const { items } = await openDataset(data, { check: false });
  const { training, heldOut } = (await import('../../src/runs/run-images.ts')).divideData({ items }, base.images);
  reporter.stage('codes');
  const sides = {
    training: await encodeAll(patch, base, training),
    heldOut: await encodeAll(patch, base, heldOut.slice(0, values.heldOut)),
  };
  patch.dispose();
  const from = source && `${source.said} (${source.from.weights})`;
  const keyOf = ({ pictures, condition, seed, from: start = 'scratch' }: Training) =>
    `${start}/${pictures}/${condition}/${seed}`;
  const known = existsSync(out) ? readJsonLines(out) : [];
  const done = new Set(known.map(line => keyOf(line as Training)));
  const all = values.seeds.flatMap(seed =>
    values.pictures.flatMap(pictures => values.conditions.map(condition => ({ from, pictures, condition, seed }))),
  );
  const todo = all.filter(training => !done.has(keyOf(training)));
  for (const [i, one] of todo.entries()) {
    reporter.stage(keyOf(one), { index: i + 1, of: todo.length });
    const line = lineOf(one, await trainOnce(one, sides, { base, source, steps, evalEvery, session }));
    appendFileSync(out, `${line}\n`);
    const { best, at, end } = JSON.parse(line) as { best: number; at: number; end: number };
    reporter.done(`best ${best.toFixed(3)} at ${at}, ${end.toFixed(3)} at the end`);
  }
}

await runProgram(
  {
    name: 'small-data',
    summary: 'measure what keeps a transformer from learning a small data set by heart',
    examples: ['npm run small-data -- --data datasets/openmoji --out small-data.jsonl --pictures 100,300 --steps 160'],
    flags: () => flags,
    run: (session, { values }) => smallData(session, values),
  },
  process.argv.slice(2),
);
