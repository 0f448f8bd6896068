/**
 * @file The config of a new run that starts from a trained one: its source's, with the training by the rule (rule.ts), and over
 * that what the user asks for. What cannot be mapped is refused here, before anything is written.
 */
import { existsSync } from 'node:fs';
import type { Dataset } from '../../../data/dataset.ts';
import { openDataset } from '../../../data/open.ts';
import type { BpeTokenizer } from '../../../tokenizer/bpe.ts';
import { patchSizeOf } from '../../config/patch-sizes.ts';
import type { FromConfig, PatchChoice, RunConfig } from '../../config/run.ts';
import { flattenConfig, mergeConfig } from '../../config/schema.ts';
import { firstLine, UserError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { familyOf } from '../../families/families.ts';
import type { Adapted } from '../../families/family.ts';
import { askedFields, newConfig, type RunSettings } from '../../families/resolve.ts';
import type { WeightKind } from '../../io/runfiles.ts';
import { runPaths } from '../../io/runfolder.ts';
import { lengthOf } from '../plan/length.ts';
import { regularisationFor } from '../plan/regularisation.ts';
import { type Surveyed, surveyData } from '../plan/survey.ts';
import { configOfRun } from '../run.ts';
import { divideData } from '../run-images.ts';
import { expectEmoji } from './rehearsed-data.ts';
import { heldOutShare, ruleOf } from './rule.ts';
import { inheritedFields, isSourceOf, nameOfSource, readSource, type Source } from './source.ts';

/** What to start from. */
export interface FromRequest {
  /** The folder of a run or export, or the name of a shipped model; undefined: a training from nothing. */
  readonly from?: string;
  /** Default best, else averaged, else last. */
  readonly weights?: WeightKind;
  /** What becomes of its patch tokenizer; default: the pictures decide. */
  readonly patch?: PatchChoice;
  /** Share of every batch that comes from the source's data, so that it is not forgotten; default none. */
  readonly keep?: number;
  /** Where that data is; the shipped model's is drawn. */
  readonly keepData?: string;
}

/** A new run's start, with the data that it was planned for. */
export interface PlannedStart {
  readonly source: Source;
  readonly adapted: Adapted;
  readonly captions: CaptionsMeasured;
  readonly dataset: Dataset;
  readonly surveyed: Surveyed;
}

/** How the source's caption tokenizer reads the user's captions. */
export interface CaptionsMeasured {
  /** Mean ids of a caption. */
  readonly mean: number;
  /** Share that is longer than the model's caption positions. */
  readonly cut: number;
  /** What the positions were and are, where they became more. */
  readonly lengthened?: { readonly from: number; readonly to: number; readonly cut: number };
}

/** Where a run is to be made or gone on with, and on what data. */
export interface FromPlace {
  readonly out: string;
  readonly data: string;
  readonly format?: string;
  readonly strict?: boolean;
  /** Milliseconds. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/**
 * As `configOfRun`, for a run that may start from a trained one.
 * @returns the config; for a run that is not there yet also what it starts from
 * @throws UserError naming the field that cannot be mapped; if the run that is there was started from something else
 */
export async function configFrom(
  settings: RunSettings,
  place: FromPlace,
  request: FromRequest,
): Promise<{ readonly config: RunConfig; readonly start?: PlannedStart }> {
  const { from } = request;
  if (from === undefined) {
    const goesOn = existsSync(runPaths(place.out).config);
    const given = { ...request, keepData: goesOn ? undefined : request.keepData }; // which a run may still need
    const flag = Object.entries(flagsOfFrom).find(([name]) => given[name as keyof FromRequest] !== undefined)?.[1];
    if (flag === undefined) return { config: await configOfRun(place.out, settings) };
    throw new UserError(`train: ${flag}`, 'says something of --from, which is not given', 'add --from RUN');
  }
  if (settings.preset !== undefined) {
    throw new UserError(
      'train: --preset',
      'with --from the settings are those of what it starts from',
      'leave out one of the two; fields such as --steps can be set',
    );
  }
  let start: PlannedStart | undefined;
  const make = async () => {
    const planned = await planNew({ ...request, from }, askedFields(settings.fields ?? {}), place);
    start = planned.start;
    return planned.config;
  };
  const config = await configOfRun(place.out, settings, { make });
  if (start === undefined) await expectStartedFrom(config, { ...request, from }, place.out);
  return { config, start };
}

/** @throws UserError if the run was started from something else */
async function expectStartedFrom(
  { from }: RunConfig,
  { from: wanted, weights, patch, keep }: FromRequest & { readonly from: string },
  out: string,
): Promise<void> {
  const asked = [
    ['--from-weights', from?.weights, weights],
    ['--patch', from?.patch === 'auto' ? undefined : from?.patch, patch],
    ['--keep', from?.keep?.share, keep],
  ] as const;
  const other = asked.find(([, was, is]) => is !== undefined && was !== is);
  if (other !== undefined && from !== undefined) {
    const [flag, was = 'none', is] = other;
    throw new UserError(
      `train: ${flag}`,
      `expected ${was}, as the run in ${out} was begun, got ${is}`,
      'leave the flag out to go on with it, or choose another --out',
    );
  }
  if (from !== undefined && (await isSourceOf(from, wanted))) return;
  const what = from === undefined ? 'was not started from a trained model' : `was started from ${from.name}`;
  const others = from?.name === nameOfSource(wanted) ? `, whose ${from.weights} weights are not those` : '';
  throw new UserError(
    'train: --from',
    `the run in ${out} ${what}, got ${wanted}${others}`,
    'leave the flag out to go on with it, or choose another --out',
  );
}

async function planNew(
  request: FromRequest & { readonly from: string },
  asked: Readonly<Record<string, unknown>>,
  { data, format, strict, now, signal }: FromPlace,
): Promise<{ readonly config: RunConfig; readonly start: PlannedStart }> {
  const source = await readSource(request.from, request.weights);
  expectFamily(source, asked.family);
  const keep = await rehearsedOf(source, request);
  const dataset = await openDataset(data, { format, strict, signal });
  const inherited = inheritedFields(source.config);
  const share = heldOutShare(dataset.items.length, source.config.images.validation);
  const begin = mergeConfig(inherited, { images: { validation: share } });
  const { images } = newConfig(mergeConfig(begin, asked));
  const { training, heldOut } = divideData(dataset, images);
  const surveyed = await surveyData(dataset, { images, tokenizer: source.captions, now, signal });
  const begun = mergeConfig(begin, regularisationFor(surveyed.survey, source.config.family));
  const likelihood = familyOf(source.config.family).stages.includes('codes');
  const counts = { training: training.length, heldOut: heldOut.length, likelihood };
  const texts = training.flatMap(({ captions }) => captions);
  const batched = { ...source.config, train: newConfig(mergeConfig(begin, asked)).train };
  const { epochs } = lengthOf(asked);
  const passes = epochs === undefined ? {} : { train: { steps: stepsOfEpochs(epochs, training.length, batched) } };
  const rule = ruleOf({ ...batched, train: { ...batched.train, lr: source.config.train.lr } }, counts);
  const captions = measureCaptions(source, texts, asked);
  const length = captions.lengthened && { model: { captionLength: captions.lengthened.to } };
  const mode = patchMode(source, newConfig(mergeConfig(begin, asked)), request.patch);
  const { patchTrain, ...trained } = rule;
  const tuning = mode === 'anew' || patchTrain === undefined ? {} : { patchTrain };
  const started = { ...source.from, ...(mode && { patch: mode, psnr: source.psnr }), keep };
  const config = newConfig(mergeConfig(begun, { ...trained, ...tuning }, length, asked, passes, { from: started }));
  const adapted = await adaptTo(source, config);
  return { config, start: { source, adapted, captions, dataset, surveyed } };
}

/** Steps of so many passes over the images that are trained on. */
function stepsOfEpochs(epochs: number, training: number, { train }: Pick<RunConfig, 'train'>): number {
  return Math.max(1, Math.round((epochs * training) / train.batchSize));
}

/** Flags that say something of what is started from, and nothing alone. */
const flagsOfFrom = { weights: '--from-weights', patch: '--patch', keep: '--keep', keepData: '--keep-data' } as const;

/**
 * What is rehearsed of the source's data, and how that was divided.
 * @throws UserError if it cannot be, or nobody says where it is
 */
async function rehearsedOf(source: Source, { keep: share, keepData }: FromRequest): Promise<FromConfig['keep']> {
  if (share === undefined) {
    if (keepData === undefined) return undefined;
    throw new UserError('train: --keep-data', 'says where the data of --keep is, which is not given', 'add --keep 0.2');
  }
  const { family, images } = source.config;
  if (!familyOf(family).stages.includes('codes')) {
    throw new UserError('train: --keep', `is for models of codes, e.g. a transformer; ${source.said} is a ${family}`);
  }
  const drawn = keepData === undefined;
  if (drawn) await expectDrawable(source);
  else await openDataset(keepData, { check: false }); // for its message
  return { share, drawn, validation: images.validation, split: [...images.split] };
}

/** @throws UserError if the data of the source can not be drawn */
async function expectDrawable({ shipped, said }: Source): Promise<void> {
  const hint = 'say where they are: --keep-data FOLDER';
  if (!shipped) {
    throw new UserError('train: --keep', `expected the images that ${said} was trained on, got no --keep-data`, hint);
  }
  await expectEmoji().catch(error => {
    throw new UserError('train: --keep', `${firstLine(error)}, and the images of ${said} are drawn of them`, hint);
  });
}

/** @throws UserError if another family is asked for than the source's */
function expectFamily({ config, said }: Source, asked: unknown): void {
  if (asked === undefined || asked === config.family) return;
  throw new UserError(
    'train: --from',
    `family: expected ${config.family}, as ${said} is one, got ${String(asked)}`,
    `leave out --model, or name a run that is a ${String(asked)}`,
  );
}

/**
 * What becomes of the source's patch tokenizer: none of a family without one; made anew where its network is to be another.
 * @throws UserError if it is asked to be kept, and cannot be
 */
function patchMode(source: Source, config: RunConfig, asked?: PatchChoice): FromConfig['patch'] {
  if (source.parts.patch === undefined) {
    if (asked === undefined) return undefined;
    throw new UserError('train: --patch', `${source.said} is a ${config.family}, which has no patch tokenizer`);
  }
  // The network of a patch does not depend on how many there are.
  const networkOf = (run: RunConfig) => {
    const { grid: _, ...patch } = run.patch;
    return flattenConfig({ patch, 'pixels a code': patchSizeOf(run) });
  };
  const [before, now] = [networkOf(source.config), networkOf(config)];
  const changed = Object.keys(now).find(field => JSON.stringify(now[field]) !== JSON.stringify(before[field]));
  if (changed === undefined) return asked ?? 'auto';
  if (asked === undefined) return 'anew';
  const [was, is] = [before[changed], now[changed]].map(value => JSON.stringify(value));
  throw new UserError(
    'train: --patch',
    `${asked}: expected ${changed} ${was}, as the patch tokenizer of ${source.said} has it, got ${is}`,
    'leave out --patch to train one from nothing',
  );
}

/** The source's weights for the new run's shape. @throws UserError naming the field that cannot be mapped */
async function adaptTo(source: Source, config: RunConfig): Promise<Adapted> {
  const family = familyOf(config.family);
  const random = new Random(config.seed).fork('model');
  if (family.adapt !== undefined)
    return family.adapt(source, { config, newCodes: config.from?.patch === 'anew', random });
  const { sized = Object.keys(family.sections).filter(name => !name.endsWith('Train')) } = family;
  const shapeOf = (run: RunConfig) => {
    const fields = Object.entries(flattenConfig({ ...run }));
    const sizes = ['images.imageSize', ...sized];
    return Object.fromEntries(fields.filter(([field]) => sizes.some(name => `${field}.`.startsWith(`${name}.`))));
  };
  const [before, now] = [shapeOf(source.config), shapeOf(config)];
  for (const [field, value] of Object.entries(now)) {
    const [was, is] = [before[field], value].map(item => JSON.stringify(item));
    if (was === is) continue;
    throw new UserError(
      'train: --from',
      `${field}: expected ${was}, as what it starts from has it, got ${is}`,
      'leave the flag out, or train without --from',
    );
  }
  return { values: source.values, report: [] };
}

/** Share of captions that may be cut before there are more positions. */
const MOST_CUT = 0.02;
/** Positions come in fours. */
const POSITIONS = 4;
const MOST_POSITIONS = 256;

/** How a transformer's positions fit the captions; other families cut them in their text encoder. */
function measureCaptions(
  source: Source,
  texts: readonly string[],
  asked: Readonly<Record<string, unknown>>,
): CaptionsMeasured {
  const lengths = idsOf(source.captions, texts);
  const mean = lengths.reduce((sum, n) => sum + n, 0) / lengths.length;
  const positions = (asked.model as { captionLength?: number } | undefined)?.captionLength;
  const own = 'model' in familyOf(source.config.family).sections;
  const length = positions ?? (own ? source.config.model.captionLength : source.config.text.length);
  const cutAt = (most: number) => lengths.filter(n => n > most).length / lengths.length;
  const cut = cutAt(length);
  if (!own || positions !== undefined || cut <= MOST_CUT) return { mean, cut };
  let to = Math.ceil((length + 1) / POSITIONS) * POSITIONS;
  while (cutAt(to) > MOST_CUT && to < MOST_POSITIONS) to += POSITIONS;
  return { mean, cut, lengthened: { from: length, to, cut: cutAt(to) } };
}

/** Ids of each caption. */
function idsOf(tokenizer: BpeTokenizer, texts: readonly string[]): number[] {
  return texts.map(text => tokenizer.encode(text).length);
}
