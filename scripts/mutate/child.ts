/**
 * @file The process in which the mutation loop runs the program: commands come as messages and are run one after another by
 * the same code as the command line's, `runTessera`. What it writes is kept and sent back.
 */
import { runTessera } from '../../src/cli.ts';

/** What is asked of the process: commands, of which the first that fails is the last. */
export interface Job {
  readonly id: number;
  readonly commands: readonly (readonly string[])[];
  /** Whether a training is stopped where it goes on: what it goes on from has then been read, and no step is made. */
  readonly stop: boolean;
}

/** What has become of a job. */
export interface Done {
  readonly id: number;
  readonly code: number;
  /** What the last command wrote to stderr, a text for every call of `write`. */
  readonly errors: readonly string[];
  /** The largest resident set of the process so far, in bytes. */
  readonly peak: number;
}

const errors: string[] = [];
const send = process.send?.bind(process);
if (send === undefined) throw new Error('this process is started by mutate.ts');
const { stdout, stderr } = process;
stdout.write = () => true;
let stopNext = false;
stderr.write = (text: string | Uint8Array) => {
  errors.push(String(text));
  if (!stopNext || !String(text).includes('resumed at step')) return true;
  stopNext = false;
  return process.emit('SIGTERM', 'SIGTERM');
};
process.on('disconnect', () => process.exit(0));

process.on('message', async ({ id, commands, stop }: Job) => {
  stopNext = stop;
  let code = 0;
  for (const argv of commands) {
    errors.length = 0;
    process.exitCode = 0;
    await runTessera(argv);
    code = Number(process.exitCode);
    if (code !== 0) break;
  }
  process.exitCode = 0;
  const done: Done = { id, code, errors: [...errors], peak: process.resourceUsage().maxRSS * 1024 };
  send(done);
});
