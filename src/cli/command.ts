/**
 * @file What a command is: a file in commands/ that defines it, and a line in commands.ts. The definition is light, since
 * every start of the program reads all of them; what the command does is imported when it runs.
 */
import type { z } from 'zod';
import type { Session } from '../runs/session.ts';
import type { CommandSpec } from './flag-table.ts';
import { type Given, parseFlags } from './flags.ts';

/** What `run` gets of the command line. */
export interface Input<S extends z.ZodObject> {
  /** The flags, with their defaults. */
  readonly values: z.output<S>;
  /** Only the flags that the user gave. */
  readonly given: Given;
  /** Only the settings that the user gave, nested as in their schema. */
  readonly settings: Given;
  readonly positionals: readonly string[];
}

/** How a command is defined. The schemas are made when it is called: families and metrics may be added until then. */
export interface CommandDefinition<S extends z.ZodObject> extends Omit<CommandSpec<S>, 'flags' | 'settings'> {
  readonly flags: () => S | Promise<S>;
  /** Fields of a config that are flags too, such as `--train.lr`. `run` gets those that were given, without defaults. */
  readonly settings?: () => z.ZodObject | Promise<z.ZodObject>;
  /**
   * Whether a signal is left to the session's `signal`, by which it saves what it has. Otherwise the command is left where it
   * is, so that nothing it does may be half done when the process ends.
   */
  readonly saves?: boolean;
  readonly run: (session: Session, input: Input<S>) => Promise<void>;
}

/** A command of any flags. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /** See `CommandDefinition`. */
  readonly saves: boolean;
  /** Its flags, for help. */
  spec(): Promise<CommandSpec>;
  /**
   * Reads the words after its name.
   * @returns what runs it, or undefined if the user asked for help
   * @throws UserError about the first word that is wrong
   */
  prepare(argv: readonly string[]): Promise<((session: Session) => Promise<void>) | undefined>;
}

/** Makes a command of its definition. */
export function defineCommand<S extends z.ZodObject>(definition: CommandDefinition<S>): Command {
  const { name, summary, examples, saves = false, run } = definition;
  const spec = async (): Promise<CommandSpec<S>> => ({
    ...definition,
    flags: await definition.flags(),
    settings: await definition.settings?.(),
  });
  return {
    name,
    summary,
    examples,
    saves,
    spec,
    prepare: async argv => {
      const parsed = parseFlags(await spec(), argv);
      return parsed.help ? undefined : session => run(session, parsed);
    },
  };
}
