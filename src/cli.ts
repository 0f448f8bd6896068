#!/usr/bin/env node
/**
 * @file `tessera <command> [flags]`, which reads the environment, hands the session its clock and cache folder, and sets the exit code. A `UserError` prints its one
 * line (and a hint) and exits with 2; anything else is a bug: stack trace, exit 1. A program of your own imports
 * `runTessera` from `tesserae/cli` to have its own commands beside these.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { type Command, type CommandDefinition, defineCommand } from './cli/command.ts';
import { completionOf } from './cli/commands/completion.ts';
import { commands, completion } from './cli/commands.ts';
import { findCommand } from './cli/find-command.ts';
import { formatCommands, formatHelp } from './cli/help.ts';
import { listenForSignals, Stopped, type StopSignal } from './cli/signals.ts';
import { refusalOfSystem } from './cli/system-errors.ts';
import { TerminalReporter } from './cli/terminal/progress.ts';
import { QuietReporter } from './cli/terminal/quiet.ts';
import { canRedraw, colourSupport } from './cli/terminal/support.ts';
import { UserError } from './core/errors.ts';
import { printable, printableJson } from './core/printable.ts';
import { untilAborted } from './core/stopping.ts';
import { expectSpareThreads } from './device/native/spare-threads.ts';
import { atPath } from './io/at-path.ts';
import { packageRoot } from './io/package-root.ts';
import { cacheFolder } from './library/cache.ts';

export { type Command, type CommandDefinition, defineCommand } from './cli/command.ts';
export { commands } from './cli/commands.ts';

const about = 'train on captioned images, paint captions';

async function main(argv: readonly string[], known: readonly Command[]): Promise<void> {
  const [first] = argv;
  if (first === '-v' || first === '--version') {
    process.stdout.write(`${argv.includes('--json') ? printableJson({ version: version() }) : version()}\n`);
    return;
  }
  const isHelp = first === undefined || first === '-h' || first === '--help' || first === 'help';
  // `tessera help sample` is `tessera sample --help`.
  const words = isHelp ? commandFirst(argv.slice(1)) : argv;
  if (isHelp && !/^[^-]/.test(words[0] ?? '')) {
    showHelp(formatCommands(known, { columns: columns(), about }));
    return;
  }
  const { command, rest } = findCommand('tessera', known, words);
  await runCommand(command, isHelp ? [...rest, '--help'] : rest);
}

/** `--all train` as `train --all`. */
function commandFirst(words: readonly string[]): string[] {
  const at = words.findIndex(word => !word.startsWith('-'));
  return at < 0 ? [...words] : [...words.slice(at), ...words.slice(0, at)];
}

/** Width that help is wrapped to. */
function columns(): number {
  return process.stdout.columns ?? 100;
}

function showHelp(text: string): void {
  process.stdout.write(printable(text, { lines: true, most: Number.POSITIVE_INFINITY }));
}

/** Reads the flags, puts the session together and runs the command. */
async function runCommand(command: Command, argv: readonly string[]): Promise<void> {
  const prepared = await command.prepare(argv);
  if (prepared.help) {
    const { all, defaults } = prepared;
    showHelp(formatHelp(await command.spec(), { columns: columns(), all, defaults }));
    return;
  }
  expectSpareThreads();
  const sayStopping = (signal: StopSignal) => {
    if (command.saves) process.stderr.write(stoppingLine(signal));
  };
  const stopping = listenForSignals(sayStopping, code => process.exit(code));
  const reporter = openReporter(prepared.quiet);
  const print = (line: string) => {
    process.stdout.write(`${printable(line, { most: Number.POSITIVE_INFINITY })}\n`);
  };
  const { signal } = stopping;
  const session = { reporter, print, now: () => performance.now(), signal, cacheDir: cacheFolder() };
  try {
    // What saves stops by itself; all else leaves nothing half done, wherever it is.
    await (command.saves ? prepared.run(session) : untilAborted(signal, () => prepared.run(session)));
    signal.throwIfAborted();
  } finally {
    reporter.close();
    stopping.close();
  }
}

/** Progress goes to standard error, so that standard output has results alone. */
function openReporter(quiet: boolean): TerminalReporter | QuietReporter {
  const [stream, now] = [process.stderr, () => performance.now()];
  if (quiet) return new QuietReporter({ stream, now });
  const isTTY = stream.isTTY === true;
  const colours = colourSupport(process.env, isTTY);
  return new TerminalReporter({ stream, isTTY: canRedraw(process.env, isTTY), colours, now });
}

function stoppingLine(signal: StopSignal): string {
  return signal === 'SIGINT'
    ? '\nstopping after this step; press Ctrl-C again to stop at once\n'
    : `\n${signal}: stopping after this step; a second signal stops at once\n`;
}

function version(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

/** Runs `job`; what it throws becomes a message and an exit code. */
async function exitCodeOf(job: () => Promise<void>): Promise<void> {
  try {
    await job();
  } catch (thrown) {
    sayFailure(thrown);
  }
}

/** What a failure says on stderr, and the exit code that it leaves. */
function sayFailure(thrown: unknown): void {
  const error = refusalOfSystem(thrown) ?? thrown;
  if (error instanceof Stopped) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  } else if (error instanceof UserError) {
    process.stderr.write(`${printable(error.message)}\n`);
    if (error.hint !== undefined) process.stderr.write(`  hint: ${printableHint(error.hint)}\n`);
    process.exitCode = 2;
  } else {
    const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${printable(trace, { lines: true, most: 10_000 })}\n`);
    process.exitCode = 1;
  }
}

/** A hint may go on in lines that are indented; no other line feed of it is one. */
function printableHint(hint: string): string {
  return hint
    .split(/\n(?= {2})/)
    .map(line => printable(line))
    .join('\n');
}

/**
 * The whole program. Leaves the exit code in `process.exitCode`.
 * @param argv the words without the interpreter and the script
 * @param known its commands; a program of your own may have more
 */
export async function runTessera(argv: readonly string[], known: readonly Command[] = commands): Promise<void> {
  await exitCodeOf(() => main(argv, completingAll(known)));
}

/** The commands, where the program's own completion is one of all of them. */
function completingAll(known: readonly Command[]): readonly Command[] {
  const all: readonly Command[] = known.map(command => (command === completion ? completionOf(() => all) : command));
  return all;
}

/** A script that is one command: the same flags, help, errors and exit codes as the program's own. */
export async function runProgram<S extends z.ZodObject>(
  definition: CommandDefinition<S>,
  argv: readonly string[],
): Promise<void> {
  await exitCodeOf(() => runCommand(defineCommand(definition), argv));
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // `tessera ... --help | head` closes the pipe early, which is no error; a closed terminal takes no lines, but work goes on.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    if (error.code === 'EIO') return;
    sayFailure(atPath('standard output', error));
    process.exit();
  });
  process.stderr.on('error', () => {});
  await runTessera(process.argv.slice(2));
  // Work that was left where it was must not keep the process.
  if (Number(process.exitCode) > 128) process.exit();
}
