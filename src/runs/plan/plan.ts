/**
 * @file The plan of a new training: looks at the data, measures the machine, chooses sizes and fits steps. Made once; what it
 * decides is the run's config, and what it predicts is kept beside the run's states.
 */
import type { Dataset } from '../../../data/dataset.ts';
import type { PresetName } from '../../config/presets.ts';
import type { RunConfig } from '../../config/run.ts';
import { mergeConfig, parseConfig } from '../../config/schema.ts';
import { activeDevice } from '../../device/device.ts';
import { checkConfig, checkNewConfig, runSchema } from '../../families/config.ts';
import { familyNames } from '../../families/families.ts';
import { type RunSettings, resolveConfig } from '../../families/resolve.ts';
import { expectFits, machineMemory } from '../memory.ts';
import { codedCrops, divideData, fitsMemory, measuredAtMost } from '../run-images.ts';
import { type Choice, choose, describeShape, fixedFields, minutesFor, usefulSteps } from './choose.ts';
import { type Machine, type Sides, sectionOf, trainedStagesOf } from './costs.ts';
import { fitSteps } from './fit.ts';
import type { KeptPlan } from './kept.ts';
import { expectEnough, lengthOf } from './length.ts';
import { type Measured, measureCosts } from './machine.ts';
import { type Survey, type Surveyed, surveyData } from './survey.ts';

/** What is planned, why, and what is predicted of it. Fit for JSON. */
export interface Plan {
  readonly config: RunConfig;
  /** For `TrainRequest.plan`. */
  readonly kept: KeptPlan;
  readonly survey: Survey;
  readonly machine: Machine;
  /** Images that are trained on, and all that are held out. */
  readonly sides: Sides;
  /** Why the pictures have the size that they have; undefined where a preset says so. */
  readonly why?: string;
  /** Minutes of everything, the plan included, and until the first painted samples. */
  readonly minutes: number;
  readonly firstSamples: number;
  /** In bytes; a lower bound where the model is on a GPU. */
  readonly memory: number;
  /** Numbers that the model is made of. */
  readonly parameters: number;
}

/** What is asked for. */
export interface PlanRequest {
  readonly dataset: Pick<Dataset, 'items'>;
  readonly preset?: PresetName;
  /** Fields that stand; `plan.minutes` or `plan.epochs` among them says how long it is to take. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Milliseconds. */
  readonly now: () => number;
  /** When the work began that the minutes are for, by `now`. */
  readonly began?: number;
  readonly signal?: AbortSignal;
}

/** Whether settings leave anything to be planned: without a preset whatever is not given, and with one the steps for minutes. */
export function leavesOpen({ preset, fields = {} }: RunSettings): boolean {
  const { family = familyNames()[0], plan } = fields as { family?: string; plan?: RunConfig['plan'] };
  if (plan?.minutes !== undefined || plan?.epochs !== undefined) return true;
  if (preset !== undefined) return false;
  const given = fixedFields(fields);
  return !trainedStagesOf(family).every(stage => given.has(`${sectionOf[stage]}.steps`));
}

/**
 * Plans a training on the active backend.
 * @throws UserError if the fields fit no config, the data cannot be used or the minutes are too few; the signal's reason once
 *   it is aborted
 */
export async function planTraining(request: PlanRequest): Promise<Plan> {
  const { dataset, preset, now, signal } = request;
  const { began = now() } = request;
  const { minutes, epochs } = lengthOf(request.fields);
  const { split } = parseConfig(runSchema(), request.fields, 'config').images;
  const surveyed = await surveyData(dataset, { images: { split }, now, signal });
  const fields = epochs === undefined ? request.fields : withEpochs(epochs, request, surveyed.survey);
  const measuring = { surveyed, dataset, now, signal };
  const chosen =
    preset === undefined ? await chooseHere(fields, minutes, measuring) : await take(preset, fields, measuring);
  const { config, useful, smallest, why, measured, sides } = chosen;
  const { survey } = surveyed;
  const fixed = fixedFields(fields);
  const open =
    minutes ??
    (fixed.has('train.steps') ? undefined : minutesFor(config, { ...measured, sides, survey, useful, smallest }));
  const spent = (now() - began) / 1000;
  const seconds = open === undefined ? undefined : Math.max(1, 60 * open - spent);
  const fitted = fitSteps(config, { costs: measured.costs, sides, seconds, fillsTime: minutes !== undefined, fixed });
  const follows = Object.values(fitted.stages).some(stage => stage?.fitted === true);
  if (minutes !== undefined && follows) {
    expectEnough(minutes, fitted.seconds + spent, 'give it more, or a smaller --image-size and --grid');
  }
  const plan = open === undefined ? {} : { plan: { minutes: open } };
  return {
    config: checkNewConfig(checkConfig(parseConfig(runSchema(), mergeConfig(fitted.config, plan), 'config'))),
    kept: { stages: fitted.stages },
    survey,
    machine: measured.machine,
    sides: { training: sides.training, heldOut: divideData(dataset, config.images).heldOut.length },
    why,
    minutes: (fitted.seconds + spent) / 60,
    firstSamples: (fitted.firstSamples + spent) / 60,
    memory: memoryOf(config, sides),
    parameters: measured.parameters,
  };
}

