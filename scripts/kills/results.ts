/** @file What work has left, as far as it must be the same however often it was killed. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { readJsonLines } from '../../src/io/jsonlines.ts';

const sha = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex').slice(0, 16);

/**
 * Every file below a folder with a hash of what it holds: of a log without how fast it went, of a saved state without its number
 * and its times.
 */
export function resultsOf(folder: string): Readonly<Record<string, string>> {
  if (!existsSync(folder)) return {};
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile());
  const found = entries.flatMap((entry): [string, string][] => {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path).split(sep).join('/');
    if (entry.name === 'metrics.jsonl') return [[name, sha(JSON.stringify(readJsonLines(path).map(withoutTimes)))]];
    const state = /^state\/(\w+)\/\d+\/(.*)$/.exec(name);
    if (state !== null) return [[`state/${state[1]}/${state[2]}`, stateHash(path)]];
    if (/^(metrics\.csv|tensorboard\/)/.test(name)) return []; // made of the log, with its times
    return /^state\/\w+\/current$/.test(name) ? [] : [[name, sha(readFileSync(path))]];
  });
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function stateHash(path: string): string {
  if (!path.endsWith('.json')) return sha(readFileSync(path));
  const { window, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as { window?: object };
  return sha(JSON.stringify([withoutTimes(rest), withoutTimes(window ?? {})]));
}

function withoutTimes(record: unknown): object {
  const entries = Object.entries(record as object); // a record of a log, or of a state
  return Object.fromEntries(entries.filter(([name]) => !/PerSecond$|^(seconds|milliseconds)$/.test(name)));
}

/** Names whose results differ. */
export function differing(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(name => one[name] !== other[name]).sort();
}
