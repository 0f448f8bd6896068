/**
 * @file What a command is: a file in commands/ that defines it, and a line in commands.ts. The definition is light, since
 * every start of the program reads all of them; what the command does is imported when it runs.
 */
import type { z } from 'zod';
import { printableJson } from '../core/printable.ts';
import type { Session } from '../runs/session.ts';
import type { CommandSpec } from './flag-table.ts';
import { type Given, parseFlags } from './flags.ts';
import type { HelpDefaults } from './help.ts';
import { type OutputFlags, outputAliases, outputFlags, type ResultFields } from './output-flags.ts';

/** What `run` gets of the command line. */
export interface Input<S extends z.ZodObject, R extends ResultFields = ResultFields> extends OutputFlags {
  /** The flags, with their defaults. */
  readonly values: z.output<S>;
  /** Only the flags that the user gave. */
  readonly given: Given;
  /** Only the settings that the user gave, nested as in their schema. */
  readonly settings: Given;
  readonly positionals: readonly string[];
  /**
   * Takes the result, once, when all of it is there: with `--json` it is printed, and `session.print` prints nothing.
   * @param result a value for each field; null where there is none
   */
  readonly answer: (result: Readonly<Record<keyof R, unknown>>) => void;
}

/** How a command is defined. The schemas are made when it is called: families and metrics may be added until then. */
export interface CommandDefinition<S extends z.ZodObject, R extends ResultFields = ResultFields>
  extends Omit<CommandSpec<S>, 'flags' | 'settings' | 'output' | 'result'> {
  readonly flags: () => S | Promise<S>;
  /** Fields of a config that are flags too, such as `--train.lr`. `run` gets those that were given, without defaults. */
  readonly settings?: () => z.ZodObject | Promise<z.ZodObject>;
  /** Gives it `--json`: the fields of its object, and what each holds. `run` calls `answer` with them. */
  readonly result?: R;
  /**
   * Whether a signal is left to the session's `signal`, by which it saves what it has. Otherwise the command is left where it
   * is, so that nothing it does may be half done when the process ends.
   */
  readonly saves?: boolean;
  /** Defaults that depend on what else was given, for help. */
  readonly defaults?: (given: Given, settings: Given) => Promise<HelpDefaults>;
  /** Results for people go to `session.print`, all else to `session.reporter`. */
  readonly run: (session: Session, input: Input<S, R>) => Promise<void>;
}

/** What the words after a command's name ask for: its help, or that it runs. */
export type Prepared =
  | {
      readonly help: true;
      /** The flags that help is wanted on: all, or those that are most needed; and their defaults. */
      readonly all: boolean;
      readonly defaults?: HelpDefaults;
    }
  | {
      readonly help: false;
      /** The session shall report nothing but warnings. */
      readonly quiet: boolean;
      readonly run: (session: Session) => Promise<void>;
    };

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
   * @throws UserError about the first word that is wrong
   */
  prepare(argv: readonly string[]): Promise<Prepared>;
}

/** Makes a command of its definition. */
export function defineCommand<S extends z.ZodObject, R extends ResultFields = ResultFields>(
  definition: CommandDefinition<S, R>,
): Command {
  const { name, summary, examples, saves = false, run } = definition;
  const spec = async (): Promise<CommandSpec<S>> => {
    const flags = await definition.flags();
    return {
      ...definition,
      flags,
      settings: await definition.settings?.(),
      output: outputFlags(flags, definition.result),
      aliases: outputAliases(flags, definition.aliases),
    };
  };
  return {
    name,
    summary,
    examples,
    saves,
    spec,
    prepare: async argv => {
      const parsed = parseFlags(await spec(), argv);
      if (parsed.help) {
        return { help: true, all: parsed.all, defaults: await definition.defaults?.(parsed.given, parsed.settings) };
      }
      const { quiet = false, json = false } = parsed.output;
      return {
        help: false,
        quiet,
        run: session =>
          answering(session, { name, json }, (own, answer) => run(own, { ...parsed, quiet, json, answer })),
      };
    },
  };
}

/** Runs a command that, asked for JSON, prints its answer and nothing else. */
async function answering(
  session: Session,
  { name, json }: { readonly name: string; readonly json: boolean },
  run: (session: Session, answer: (result: object) => void) => Promise<void>,
): Promise<void> {
  let answered = false;
  const answer = (result: object) => {
    if (answered) throw new Error(`${name}: answered twice`);
    answered = true;
    if (json) session.print(printableJson(result));
  };
  await run(json ? { ...session, print: () => {} } : session, answer);
  if (json && !answered && !session.signal.aborted) throw new Error(`${name}: ended without an answer`);
}
