/** @file Flags as the words that a shell takes, for command lines in messages. */
import { kebab } from '../config/schema.ts';
import type { Given } from './flags.ts';

/** The flags that were given, as words, e.g. `--format`, `images`, `--no-strict`; without those that are named. */
export function wordsOf(given: Given, without: readonly string[]): string[] {
  return Object.entries(given)
    .filter(([name]) => !without.includes(name))
    .flatMap(([name, value]) => {
      if (typeof value === 'boolean') return [value ? `--${kebab(name)}` : `--no-${kebab(name)}`];
      return [`--${kebab(name)}`, Array.isArray(value) ? value.join(',') : String(value)];
    });
}
