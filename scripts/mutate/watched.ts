/**
 * @file A process that is kept an eye on while it works: it is ended when it takes too long or too much memory, and begun
 * anew after that, after its death, and when it has grown.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Done, Job } from './child.ts';

const GiB = 2 ** 30;

/** What no command may pass. */
const limits = { seconds: 30, bytes: 2 * GiB } as const;
/** A process that waits for something uses no processor; one on a busy machine gets little of it. */
const WAITING = 120; // seconds

/** A process larger than this is not given another job: what it holds would count against the next one. */
const TIRED = GiB;
const LOOK_EVERY = 100; // milliseconds

/** How a job ended: as the program said, or in words how its process failed. */
export type Ending = Done | { readonly failure: string };

export class WatchedProgram {
  private child: ChildProcess | undefined;
  private jobs = 0;
  private readonly execArgv: readonly string[];

  /** @param execArgv flags of Node, e.g. for a loader of TypeScript */
  constructor(execArgv: readonly string[] = process.execArgv) {
    this.execArgv = execArgv;
  }

  /** Runs commands until one fails. @returns when all is done, or the process had to be ended or has died */
  async run(commands: Job['commands'], { stop = false }: { readonly stop?: boolean } = {}): Promise<Ending> {
    const child = this.child ?? this.start();
    const id = this.jobs++;
    const ending = await this.endingOf(child, { id, commands, stop });
    if ('failure' in ending || ending.peak > TIRED) await this.close();
    if ('failure' in ending || ending.peak <= limits.bytes) return ending;
    return { failure: `took ${(ending.peak / GiB).toFixed(2)} GiB of memory` };
  }

  async close(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  private start(): ChildProcess {
    const own = fileURLToPath(import.meta.url);
    const program = own.replace(/watched(\.\w+)$/, 'child$1');
    this.child = fork(program, { execArgv: [...this.execArgv], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.child.on('error', () => {}); // of a message to a process that has just died: its exit says so too
    return this.child;
  }

  private endingOf(child: ChildProcess, job: Job): Promise<Ending> {
    return new Promise(resolve => {
      let said = '';
      let failure: string | undefined;
      const started = performance.now();
      const before = busySeconds(child.pid);
      const end = (why: string) => {
        failure ??= why;
        child.kill('SIGKILL');
      };
      const look = setInterval(() => {
        const waited = (performance.now() - started) / 1000;
        const busy = busySeconds(child.pid) - before;
        if (busy > limits.seconds) end(`took more than ${limits.seconds} s of a processor`);
        if (waited > WAITING) end(`did not end within ${WAITING} s`);
        const bytes = residentBytes(child.pid);
        if (bytes > limits.bytes) end(`took ${(bytes / GiB).toFixed(2)} GiB of memory and more`);
      }, LOOK_EVERY);
      const hear = (text: Buffer) => {
        said = (said + text).slice(-4000);
      };
      const leave = (ending: Ending) => {
        clearInterval(look);
        child.off('message', answer).off('exit', exit);
        child.stderr?.off('data', hear);
        resolve(ending);
      };
      const answer = (done: unknown) => leave(done as Done); // child.ts sends nothing else
      const exit = (code: number | null, signal: string | null) =>
        leave({ failure: failure ?? `the process ended with ${signal ?? `exit code ${code}`}: ${said}` });
      child.on('message', answer).on('exit', exit);
      child.stderr?.on('data', hear);
      child.send(job);
    });
  }
}

/** Processor time of a process so far, in seconds, of all its threads; 0 where the system does not tell. */
function busySeconds(pid: number | undefined): number {
  try {
    // The name of the program, in brackets, may have spaces; ticks are a hundredth of a second everywhere.
    const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
    const [user, system] = rest.split(' ').slice(11, 13);
    return (Number(user) + Number(system)) / 100;
  } catch {
    return 0;
  }
}

/** The resident set of a process; 0 where the system does not tell. */
function residentBytes(pid: number | undefined): number {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
    return Number(pages) * 4096;
  } catch {
    return 0;
  }
}
