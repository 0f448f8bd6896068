/** @file Flags as the words that a shell takes, for command lines in messages. */
import { flattenConfig, kebab } from '../config/schema.ts';
import type { Given } from './flags.ts';

/** Flags and settings that were given, as words, e.g. `--format`, `images`, `--no-strict`, `--train.steps`, `8`. */
export function wordsOf(given: Given): string[] {
  return Object.entries(flattenConfig(given)).flatMap(([path, value]) => {
    const name = path.split('.').map(kebab).join('.');
    if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`];
    const text = Array.isArray(value) ? value.join(',') : String(value);
    return text.startsWith('-') ? [`--${name}=${text}`] : [`--${name}`, text];
  });
}

/** What a message that tells how to go on with a training repeats of its command line, beside the data and the run. */
export function repeatedFlags(
  given: Given,
  settings: Given,
): { readonly flags: string[]; readonly allFlags: string[] } {
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(given).filter(([name]) => !names.includes(name)));
  return {
    flags: wordsOf(
      without('data', 'out', 'acceptChanges', 'preset', 'hours', 'config', 'from', 'fromWeights', 'patch', 'keep'),
    ),
    allFlags: wordsOf({ ...without('data', 'out', 'acceptChanges'), ...settings }),
  };
}
