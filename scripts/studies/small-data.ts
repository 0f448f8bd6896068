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
import { openDataset } from '../../data/open.ts';
import { runProgram } from '../../src/cli.ts';
import { codebookSizeOf } from '../../src/config/patch-sizes.ts';
import { presets } from '../../src/config/presets.ts';
import type { RunConfig, RunConfigInput } from '../../src/config/run.ts';
import { mergeConfig } from '../../src/config/schema.ts';
import { Random } from '../../src/core/random.ts';
import { checkConfig, runSchema } from '../../src/families/config.ts';
import type { CaptionedCodes } from '../../src/families/family.ts';
import { adapt } from '../../src/families/transformer/adapt.ts';
import { CodePainter } from '../../src/families/transformer/codepainter.ts';
import { Dalle } from '../../src/families/transformer/dalle.ts';
import { DalleTask } from '../../src/families/transformer/task.ts';
import { type Variant, variantNames } from '../../src/image/variants.ts';
import type { CodeSet } from '../../src/io/codes.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import type { NamedValues } from '../../src/nn/module.ts';
import { readSource, type Source } from '../../src/runs/from/source.ts';
import { openPatchTokenizer } from '../../src/runs/open-tokenizers.ts';
import { shippedModel } from '../../src/runs/run.ts';
import { divideData } from '../../src/runs/run-images.ts';
import { type Session, startEngine } from '../../src/runs/session.ts';
import { encodeItems } from '../../src/runs/training/encode.ts';
import { train } from '../../src/training/loop.ts';
import type { Metrics } from '../../src/training/measured.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import { type Judge, type Judged, openJudge } from './judged.ts';

const variants = [...variantNames];
const noise = (codeNoise: number): RunConfigInput => ({ model: { codeNoise } });

/** What trainings differ in. */
const conditions: Readonly<Record<string, RunConfigInput>> = {
  plain: {},
  'noise 0.1': noise(0.1),
  'noise 0.2': noise(0.2),
  'noise 0.3': noise(0.3),
  'decay 0.3': { train: { weightDecay: 0.3 } },
  'decay 1': { train: { weightDecay: 1 } },
  'dropout 0.1': { model: { dropout: 0.1 } },
  'late dropout': { model: { dropout: 0.2, dropoutAfter: 3 } },
  'lr / 2': { train: { lr: 3e-3 } },
  'lr / 4': { train: { lr: 1.5e-3 } },
  'pull 0.3': { train: { pull: 0.3 } },
  'pull 1': { train: { pull: 1 } },
  'noise 0.2 + pull 1': { model: { codeNoise: 0.2 }, train: { pull: 1 } },
  'bpe dropout 0.1': { caption: { bpeDropout: 0.1 } },
  mirrored: { model: { variants: ['mirrored'] } },
  turned: { model: { variants: ['turned'] } },
  recoloured: { model: { variants: ['recoloured'] } },
  small: { model: { variants: ['small'] } },
  'mirrored + noise 0.2': { model: { variants: ['mirrored'], codeNoise: 0.2 } },
  'all variants': { model: { variants } },
  'all variants + noise 0.2': { model: { variants, codeNoise: 0.2 } },
  'all variants + decay 1': { model: { variants }, train: { weightDecay: 1 } },
  'noise 0.2 + decay 1': { model: { codeNoise: 0.2 }, train: { weightDecay: 1 } },
  'all variants + noise 0.2 + decay 1': { model: { variants, codeNoise: 0.2 }, train: { weightDecay: 1 } },
  'noise 0.2 + decay 1 + late dropout': {
    model: { codeNoise: 0.2, dropout: 0.2, dropoutAfter: 3 },
    train: { weightDecay: 1 },
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
  judge: z
    .string()
    .optional()
    .describe('of `tessera features`: the best weights paint the held-out captions, and it looks at the pictures')
    .meta({ title: 'folder' }),
  out: z.string().describe('lines of JSON, one a training').meta({ title: 'file' }),
  pictures: z.array(z.number().int().positive()).min(1).describe('how many are trained on'),
  steps: z.number().int().positive().describe('of each training'),
  evalEvery: z.number().int().positive().default(8),
  conditions: z
    .array(z.enum(Object.keys(conditions)))
    .min(1)
    .default(Object.keys(conditions))
    .describe('which'),
  seeds: z.array(z.number().int().min(0)).min(1).default([0, 1, 2]),
  heldOut: z.number().int().positive().default(192).describe('pictures that are measured on, at most'),
  validation: z.number().min(0).max(1).optional().describe('share of the data that is held out'),
  threads: z.number().int().positive().default(1),
});

/** Items with their codes: of each the plain ones, then those of every variant. */
interface Encoded {
  readonly items: readonly Item[];
  readonly set: CodeSet;
}

