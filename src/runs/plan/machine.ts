/**
 * @file Measuring this machine: real steps, evaluations and paintings of the very config that was chosen, on random pictures,
 * through the models and the optimizer of the training itself. Takes seconds.
 */
import { availableParallelism } from 'node:os';
import { reconstructPictures } from '../../../tokenizer/codec.ts';
import { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { FEWEST_CHECKED, type RunConfig } from '../../config/run.ts';
import { Random } from '../../core/random.ts';
import { activeDevice } from '../../device/device.ts';
import { Contrastive } from '../../families/contrastive/contrastive.ts';
import { textEncoderOf } from '../../families/contrastive/encoder.ts';
import { ContrastiveTask } from '../../families/contrastive/task.ts';
import { familyOf } from '../../families/families.ts';
import type { Making, Model, Parts, StageName } from '../../families/family.ts';
import type { Painter } from '../../families/painter.ts';
import { planningOf } from '../../families/planning.ts';
import { PatchTask } from '../../families/transformer/patch-task.ts';
import { RandomFeatures } from '../../features/random-conv.ts';
import type { Images } from '../../image/images.ts';
import { imagesToTensor } from '../../image/pixels.ts';
import type { Task } from '../../training/task.ts';
import { secondsAStep } from '../../training/timing.ts';
import { machineMemory } from '../memory.ts';
import { fitsMemory } from '../run-images.ts';
import { loopOf } from '../training/loop-config.ts';
import {
  BEST_SHARE,
  type Costs,
  DECODERS,
  flopsOf,
  type LoopCosts,
  type Machine,
  SHEET,
  type Sides,
  saveSeconds,
  sectionOf,
} from './costs.ts';
import { RandomData } from './random-data.ts';
import type { Surveyed } from './survey.ts';

export interface Measuring {
  readonly surveyed: Surveyed;
  readonly sides: Sides;
  /** Stages whose part is there already: it is made with random weights, and its training is not measured. */
  readonly kept?: readonly StageName[];
  /** Milliseconds. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/** What was measured. */
export interface Measured {
  readonly costs: Costs;
  readonly machine: Machine;
  /** Numbers that the model is made of. */
  readonly parameters: number;
}

/** Seconds for the steps of a stage, and for painting. */
const STEPS_SECONDS = 1;
const PAINTING_SECONDS = 1.5;
/** Images of an evaluation that is measured; a whole one is as much longer as it has more. */
const EVALUATED = 32;

/** Parts that were made for a measurement; the painter that is made with them disposes of them. */
type Made = { captions: Parts['captions']; text?: Parts['text']; patch?: PatchTokenizer };

/** Measures what the work of a config costs, and keeps nothing. @throws the signal's reason once it is aborted */
export async function measureCosts(config: RunConfig, measuring: Measuring): Promise<Measured> {
  const { stages } = familyOf(config.family);
  const random = new Random(0);
  const { captions } = measuring.surveyed;
  const data = new RandomData(config, { captions, heldOut: EVALUATED, random: random.fork('data') });
  const made: Made = { captions: measuring.surveyed.tokenizer };
  const loops: Partial<Record<keyof typeof sectionOf, LoopCosts>> = {};
  let encode = 0;
  let model: Model | undefined;
  try {
    if (stages.includes('text')) {
      const towers = towersOf(config, measuring, random.fork('text'));
      made.text = textEncoderOf(towers, made.captions);
      loops.text = await measureText(towers, config, { data, measuring });
    }
    if (stages.includes('patch')) {
      made.patch = new PatchTokenizer(config.patch, config.images.imageSize, random.fork('patch'));
      const patch = await measurePatch(made.patch, config, { data, measuring });
      loops.patch = patch.costs;
      encode = patch.encode;
    }
    model = await familyOf(config.family).create({
      config,
      folder: '',
      parts: made as Making['parts'], // those of its stages are there
      random: random.fork('model'),
      step: 0,
    });
    const { costs, parameters } = await measureModel(model, config, { data, measuring });
    loops.model = costs;
    return { ...costsOf(loops, config, { encode, measuring }), parameters };
  } finally {
    model?.dispose();
    if (model !== undefined)
      model.painter.dispose(); // and the parts with it
    else for (const part of [made.text, made.patch]) part?.dispose();
    activeDevice().trim();
  }
}

/** What was measured, as the costs of a training here, and the speed that it shows. */
function costsOf(
  loops: Partial<Record<keyof typeof sectionOf, LoopCosts>>,
  config: RunConfig,
  { encode, measuring }: { readonly encode: number; readonly measuring: Measuring },
): Omit<Measured, 'parameters'> {
  const decode = measuring.surveyed.survey.decodeSeconds / Math.min(DECODERS, availableParallelism());
  const { step = 0 } = loops.model ?? {};
  const there = Object.fromEntries(Object.entries(loops).filter(([, costs]) => costs !== undefined));
  return {
    costs: { loops: withDecoding(there, config, { ...measuring, decode }), encode, decode },
    machine: {
      backend: activeDevice().name,
      cores: availableParallelism(),
      memory: machineMemory(),
      flopsPerSecond: (flopsOf(config).model * config.train.batchSize) / step,
    },
  };
}

interface Measurement {
  readonly data: RandomData;
  readonly measuring: Measuring;
}

/** The training of the family's own model, and its painting. */
async function measureModel(
  model: Model,
  config: RunConfig,
  { data, measuring }: Measurement,
): Promise<{ readonly costs: LoopCosts; readonly parameters: number }> {
  const task = await model.task(data);
  try {
    const costs = await loopCosts('model', task, { config, ...measuring });
    const painting = await paintingSeconds(model.painter, data.captions(SHEET), measuring);
    const checks = await checkSeconds(config, painting, { data, measuring });
    return {
      costs: { ...costs, evaluation: costs.evaluation + checks, sheet: painting * SHEET + SHEET_FILE },
      parameters: task.parameters.count(),
    };
  } finally {
    task.dispose?.();
  }
}

function towersOf(config: RunConfig, { surveyed }: Measuring, random: Random): Contrastive {
  const sizes = { vocabulary: surveyed.tokenizer.vocabSize, imageSize: config.images.imageSize };
  return new Contrastive(config.text, sizes, random);
}

/** The training of a text encoder; undefined where it is kept. */
async function measureText(
  towers: Contrastive,
  config: RunConfig,
  { data, measuring }: Measurement,
): Promise<LoopCosts | undefined> {
  if (measuring.kept?.includes('text') === true) return undefined;
  const task = new ContrastiveTask(towers, measuring.surveyed.tokenizer, data.streamOf(config.textTrain.batchSize), {
    config: config.textTrain,
    bpeDropout: config.caption.bpeDropout,
    heldOut: data.images(EVALUATED),
  });
  return loopCosts('text', task, { config, ...measuring });
}

/** The training of a patch tokenizer, unless it is kept, and the seconds of a crop that it encodes. */
async function measurePatch(
  patch: PatchTokenizer,
  config: RunConfig,
  { data, measuring }: Measurement,
): Promise<{ readonly costs?: LoopCosts; readonly encode: number }> {
  const heldOut = data.images(EVALUATED).images;
  let costs: LoopCosts | undefined;
  if (measuring.kept?.includes('patch') !== true) {
    const stream = data.streamOf(config.patchTrain.batchSize);
    const task = new PatchTask(patch, stream, { config: config.patchTrain, heldOut });
    const loop = await loopCosts('patch', task, { config, ...measuring });
    const sheet = await seconds(measuring, () => reconstructPictures(patch, heldOut.slice(0, 12).pictures()));
    costs = { ...loop, sheet: sheet + SHEET_FILE };
  }
  return { costs, encode: await encodeSeconds(patch, heldOut, measuring) };
}

/** Seconds that drawing and writing a sheet takes. */
const SHEET_FILE = 0.15;

async function seconds({ now }: Measuring, work: () => Promise<unknown>): Promise<number> {
  const began = now();
  await work();
  return (now() - began) / 1000;
}

/** A task's steps and evaluations; whoever has pictures to show adds them. */
async function loopCosts(
  stage: keyof typeof sectionOf,
  task: Task,
  measuring: Measuring & { readonly config: RunConfig },
): Promise<LoopCosts> {
  const { config, sides, now, signal } = measuring;
  const loop = loopOf(config[sectionOf[stage]], { seed: config.seed });
  const step = await secondsAStep(task, loop, { now, signal, atMost: STEPS_SECONDS });
  const few = sides.heldOut === 0 ? 0 : await seconds(measuring, () => task.evaluate(signal));
  const evaluated = Math.min(sides.heldOut, stage === 'model' ? 512 : sides.heldOut) / EVALUATED;
  const save = saveSeconds(task.parameters.count());
  const best = stage === 'model' && sides.heldOut > 0 ? save * BEST_SHARE : 0;
  return { step, evaluation: few * evaluated + best, sheet: 0, save };
}

/** Seconds a crop. */
async function encodeSeconds(patch: PatchTokenizer, images: Images, measuring: Measuring): Promise<number> {
  const tensor = imagesToTensor(images);
  try {
    const all = await seconds(measuring, async () => {
      const codes = patch.encode(tensor);
      await codes.data();
      codes.dispose();
    });
    return all / images.count;
  } finally {
    tensor.dispose();
  }
}

/** Seconds a picture, painted beside others; of a painting that takes long the first part is measured. */
async function paintingSeconds(painter: Painter, captions: readonly string[], measuring: Measuring): Promise<number> {
  const { now, signal } = measuring;
  const stop = new AbortController();
  const began = now();
  let share = 0;
  const watch = (done: number) => {
    share = done / captions.length;
    if (now() - began > 1000 * PAINTING_SECONDS && share > 0) stop.abort();
  };
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  try {
    await painter.paint(captions, { seed: 0, signal: both, onProgress: watch });
    share = 1;
  } catch (error) {
    signal?.throwIfAborted();
    if (!stop.signal.aborted) throw error;
  }
  return (now() - began) / 1000 / share / captions.length;
}

/** Painting and looking at the samples of an evaluation. @param painting seconds a picture in a sheet */
async function checkSeconds(config: RunConfig, painting: number, { data, measuring }: Measurement): Promise<number> {
  const { checkSamples } = config.train;
  if (checkSamples === 0 || Math.min(measuring.sides.heldOut, measuring.sides.training) < FEWEST_CHECKED) return 0;
  const features = new RandomFeatures();
  const looked = data.images(EVALUATED).images.pictures();
  const looking = await seconds(measuring, () => features.images(looked)).finally(() => features.dispose());
  const { checkingShare } = planningOf(familyOf(config.family)).passes(config);
  return checkSamples * (painting * checkingShare + looking / EVALUATED);
}

/** Where images do not fit the memory every step waits for those that it decodes. */
function withDecoding(
  loops: Partial<Record<keyof typeof sectionOf, LoopCosts>>,
  config: RunConfig,
  { sides, decode }: Pick<Measuring, 'sides'> & { readonly decode: number },
): Costs['loops'] {
  if (fitsMemory(sides.training, config.images)) return loops;
  const entries = Object.entries(loops).map(([stage, costs]) => {
    const name = stage as keyof typeof sectionOf;
    const decodes = name !== 'model' || !familyOf(config.family).stages.includes('codes');
    const step = decodes ? Math.max(costs.step, config[sectionOf[name]].batchSize * decode) : costs.step;
    return [name, { ...costs, step }] as const;
  });
  return Object.fromEntries(entries);
}