interface Here {
  readonly surveyed: Surveyed;
  readonly dataset: Pick<Dataset, 'items'>;
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

interface Chosen extends Pick<Choice, 'config' | 'useful' | 'smallest'> {
  readonly why?: string;
  readonly measured: Measured;
  readonly sides: Sides;
}

/** Most configs that are measured. */
const MOST_MEASURED = 3;
/** Operations a second that a GPU is first taken to make; measured on what that chooses. */
const GPU_GUESS = 5e12;

/** Chooses for this machine, whose speed is first measured on the smallest config, then on the one that it chooses. */
async function chooseHere(
  fields: Readonly<Record<string, unknown>>,
  minutes: number | undefined,
  here: Here,
): Promise<Chosen> {
  const { survey } = here.surveyed;
  const { family = familyNames()[0] } = fields as { family?: string };
  const wish = { family, fields, minutes };
  const guess = activeDevice().name === 'webgpu' ? GPU_GUESS : 1;
  let choice = choose(
    survey,
    { backend: activeDevice().name, cores: 1, memory: machineMemory(), flopsPerSecond: guess },
    wish,
  );
  for (let tried = 1; ; tried++) {
    const found = await measured(choice.config, here);
    const next = choose(survey, found.measured.machine, wish);
    // What has become smaller after it was measured shows that it is slower than was thought.
    if (tried === MOST_MEASURED || describeShape(next.config) === describeShape(choice.config)) {
      return { ...choice, smallest: next.smallest, why: next.why, ...found };
    }
    choice = next;
  }
}

/** A preset, whose fields stand. */
async function take(preset: PresetName, fields: Readonly<Record<string, unknown>>, here: Here): Promise<Chosen> {
  const config = resolveConfig({ preset, fields });
  const found = await measured(config, here);
  const useful = usefulSteps(config.train.steps, found.sides.training, config.train.batchSize);
  return { config, useful, smallest: false, ...found };
}

async function measured(
  config: RunConfig,
  here: Here,
): Promise<{ readonly measured: Measured; readonly sides: Sides }> {
  expectFits(config);
  const { training, heldOut } = divideData(here.dataset, config.images);
  const sides = { training: training.length, heldOut: Math.min(heldOut.length, measuredAtMost(config.images)) };
  return { measured: await measureCosts(config, { ...here, sides }), sides };
}

/** Steps in the place of passes over the data. */
function withEpochs(epochs: number, { preset, fields }: PlanRequest, survey: Survey): Record<string, unknown> {
  const { family = familyNames()[0] } = fields as { family?: string };
  const slowest = { backend: '', cores: 1, memory: machineMemory(), flopsPerSecond: 1 };
  const config =
    preset === undefined ? choose(survey, slowest, { family, fields }).config : resolveConfig({ preset, fields });
  return mergeConfig(fields, { train: { steps: stepsOfEpochs(epochs, survey, config) } });
}

/** Steps of so many passes over the images that are trained on. */
function stepsOfEpochs(epochs: number, { pictures, published }: Survey, { images, train }: RunConfig): number {
  const training = pictures - (published ?? Math.round(pictures * images.validation));
  return Math.max(1, Math.round((epochs * training) / train.batchSize));
}

/** What this process has taken by now, after real steps of the model, and the images and codes that are kept in memory. */
function memoryOf(config: RunConfig, { training, heldOut }: Sides): number {
  const { images, patch } = config;
  const pixels = images.imageSize ** 2 * 3;
  const kept = (fitsMemory(training, images) ? training * images.crops : 0) + heldOut;
  const codes = trainedStagesOf(config.family).includes('patch')
    ? training * codedCrops(config) * patch.grid ** 2 * 2
    : 0;
  return Math.min(machineMemory(), process.resourceUsage().maxRSS * 1024 + kept * pixels + codes);
}