async function encode(
  patch: PatchTokenizer,
  items: readonly Item[],
  options: { readonly config: RunConfig; readonly session: Session },
): Promise<Encoded> {
  const { set } = await encodeItems(patch, items, { ...options, crops: 1, variants });
  const byId = new Map(items.map(item => [item.id, item]));
  return { items: set.ids.map(id => byId.get(id) as Item), set }; // codes are those of the items
}

/** Some items, plain and in some variants. */
function captionedCodes({ items, set }: Encoded, places: readonly number[], among: readonly Variant[]): CaptionedCodes {
  const { length } = set;
  const kinds = [0, ...among.map(variant => 1 + variants.indexOf(variant))];
  const rows = places.flatMap(place => kinds.map(kind => place * set.crops + kind));
  const codes = new Uint16Array(rows.length * length);
  for (const [i, row] of rows.entries()) codes.set(set.codes.subarray(row * length, (row + 1) * length), i * length);
  return {
    set: { ids: places.map(place => set.ids[place]), crops: kinds.length, length, codes },
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

/** What was logged at every look, and what the pictures of the best weights are worth. */
interface Trained {
  readonly log: readonly Metrics[];
  readonly judged?: Judged;
}

/** Trains once. */
async function trainOnce(
  training: Training,
  sides: { readonly training: Encoded; readonly heldOut: Encoded },
  options: {
    readonly base: RunConfig;
    readonly patch: PatchTokenizer;
    readonly judge: Judge | undefined;
    readonly source: Source | undefined;
    readonly steps: number;
    readonly evalEvery: number;
    readonly session: Session;
  },
): Promise<Trained> {
  const { pictures, condition, seed } = training;
  const { base, patch, judge, source, steps, evalEvery, session } = options;
  const config = checkConfig(runSchema().parse(mergeConfig(base, conditions[condition])));
  const places = [...new Random(seed).fork('pictures').permutation(sides.training.items.length)].slice(0, pictures);
  const data = {
    training: captionedCodes(sides.training, places, config.model.variants),
    heldOut: captionedCodes(sides.heldOut, [...sides.heldOut.items.keys()], []),
  };
  const captions =
    source?.captions ?? BpeTokenizer.train(data.training.captions.flat(), { vocabSize: config.caption.vocabSize });
  const vocabulary = {
    caption: captions.vocabSize,
    image: codebookSizeOf(config.patch),
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
  let best: NamedValues | undefined;
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
        watcher: {
          onLog: record => log.push(record),
          onBest: async average => {
            best = average;
          },
        },
      },
    );
    if (judge === undefined || best === undefined) return { log };
    model.parameters.load(best, 'the best weights');
    return { log, judged: await judge.look(new CodePainter({ folder, config, captions, patch, model })) };
  } finally {
    model.dispose();
    await rm(folder, { recursive: true });
  }
}

/** What is kept of a training: the held-out loss at every look, its lowest and its last, and what it has of the pictures it learnt. */
function resultOf({ log, judged }: Trained) {
  const curve = log.flatMap(({ step, val_loss: loss }) => (loss === undefined ? [] : [[step, loss] as const]));
  const [at, best] = curve.reduce((low, look) => (look[1] < low[1] ? look : low));
  const end = curve[curve.length - 1][1];
  const trained = log.findLast(({ image }) => image !== undefined)?.image;
  return { best, at, end, trained, ...judged, curve };
}

async function smallData(session: Session, values: z.output<typeof flags>): Promise<void> {
  const { data, out, steps, evalEvery, threads } = values;
  const { reporter } = session;
  await startEngine(session, { backend: 'auto', precision: 'auto', threads });
  const tokenizer = values.tokenizer ?? shippedModel();
  const patch = await openPatchTokenizer(tokenizer, { start: async () => undefined });
  const { tiny } = presets;
  const imageSize = patch.imageSize;
  const source = values.from === undefined ? undefined : await readSource(values.from, values.fromWeights);
  const fields = {
    images: { imageSize, validation: values.validation },
    patch: { ...patch.config },
    train: { balance: 0 },
    from: source?.from,
  };
  const base = checkConfig(runSchema().parse(mergeConfig(tiny, fields)));
  const { items } = await openDataset(data, { check: false });
  const { training, heldOut } = divideData({ items }, base.images);
  reporter.stage('codes');
  const sides = {
    training: await encode(patch, training, { config: base, session }),
    heldOut: await encode(patch, heldOut.slice(0, values.heldOut), { config: base, session }),
  };
  const judge =
    values.judge === undefined
      ? undefined
      : await openJudge(values.judge, {
          heldOut: heldOut.slice(0, values.heldOut),
          others: training,
          size: imageSize,
        });
  if (judge !== undefined) reporter.message(`R-precision of the real pictures: ${judge.ceiling.toFixed(3)}`);
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
    const result = resultOf(await trainOnce(one, sides, { base, patch, judge, source, steps, evalEvery, session }));
    appendFileSync(out, `${JSON.stringify({ ...one, ...result })}\n`);
    const { best, at, end } = result;
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
