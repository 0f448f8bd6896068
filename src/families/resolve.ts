/**
 * @file The config of a run from where its values come: a preset, what the family needs to differ from it, and the fields
 * that were asked for. The one place where they are put together.
 */
import { defaultPreset, type PresetName, presets } from '../config/presets.ts';
import type { RunConfig } from '../config/run.ts';
import { flattenConfig, mergeConfig, parseConfig } from '../config/schema.ts';
import { checkConfig, checkNewConfig, runSchema } from './config.ts';
import { familyNames, familyOf } from './families.ts';

/** What a run is asked to be. */
export interface RunSettings {
  /** Starting point of a new run; default `defaultPreset`. */
  readonly preset?: PresetName;
  /** Fields that are to differ from it, nested as in a config file. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/**
 * The config of a new run.
 * @throws UserError naming the field that does not fit, or the fields that do not fit together
 */
export function resolveConfig({ preset = defaultPreset, fields = {} }: RunSettings): RunConfig {
  const { family = familyNames()[0] } = fields as { family?: string }; // checked below
  const { defaults } = familyOf(family);
  return newConfig(mergeConfig(presets[preset], defaults, askedFields(fields)));
}

/**
 * The config of a new run with these fields.
 * @throws UserError naming the field that does not fit, or the fields that do not fit together
 */
export function newConfig(fields: Readonly<Record<string, unknown>>): RunConfig {
  // Not for runs that are there: older ones were trained with less, and without a watch.
  return checkNewConfig(checkConfig(parseConfig(runSchema(), fields, 'config')));
}

/** Fields without what a run's config says of where it came from, as a file that was a run's config has it. */
export function askedFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { from: _, ...asked } = fields;
  return asked;
}

/** A value that a run was asked to have. */
export interface AskedValue {
  /** Its path, e.g. `model.width`. */
  readonly field: string;
  readonly value: unknown;
  /** The preset that it is from, where it was not asked for by itself. */
  readonly preset?: PresetName;
}

/**
 * Every value that settings ask of a run of a family: their fields, and those of a preset if they name one. A preset
 * without values of its own asks that what other presets set is left at the fields' own defaults.
 */
export function askedValues({ preset, fields = {} }: RunSettings, family: string): AskedValue[] {
  const asked = flattenConfig(askedFields(fields));
  const read = runSchema().safeParse(fields); // a list may be given in another order than it is kept in
  const kept = read.success ? flattenConfig(read.data) : asked;
  const given = Object.entries(asked).map(([field, value]) => ({ field, value: kept[field] ?? value }));
  if (preset === undefined) return given;
  const own = Object.keys(flattenConfig(presets[preset]));
  const names = new Set(
    own.length > 0 ? own : Object.values(presets).flatMap(other => Object.keys(flattenConfig(other))),
  );
  const values = flattenConfig(runSchema().parse(mergeConfig(presets[preset], familyOf(family).defaults)));
  return [
    ...given,
    ...[...names].filter(field => !(field in asked)).map(field => ({ field, value: values[field], preset })),
  ];
}
