/**
 * @file Damages every file of a run of every kind many times over, and uses the run: the program must do its work or refuse
 * in one line, in little memory and time, and never die. What is drawn depends on the seed, the file and the number alone,
 * so that a failure can be had again.
 *
 *   npm run mutate                                            a hundred of each kind of file
 *   npm run mutate -- --count 500 --seed 7                    more, and others
 *   npm run mutate -- --file transformer/config.json          one file
 *   npm run mutate -- --file transformer/config.json --only 12   one of its mutations, kept and shown
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '../../src/core/random.ts';
import { type Damage, damage } from './mutations.ts';
import { makeAgree, makeRuns, type Target, targetsOf } from './targets.ts';
import { type Ending, WatchedProgram } from './watched.ts';

/** A mutation that the program did not take as it should. */
export interface Failure {
  readonly target: string;
  readonly number: number;
  readonly what: string;
  readonly why: string;
}

/** What has become of the mutations of one file. */
export interface Tally {
  readonly target: string;
  readonly used: number;
  readonly refused: number;
  readonly failures: readonly Failure[];
}

export interface MutateOptions {
  /** Mutations of every kind of file, spread over the runs that have one. */
  readonly count: number;
  readonly seed: number;
  /** Only files whose name begins so. */
  readonly file?: string;
  /** Only the mutation of this number. */
  readonly only?: number;
  /** Processes at once. */
  readonly jobs: number;
  /** Flags of Node for them. */
  readonly execArgv?: readonly string[];
  /** Called when all mutations of a file have been tried. */
  readonly onTally?: (tally: Tally) => void;
}

/** @returns what has become of every file. @throws Error if the runs cannot be trained, or no file is called so */
export async function mutateRuns(options: MutateOptions): Promise<readonly Tally[]> {
  const { file = '', jobs, execArgv, onTally } = options;
  const folder = mkdtempSync(join(quickFolder(), 'tessera-mutate-'));
  const programs = Array.from({ length: jobs }, () => new WatchedProgram(execArgv));
  try {
    await makeRuns(folder, async argv => outcomeOf(await programs[0].run([argv])));
    const all = targetsOf(folder);
    const targets = all.filter(({ name }) => name.startsWith(file));
    if (targets.length === 0) throw new Error(`no file is called ${file}`);
    const left = [...targets];
    const tallies: Tally[] = [];
    const work = async (program: WatchedProgram, i: number) => {
      for (let target = left.shift(); target !== undefined; target = left.shift()) {
        const count = Math.ceil(options.count / all.filter(({ name }) => kindOf(name) === kindOf(target.name)).length);
        const tally = await mutateFile(program, target, { ...options, count, folder, work: join(folder, `work${i}`) });
        tallies.push(tally);
        onTally?.(tally);
      }
    };
    await Promise.all(programs.map(work));
    return tallies;
  } finally {
    await Promise.all(programs.map(program => program.close()));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a target is of any run: its file, without the number of a state, and what is done with it. */
function kindOf(name: string): string {
  return name.slice(name.indexOf('/')).replace(/\/\d+\//, '/');
}

/** Memory, where there is a file system in it: trainings wait for the disk at every save. */
function quickFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}

function outcomeOf(ending: Ending): { readonly code: number; readonly said: string } {
  return 'failure' in ending ? { code: 1, said: ending.failure } : { code: ending.code, said: ending.errors.join('') };
}

async function mutateFile(
  program: WatchedProgram,
  target: Target,
  { folder, work, count, seed, only }: MutateOptions & { readonly folder: string; readonly work: string },
): Promise<Tally> {
  const failures: Failure[] = [];
  let [used, refused] = [0, 0];
  const sound = new Uint8Array(readFileSync(join(folder, target.run, target.file))); // a buffer's slice is no copy
  for (const number of only === undefined ? Array.from({ length: count }).keys() : [only]) {
    const random = new Random(seed).fork(target.name, number);
    const drawn = damage(sound, target.kind, random);
    const run = join(work, 'run');
    rmSync(work, { recursive: true, force: true });
    cpSync(join(folder, target.run), run, { recursive: true });
    put(join(run, target.file), drawn);
    if (random.uniform() < 0.9) await makeAgree(run, target.file);
    // A config without its section asks for the default steps, thousands of them.
    const stop = target.file === 'config.json' || number % WHOLE_EVERY !== WHOLE_EVERY - 1;
    const ending = await program.run(target.commands(run, join(work, 'out')), { stop });
    const why = whyFailed(ending);
    if (only !== undefined) console.log(drawn.what, ending);
    if (why !== undefined) failures.push({ target: target.name, number, what: drawn.what, why });
    else if ('code' in ending && ending.code !== 2) used++;
    else refused++;
  }
  return { target: target.name, used, refused, failures };
}

function put(path: string, drawn: Damage): void {
  rmSync(path, { recursive: true });
  if ('bytes' in drawn) writeFileSync(path, drawn.bytes);
  else if (drawn.place === 'folder') mkdirSync(path);
  else if (drawn.place === 'fifo') execFileSync('mkfifo', [path]);
  else symlinkSync(drawn.place === 'loop' ? path : `${path}.gone`, path);
}

/** Of so many trainings that can be gone on with, one is, which takes longest; the others are stopped where they would. */
const WHOLE_EVERY = 5;
/** Exit code of a training that was stopped there. */
const STOPPED = 143;

/** Letters of a message; more than that nobody reads. */
const LONGEST = 2100;

/** What is wrong with how a command ended; undefined where nothing is. */
export function whyFailed(ending: Ending): string | undefined {
  if ('failure' in ending) return ending.failure;
  const { code, errors } = ending;
  if (code === 0 || code === STOPPED) return undefined;
  if (code !== 2) return `exit code ${code}: ${errors.join('').slice(-1500)}`;
  // The program writes its message last, and a hint after it.
  const last = errors.at(-1) ?? '';
  const said = last.startsWith('  hint: ') ? [errors.at(-2) ?? ''] : [last];
  const wrong = said.find(line => !/^[^\p{Cc}\u202a-\u202e\u2066-\u2069]+\n$/u.test(line) || line.length > LONGEST);
  return wrong === undefined ? undefined : `not one line that can be shown: ${JSON.stringify(wrong.slice(0, 400))}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '100' },
      seed: { type: 'string', default: '0' },
      file: { type: 'string' },
      only: { type: 'string' },
      jobs: { type: 'string', default: String(availableParallelism()) },
    },
  });
  const started = performance.now();
  const tallies = await mutateRuns({
    count: Number(values.count),
    seed: Number(values.seed),
    file: values.file,
    only: values.only === undefined ? undefined : Number(values.only),
    jobs: Number(values.jobs),
    onTally: ({ target, used, refused, failures }) => {
      console.log(`${target.padEnd(50)} ${used} used, ${refused} refused, ${failures.length} failed`);
      for (const { number, what, why } of failures)
        console.log(`  ${number}: ${what}\n    ${why.replaceAll('\n', '\n    ')}`);
    },
  });
  const sum = (count: (tally: Tally) => number) => tallies.reduce((total, tally) => total + count(tally), 0);
  const failed = sum(({ failures }) => failures.length);
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(
    `mutate: ${sum(({ used }) => used)} used, ${sum(({ refused }) => refused)} refused, ${failed} failed, seed ${values.seed}, ${seconds} s`,
  );
  if (failed > 0) process.exitCode = 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
