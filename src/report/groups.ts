/**
 * @file What sets runs apart, read from their configs: short names, groups of runs that differ in their seed alone, and the
 * help that a training had. Knows no files.
 */
import { basename } from 'node:path';
import type { Family } from '../families/family.ts';
import type { RunConfig } from '../config/run.ts';
import { flattenConfig } from '../config/schema.ts';
import { familyName } from './contents.ts';

/** Fields that do not change what is learnt, and those that make seeds of one another. */
const IGNORED =
  /^(seed|sampling\..*|(train|patchTrain|textTrain)\.(evalEvery|sampleEvery|saveEvery|logEvery|checkSamples))$/;

/** Fields that a family does not use. */
const UNUSED: Readonly<Record<Family, RegExp>> = {
  transformer: /^(gan|diffusion|text|textTrain)\./,
  dcgan: /^(diffusion|model|patch|patchTrain)\./,
  r3gan: /^(diffusion|model|patch|patchTrain)\./,
  diffusion: /^(gan|model|patch|patchTrain)\./,
};

/** Most settings that a name tells apart. */
const MOST_TOLD = 3;

/** For each config what its group is called: the family, and what differs where there are several groups of a family. */
export function groupNames(configs: readonly RunConfig[]): string[] {
  const settings = configs.map(config => {
    const used = Object.entries(flattenConfig(config)).filter(
      ([field]) => !IGNORED.test(field) && !UNUSED[config.family].test(field),
    );
    return new Map(used.map(([field, value]) => [field, JSON.stringify(value)]));
  });
  return configs.map((config, i) => {
    const others = settings.filter((_, j) => configs[j].family === config.family);
    const differing = [...settings[i].keys()].filter(field =>
      others.some(other => other.get(field) !== settings[i].get(field)),
    );
    const told = differing.slice(0, MOST_TOLD).map(field => tell(field, settings[i].get(field) ?? ''));
    // More differences than a name holds still make different groups.
    const rest = differing.length > MOST_TOLD ? [`and ${digest(differing.map(field => settings[i].get(field)))}`] : [];
    return [familyName(config.family), ...told, ...rest].join(', ');
  });
}

function tell(field: string, value: string): string {
  const text = value.replaceAll('"', '');
  if (field === 'gan.loss') return `${text} loss`;
  if (field === 'gan.predict') return text === 'none' ? 'no prediction' : `prediction ${text}`;
  if (field === 'diffusion.precond') return text;
  if (field === 'train.steps') return `${text} steps`;
  return `${field.replace(/^.*\./, '')} ${text}`;
}

/** Tells settings apart that no name has room for. */
function digest(values: readonly unknown[]): string {
  let hash = 0;
  for (const letter of JSON.stringify(values)) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  return `others (${hash.toString(36).slice(0, 4)})`;
}

/** The last part of each folder's path, or all of it where that is not unique. */
export function shortNames(folders: readonly string[]): string[] {
  const last = folders.map(folder => basename(folder.replace(/\/+$/, '')) || folder);
  return folders.map((folder, i) => (last.filter(name => name === last[i]).length > 1 ? folder : last[i]));
}

/** What was switched on to help a training: a comparison must say it. */
export function aidsOf({ family, train, gan, diffusion, model, sampling }: RunConfig): string[] {
  const aids: string[] = [];
  if (train.ema > 0) aids.push(`averaged weights (${train.ema})`);
  if (family === 'dcgan' || family === 'r3gan') {
    aids.push(`${gan.loss} loss`);
    if (gan.r1 > 0) aids.push(`R1 ${gan.r1}`);
    if (gan.r2 > 0) aids.push(`R2 ${gan.r2}`);
    if (gan.predict !== 'none') aids.push(`prediction of ${gan.predict === 'both' ? 'both players' : gan.predict}`);
    if (gan.augment.length > 0) aids.push(`DiffAugment (${gan.augment.join(', ')})`);
    if (gan.mismatch > 0) aids.push(`mismatched captions (${gan.mismatch})`);
  } else {
    const { dropout } = family === 'diffusion' ? diffusion : model;
    if (dropout > 0) aids.push(`dropout ${dropout}`);
    if (sampling.cfgScale !== 1) aids.push(`guidance ${sampling.cfgScale}`);
  }
  if (train.clip < 1e6) aids.push(`gradient clipped at ${train.clip}`);
  return aids;
}
