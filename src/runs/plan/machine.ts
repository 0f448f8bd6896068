/**
 * @file Measuring this machine: real steps, evaluations and paintings of the very config that was chosen, on random pictures,
 * through the models and the optimizer of the training itself. Takes seconds.
 */
import { availableParallelism } from 'node:os';
import { reconstructPictures } from '../../../tokenizer/codec.ts';
import { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { codebookSizeOf } from '../../config/patch.ts';
import { FEWEST_CHECKED, type RunConfig } from '../../config/run.ts';
import { Random } from '../../core/random.ts';
import { activeDevice } from '../../device/device.ts';
import { Contrastive } from '../../families/contrastive/contrastive.ts';
import { textEncoderOf } from '../../families/contrastive/encoder.ts';
import { ContrastiveTask } from '../../families/contrastive/task.ts';
import { familyOf } from '../../families/families.ts';
import type { CaptionedCodes, Making, Parts, StageName, TrainingData } from '../../families/family.ts';
import type { Painter } from '../../families/painter.ts';
import { planningOf } from '../../families/planning.ts';
import { PatchTask } from '../../families/transformer/patch-task.ts';
import { RandomFeatures } from '../../features/random-conv.ts';
import { Images } from '../../image/images.ts';
import { imagesToTensor } from '../../image/pixels.ts';
import type { CaptionedImages, ImageStream } from '../../training/captioned.ts';
import type { Task } from '../../training/task.ts';
import { secondsAStep } from '../../training/timing.ts';
import { machineMemory } from '../memory.ts';
import { codedCrops, fitsMemory } from '../run-images.ts';
import { loopOf } from '../training/loop-config.ts';
import { type Costs, DECODERS, flopsOf, type LoopCosts, type Machine, SHEET, type Sides, sectionOf } from './costs.ts';
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
/** Bytes a parameter of a saved state and of the weights beside it, and bytes that are written in a second. */
const SAVED_BYTES = 28;
const WRITTEN_A_SECOND = 2e8;
/** Share of what a saved state is of the weights that an evaluation keeps where it is the best. */
const BEST_SHARE = 4 / SAVED_BYTES;

/** Measures what the work of a config costs. @throws the signal's reason once it is aborted */
export async function measureCosts(config: RunConfig, measuring: Measuring): Promise<Measured> {
  const { stages } = familyOf(config.family);
  const random = new Random(0);
  const data = new RandomData(config, measuring, random.fork('data'));
  const made: { captions: Parts['captions']; text?: Parts['text']; patch?: PatchTokenizer } = {
    captions: measuring.surveyed.tokenizer,
  };
  const loops: Partial<Record<keyof typeof sectionOf, LoopCosts>> = {};
  let encode = 0;
  let parameters = 0;
  if (stages.includes('text')) {
    const text = await measureText(config, data, { ...measuring, random: random.fork('text') });
    if (text.costs !== undefined) loops.text = text.costs;
    made.text = text.encoder;
  }
  if (stages.includes('patch')) {
    made.patch = new PatchTokenizer(config.patch, config.images.imageSize, random.fork('patch'));
    const patch = await measurePatch(made.patch, config, { data, measuring });
    if (patch.costs !== undefined) loops.patch = patch.costs;
    encode = patch.encode;
  }
  const family = familyOf(config.family);
  const model = await family.create({
    config,
    folder: '',
    parts: made as Making['parts'], // those of its stages are there
    random: random.fork('model'),
    step: 0,
  });
  try {
    const task = await model.task(data);
    parameters = task.parameters.count();
    const costs = await loopCosts('model', task, { config, ...measuring });
    const painting = await paintingSeconds(model.painter, data.captions(SHEET), measuring);
    const checks = await checkSeconds(config, painting, { data, measuring });
    loops.model = { ...costs, evaluation: costs.evaluation + checks, sheet: painting * SHEET + SHEET_FILE };
    task.dispose?.();
  } finally {
    model.dispose();
    model.painter.dispose(); // and the parts with it
  }
  activeDevice().trim();
  const decode = measuring.surveyed.survey.decodeSeconds / Math.min(DECODERS, availableParallelism());
  const { step } = loops.model;
  return {
    costs: { loops: withDecoding(loops, config, { ...measuring, decode }), encode, decode },
    parameters,
    machine: {
      backend: activeDevice().name,
      cores: availableParallelism(),
      memory: machineMemory(),
      flopsPerSecond: (flopsOf(config).model * config.train.batchSize) / step,
    },
  };
}

/** The training of a text encoder, unless it is kept, and the encoder, which a model is made with next. */
async function measureText(
  config: RunConfig,
  data: RandomData,
  { random, ...measuring }: Measuring & { readonly random: Random },
): Promise<{ readonly costs?: LoopCosts; readonly encoder: Parts['text'] }> {
  const { tokenizer } = measuring.surveyed;
  const sizes = { vocabulary: tokenizer.vocabSize, imageSize: config.images.imageSize };
  const towers = new Contrastive(config.text, sizes, random);
  const encoder = textEncoderOf(towers, tokenizer);
  if (measuring.kept?.includes('text') === true) return { encoder };
  const task = new ContrastiveTask(towers, tokenizer, data.streamOf(config.textTrain.batchSize), {
    config: config.textTrain,
    bpeDropout: config.caption.bpeDropout,
    heldOut: data.images(EVALUATED),
  });
  return { costs: await loopCosts('text', task, { config, ...measuring }), encoder };
}

/** The training of a patch tokenizer, unless it is kept, and the seconds of a crop that it encodes. */
async function measurePatch(
  patch: PatchTokenizer,
  config: RunConfig,
  { data, measuring }: { readonly data: RandomData; readonly measuring: Measuring },
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
  const save = (task.parameters.count() * SAVED_BYTES) / WRITTEN_A_SECOND;
  const best = stage === 'model' && sides.heldOut > 0 ? save * BEST_SHARE : 0;
  return { step, evaluation: few * evaluated + best, sheet: 0, save };
}

/** Seconds a crop. */
async function encodeSeconds(patch: PatchTokenizer, images: Images, measuring: Measuring): Promise<number> {
  const tensor = imagesToTensor(images);
  const all = await seconds(measuring, async () => {
    const codes = patch.encode(tensor);
    await codes.data();
    codes.dispose();
  });
  tensor.dispose();
  return all / images.count;
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
async function checkSeconds(
  config: RunConfig,
  painting: number,
  { data, measuring }: { readonly data: RandomData; readonly measuring: Measuring },
): Promise<number> {
  const { checkSamples } = config.train;
  if (checkSamples === 0 || Math.min(measuring.sides.heldOut, measuring.sides.training) < FEWEST_CHECKED) return 0;
  const features = new RandomFeatures();
  const looking = await seconds(measuring, () => features.images(data.images(EVALUATED).images.pictures()));
  await features.dispose();
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

/** Random pictures with captions of the data. */
class RandomData implements TrainingData {
  private readonly config: RunConfig;
  private readonly all: readonly string[];
  private readonly random: Random;

  constructor(config: RunConfig, { surveyed }: Measuring, random: Random) {
    this.config = config;
    this.all = surveyed.captions;
    this.random = random;
  }

  captions(count: number): string[] {
    return Array.from({ length: count }, (_, i) => this.all[i % this.all.length]);
  }

  images(count: number): CaptionedImages {
    const { imageSize: size } = this.config.images;
    const images = Images.allocate(count, { width: size, height: size });
    const { bytes } = images;
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.random.uint32();
      for (let b = 0; b < 4 && i + b < bytes.length; b++) bytes[i + b] = word >>> (8 * b);
    }
    return { images, captions: this.captions(count) };
  }

  /** Always the same batch: what it costs does not depend on what it shows. */
  streamOf(batchSize: number): ImageStream {
    const batch = this.images(batchSize);
    return { next: async () => batch, state: () => null, restore: () => {} };
  }

  async stream({ batchSize }: { readonly batchSize: number }): Promise<ImageStream> {
    return this.streamOf(batchSize);
  }

  async heldOut(): Promise<CaptionedImages> {
    return this.images(EVALUATED);
  }

  async codes(): ReturnType<TrainingData['codes']> {
    const { train } = this.config;
    return {
      training: this.codesOf(2 * train.batchSize, codedCrops(this.config)),
      heldOut: this.codesOf(EVALUATED, 1),
    };
  }

  private codesOf(count: number, crops: number): CaptionedCodes {
    const { patch } = this.config;
    const length = patch.grid ** 2;
    const codebook = codebookSizeOf(patch);
    const codes = Uint16Array.from({ length: count * crops * length }, () => this.random.integer(codebook));
    const ids = Array.from({ length: count }, (_, i) => String(i));
    return { set: { ids, crops, length, codes }, captions: this.captions(count).map(caption => [caption]) };
  }
}
