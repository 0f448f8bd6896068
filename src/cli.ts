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
import { commands } from './cli/commands.ts';
import { findCommand } from './cli/find-command.ts';
import { formatCommands, formatHelp } from './cli/help.ts';
import { TerminalReporter } from './cli/terminal/progress.ts';
import { canRedraw, colourSupport } from './cli/terminal/support.ts';
import { UserError } from './core/errors.ts';
import { printable } from './core/printable.ts';
import { packageRoot } from './device/native/addon.ts';
import { cacheFolder } from './library/cache.ts';

export { type Command, type CommandDefinition, defineCommand } from './cli/command.ts';
export { commands } from './cli/commands.ts';

const about = 'train on captioned images, paint captions';

async function main(argv: readonly string[], known: readonly Command[]): Promise<void> {
  const [first] = argv;
  if (first === '-v' || first === '--version') {
    process.stdout.write(`${version()}\n`);
    return;
  }
  const isHelp = first === undefined || first === '-h' || first === '--help' || first === 'help';
  // `tessera help sample` is `tessera sample --help`.
  const asked = first === 'help' ? argv.slice(1).filter(word => !word.startsWith('-')) : [];
  if (isHelp && asked.length === 0) {
    showHelp(formatCommands(known, { columns: columns(), about }));
    return;
  }
  const { command, rest } = findCommand('tessera', known, isHelp ? asked : argv);
  await runCommand(command, isHelp ? ['--help'] : rest);
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
  const run = await command.prepare(argv);
  if (run === undefined) {
    showHelp(formatHelp(await command.spec(), { columns: columns() }));
    return;
  }
  const stop = new AbortController();
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(INTERRUPTED);
    process.stderr.write('\nstopping after this step; press Ctrl-C again to stop at once\n');
    stop.abort();
  };
  const terminate = () => stop.abort();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', terminate);
  const isTTY = process.stderr.isTTY === true;
  const reporter = new TerminalReporter({
    stream: process.stderr,
    isTTY: canRedraw(process.env, isTTY),
    colours: colourSupport(process.env, isTTY),
    now: () => performance.now(),
  });
  const print = (line: string) => {
    process.stdout.write(`${printable(line, { most: Number.POSITIVE_INFINITY })}\n`);
  };
  try {
    await run({ reporter, print, now: () => performance.now(), signal: stop.signal, cacheDir: cacheFolder() });
    // A script must not take a run that was stopped for one that is done.
    if (stop.signal.aborted) process.exitCode = INTERRUPTED;
  } finally {
    reporter.close();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', terminate);
  }
}

/** Exit code of a program that was stopped, as shells have it: 128 and the number of SIGINT. */
const INTERRUPTED = 130;

function version(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

/** Runs `job`; what it throws becomes a message and an exit code. */
async function exitCodeOf(job: () => Promise<void>): Promise<void> {
  try {
    await job();
  } catch (thrown) {
    const error = refusalOfSystem(thrown) ?? thrown;
    if (error instanceof UserError) {
      process.stderr.write(`${printable(error.message)}\n`);
      if (error.hint !== undefined) process.stderr.write(`  hint: ${printableHint(error.hint)}\n`);
      process.exitCode = 2;
    } else {
      const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(`${printable(trace, { lines: true, most: 10_000 })}\n`);
      process.exitCode = 1;
    }
  }
}

/** A hint may go on in lines that are indented; no other line feed of it is one. */
function printableHint(hint: string): string {
  return hint
    .split(/\n(?= {2})/)
    .map(line => printable(line))
    .join('\n');
}

/** What the system may refuse for reasons that the user can mend. */
const refusals: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'there is a file where a folder should be',
  EISDIR: 'there is a folder where a file should be',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EMFILE: 'too many files are open',
};

/** An error of the file system as one line; undefined for any other error. */
function refusalOfSystem(error: unknown): UserError | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path, syscall } = error as NodeJS.ErrnoException; // fields that other errors lack
  const reason = code === undefined ? undefined : refusals[code];
  if (reason === undefined || syscall === undefined) return undefined;
  return new UserError(path ?? syscall, `${reason} (${code}: ${syscall})`);
}

/**
 * The whole program. Leaves the exit code in `process.exitCode`.
 * @param argv the words without the interpreter and the script
 * @param known its commands; a program of your own may have more
 */
export async function runTessera(argv: readonly string[], known: readonly Command[] = commands): Promise<void> {
  await exitCodeOf(() => main(argv, known));
}

/** A script that is one command: the same flags, help, errors and exit codes as the program's own. */
export async function runProgram<S extends z.ZodObject>(
  definition: CommandDefinition<S>,
  argv: readonly string[],
): Promise<void> {
  await exitCodeOf(() => runCommand(defineCommand(definition), argv));
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // `tessera ... --help | head` closes the pipe early, which is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  await runTessera(process.argv.slice(2));
}
