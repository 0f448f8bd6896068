/**
 * @file The config of a whole run, put together from the sections of every run and those that the registered families
 * bring; and the config of a run on disk.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { rejectConfig } from '../config/reject.ts';
import {
  captionSchema,
  FEWEST_CHECKED,
  fromSchema,
  imagesSchema,
  planSchema,
  type RunConfig,
  type Sections,
  samplingSchema,
  trainSchema,
} from '../config/run.ts';
import { parseConfig } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { definitionsVersion } from '../core/registry.ts';
import { shellWord } from '../core/shell.ts';
import { readJson } from '../io/files.ts';
import { runPaths } from '../io/runfolder.ts';
import { allFamilies, familyNames, familyOf } from './families.ts';
import { addedFamilies } from './registry.ts';

/** A section may be left out: its fields have defaults. */
type Optional<Section extends z.ZodObject> = z.ZodPrefault<Section>;

type RunShape = {
  readonly seed: z.ZodDefault<z.ZodNumber>;
  readonly family: z.ZodDefault<z.ZodEnum<Record<string, string>>>;
  readonly from: z.ZodOptional<typeof fromSchema>;
} & { readonly [Name in keyof Sections]: Optional<Sections[Name]> };

/** The schema of a run of any registered family; made anew when families have been registered or removed. */
export function runSchema(): z.ZodObject<RunShape> {
  const version = definitionsVersion();
  if (latest?.version !== version) latest = { version, schema: makeRunSchema() };
  return latest.schema;
}

let latest: { readonly version: number; readonly schema: z.ZodObject<RunShape> } | undefined;

/** What of a run's config can be asked for: all but what the program itself writes into it. */
export function settingsSchema(): z.ZodObject {
  const whole = runSchema();
  const settings = askedOf.get(whole) ?? whole.omit({ from: true });
  askedOf.set(whole, settings);
  return settings;
}

const askedOf = new WeakMap<z.ZodObject, z.ZodObject>();

function makeRunSchema(): z.ZodObject<RunShape> {
  const sections = Object.assign({}, ...allFamilies().map(family => family.sections)) as Record<string, z.ZodObject>;
  const names = familyNames();
  const shape = {
    seed: z.number().int().min(0).max(0xffffffff).default(0).describe('the same seed trains the same run'),
    family: z.enum(names).default(names[0]).describe('what learns to paint'),
    from: fromSchema.optional().describe('what it was started from'),
    plan: planSchema.prefault({}),
    images: imagesSchema.prefault({}),
    caption: captionSchema.prefault({}),
    ...Object.fromEntries(Object.entries(sections).map(([name, section]) => [name, placed(name, section)])),
    train: trainSchema.prefault({}),
    sampling: samplingSchema.prefault({}),
  };
  return z.object(shape as RunShape); // what families add to `Sections` are the sections that they bring
}

/**
 * A section that may be left out. Those of families from outside are told apart by when they came, so that their flags
 * leave short names to those that have them.
 */
function placed(name: string, section: z.ZodObject): z.ZodType {
  const optional = section.prefault({});
  const first = allFamilies().find(({ sections }) => sections[name] !== undefined);
  const added = first === undefined ? 0 : addedFamilies().indexOf(first.name) + 1;
  return added > 0 ? optional.meta({ added }) : optional;
}

/**
 * Checks what no single field can: that the parts of the run's family fit together.
 * @returns the config, frozen
 * @throws UserError naming the fields
 */
export function checkConfig(config: RunConfig): RunConfig {
  const { batchSize, accumulate } = config.train;
  if (batchSize % accumulate !== 0) {
    rejectConfig(`batchSize ${batchSize}, expected a multiple of accumulate, which is ${accumulate}`);
  }
  familyOf(config.family).check?.(config);
  return Object.freeze(config);
}

/**
 * Checks a config that a run is to be made with: settings that train and teach nothing are refused.
 * @returns the config
 * @throws UserError naming the field
 */
export function checkNewConfig(config: RunConfig): RunConfig {
  const { checkSamples, pull } = config.train;
  if (checkSamples > 0 && checkSamples < FEWEST_CHECKED) {
    rejectConfig(`train.checkSamples: expected 0, or at least ${FEWEST_CHECKED}, got ${checkSamples}`);
  }
  if (pull > 0 && config.from === undefined) {
    rejectConfig(
      `train.pull ${pull}: there is nothing to be pulled to`,
      'leave it out, or start from a run with --from',
    );
  }
  if (config.caption.bpeDropout === 1) {
    rejectConfig(
      'caption.bpeDropout 1: no merge would ever be seen in training, and painting merges; expected less than 1',
      'e.g. --bpe-dropout 0.1',
    );
  }
  familyOf(config.family).checkNew?.(config);
  return config;
}

/** Longest file of a config that is read, in bytes: hundreds of times what a config takes. */
export const MOST_CONFIG = 2 ** 20;

/** What of a config a run of its family reads: the sections of every run, and the family's. */
export function ownSections(config: RunConfig): Record<string, unknown> {
  const foreign = foreignSections(config.family);
  return Object.fromEntries(Object.entries(config).filter(([name]) => !foreign.has(name)));
}

/**
 * A config as it is kept in a run's folder: without the sections of other families, and a plan, that are at their defaults, to
 * which they are read again. So a run can be read where a family that it is not of is unknown.
 */
export function storedConfig(config: RunConfig): Record<string, unknown> {
  const foreign = foreignSections(config.family);
  const defaults: Readonly<Record<string, unknown>> = runSchema().parse({});
  const kept = ([name, section]: [string, unknown]) =>
    !(foreign.has(name) || name === 'plan') || JSON.stringify(section) !== JSON.stringify(defaults[name]);
  return Object.fromEntries(Object.entries(config).filter(kept));
}

function foreignSections(name: string): ReadonlySet<string> {
  const own = familyOf(name).sections;
  return new Set(allFamilies().flatMap(({ sections }) => Object.keys(sections).filter(key => own[key] === undefined)));
}

/**
 * The config of a run that must be there.
 * @param who the command, for the message
 * @throws UserError if the folder is no run
 */
export async function readRun(folder: string, who: string): Promise<RunConfig> {
  const { config } = runPaths(folder);
  if (!existsSync(config)) {
    throw new UserError(
      who,
      `no run in ${folder} (looked for config.json)`,
      `train one with \`tessera train --data datasets/emoji --out ${shellWord(folder)}\``,
    );
  }
  const stored = await readJson(config, { most: MOST_CONFIG });
  // Before its fields: those of a family that is not known here are not known either.
  const { family } = (stored ?? {}) as { family?: unknown };
  if (typeof family === 'string') familyOf(family, config);
  return checkConfig(parseConfig(runSchema(), stored, config));
}
