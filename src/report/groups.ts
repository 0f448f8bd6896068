/**
 * @file What sets runs apart, read from their configs: short names, groups of runs that differ in their seed alone, and
 * the help that a training had. Knows no files.
 */
import { basename } from 'node:path';
import { isWatching, type RunConfig } from '../config/run.ts';
import { flattenConfig } from '../config/schema.ts';
import { ownSections } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import { familyName } from './contents.ts';

/** Whether a field sets runs apart: it changes what is learnt, and does not only make seeds of one another. */
function tellsApart(field: string): boolean {
  return !(field === 'seed' || field.startsWith('sampling.') || isWatching(field));
}

/** Most settings that a name tells apart. */
const MOST_TOLD = 3;

/**
 * For each config what its group is called: the family, and what differs where there are several groups of a family.
 */
export function groupNames(configs: readonly RunConfig[]): string[] {
  const settings = configs.map(config => {
    const used = Object.entries(flattenConfig(ownSections(config))).filter(([field]) => tellsApart(field));
    return new Map(used.map(([field, value]) => [field, JSON.stringify(value)]));
  });
  return configs.map((config, i) => {
    const others = settings.filter((_, j) => configs[j].family === config.family);
    const differing = [...settings[i].keys()].filter(field =>
      others.some(other => other.get(field) !== settings[i].get(field)),
    );
    const told = differing
      .slice(0, MOST_TOLD)
      .map(field => describeSetting(config.family, field, settings[i].get(field) ?? ''));
    // More differences than a name holds still make different groups.
    const rest = differing.length > MOST_TOLD ? [`and ${digest(differing.map(field => settings[i].get(field)))}`] : [];
    return [familyName(config.family), ...told, ...rest].join(', ');
  });
}

function describeSetting(family: string, field: string, value: string): string {
  const text = value.replaceAll('"', '');
  if (field === 'train.steps') return `${text} steps`;
  return familyOf(family).words.setting?.(field, text) ?? `${field.replace(/^.*\./, '')} ${text}`;
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
export function aidsOf(config: RunConfig): string[] {
  const { ema, clip } = config.train;
  return [
    ...(ema > 0 ? [`averaged weights (${ema})`] : []),
    ...(familyOf(config.family).words.aids?.(config) ?? []),
    ...(clip < 1e6 ? [`gradient clipped at ${clip}`] : []),
  ];
}
