/**
 * @file The flags that say how a command speaks, which every command has: `--quiet`, and `--json` where it has a result to
 * give. A command with flags of these names keeps its own.
 */
import { z } from 'zod';

const quiet = z.boolean().default(false).describe('say nothing but results, warnings and errors');
const json = z.boolean().default(false).describe('print one JSON object instead of lines');

/** Where a script finds what a command made: fields of its JSON object, each with what it holds. */
export type ResultFields = Readonly<Record<string, string>>;

/** How a command is to speak. */
export interface OutputFlags {
  readonly quiet: boolean;
  readonly json: boolean;
}

/** The flags beside those that a command has. */
export function outputFlags(own: z.ZodObject, result: ResultFields | undefined): z.ZodObject {
  const shape = { quiet, ...(result === undefined ? {} : { json }) };
  return z.object(Object.fromEntries(Object.entries(shape).filter(([name]) => !(name in own.shape))));
}

/** Their short names. */
export function outputAliases(
  own: z.ZodObject,
  aliases: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return 'quiet' in own.shape || 'q' in own.shape || 'q' in aliases ? aliases : { ...aliases, q: 'quiet' };
}
