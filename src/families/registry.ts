/**
 * @file The registry of model families: what `defineFamily` asks of a definition, so that a mistake is told where it is made
 * and not in the middle of a training, a page or a command's flags.
 */
import type { z } from 'zod';
import { commonFields } from '../config/run.ts';
import {
  booleanCheck,
  type Check,
  checkOptions,
  choiceCheck,
  functionCheck,
  listCheck,
  objectCheck,
  textCheck,
} from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { isPlainName, Registry } from '../core/registry.ts';
import { type Family, type FamilyDefinition, type StageName, stageNames } from './family.ts';
import { checkPlanning, expectSections } from './planning-checks.ts';

const registry = new Registry<Family>('Family');

/**
 * Makes a family known to everything that loops over families.
 * @returns the definition
 * @throws UserError if a field is not what it must be, the name is taken, or a section of its config is that of every run
 *   or another family's by another schema
 */
export function defineFamily<Stage extends StageName>(definition: FamilyDefinition<Stage>): FamilyDefinition<Stage> {
  checkFamily(definition, registry.all());
  registry.add(definition);
  return definition;
}

/** `defineFamily` for a family that comes with the program: it stays. */
export function defineBuiltInFamily<Stage extends StageName>(definition: FamilyDefinition<Stage>): void {
  checkFamily(definition, registry.all());
  registry.add(definition, { builtIn: true });
}

/** Takes a family out again, as tests do. @throws UserError if `defineFamily` has added none of this name */
export function removeFamily(name: string): void {
  registry.remove(name);
}

/** The registered families; see families.ts, which has registered the program's own. */
export function registeredFamilies(): ReadonlyMap<string, Family> {
  return registry.all();
}

/** Names of the families from outside, in the order in which they were defined. */
export function addedFamilies(): readonly string[] {
  return registry.added();
}

const checks = {
  name: textCheck,
  sections: objectCheck,
  defaults: objectCheck,
  check: functionCheck,
  leastParameters: functionCheck,
  checkNew: functionCheck,
  stages: listCheck('stages', choiceCheck(stageNames)),
  sampling: functionCheck,
  piecewise: booleanCheck,
  interpolates: booleanCheck,
  game: booleanCheck,
  validation: objectCheck,
  words: objectCheck,
  planning: objectCheck,
  sized: listCheck('names', textCheck),
  adapt: functionCheck,
  create: functionCheck,
};

const validationChecks = {
  curves: listCheck('names', textCheck, { least: 1 }),
  untaught: functionCheck,
  suffices: booleanCheck,
};

const wordsChecks = {
  title: textCheck,
  paints: textCheck,
  colour: objectCheck,
  unit: choiceCheck(['tokens', 'images']),
  loss: textCheck,
  noLikelihood: textCheck,
  progress: functionCheck,
  aids: functionCheck,
  setting: functionCheck,
};

/** It goes into a style sheet as it is. */
const colourCheck: Check = {
  expected: 'a CSS colour',
  fits: value => typeof value === 'string' && /^[^;{}<>]+$/.test(value),
};

/** Names that stand for something else where families stand: stages of the log, and real images. */
const reserved: readonly string[] = [...stageNames, 'eval', 'real'];

/** @throws UserError naming the first field that is not what it must be */
function checkFamily(definition: Family, others: ReadonlyMap<string, Family>): void {
  checkOptions('defineFamily', definition, checks, ['name', 'sections', 'stages', 'sampling', 'words', 'create']);
  const { name, sections, defaults = {}, stages, validation, planning, words } = definition;
  if (!isPlainName(name) || reserved.includes(name)) {
    const expected = `expected a name of lower-case words with hyphens, none of ${reserved.join(', ')}`;
    throw new UserError('defineFamily: name', `${expected}, got ${JSON.stringify(name)}`);
  }
  const where = `family ${name}`;
  checkOptions(`${where}: words`, words, wordsChecks, ['title', 'paints', 'colour', 'loss']);
  checkOptions(`${where}: words: colour`, words.colour, { light: colourCheck, dark: colourCheck }, ['light', 'dark']);
  if (validation !== undefined) {
    checkOptions(`${where}: validation`, validation, validationChecks, ['curves', 'untaught', 'suffices']);
  }
  checkStages(where, stages);
  for (const [key, section] of Object.entries(sections)) checkSection(where, { key, section, others });
  const known = [...commonFields, ...Object.keys(sections)];
  expectSections(`${where}: defaults`, defaults, known);
  if (planning !== undefined) checkPlanning(`${where}: planning`, planning, known);
}

/** What a stage needs must come before it. */
function checkStages(where: string, stages: readonly StageName[]): void {
  for (const [stage, needed] of [
    ['text', 'captions'],
    ['codes', 'patch'],
  ] as const) {
    if (stages.includes(stage) && !stages.includes(needed)) {
      throw new UserError(`${where}: stages`, `expected ${needed} with ${stage}, got ${stages.join(', ')}`);
    }
  }
}

/** A section must be an object of fields with defaults, under a name that no other section has. */
function checkSection(
  where: string,
  {
    key,
    section,
    others,
  }: { readonly key: string; readonly section: unknown; readonly others: ReadonlyMap<string, Family> },
): void {
  const at = `${where}: sections: ${key}`;
  if (!/^[a-z][A-Za-z0-9]*$/.test(key) || (commonFields as readonly string[]).includes(key)) {
    throw new UserError(at, `expected a camelCase name, none of ${commonFields.join(', ')}, which every run has`);
  }
  const owner = [...others.values()].find(({ sections }) => sections[key] !== undefined && sections[key] !== section);
  if (owner !== undefined) throw new UserError(at, `expected a new name, got that of a section of ${owner.name}`);
  const schema = (section ?? {}) as Partial<z.ZodObject>; // what it lacks is looked at next
  if (typeof schema.shape !== 'object' || schema.safeParse === undefined) {
    throw new UserError(at, 'expected a zod object', 'for example z.object({ width: z.number().default(64) })');
  }
  if (!schema.safeParse({}).success) {
    throw new UserError(at, 'expected a default for every field', 'or .optional(): runs of other families have it too');
  }
}
