/**
 * @file Kills everything that leaves files at drawn moments, starts it again until it ends, and compares what it leaves with what
 * the same work leaves undisturbed: `npx tsx scripts/kills/kills.ts --kills 60 --seed 1`. A quarter of an hour on two cores.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { runProgram } from '../../src/cli.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import { differing, resultsOf } from './results.ts';
import { configs, type Target, targetsOf } from './targets.ts';

/** A moment to be killed at, as test/cli/stopping.ts takes it. */
interface Stop {
  readonly signal: NodeJS.Signals;
  readonly stage: string;
  readonly step: number;
  readonly operation?: number;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** The program as a process of its own, which may kill itself. */
function start(argv: readonly string[], stop?: Stop): Promise<Ended> {
  const stopping = pathToFileURL(join(packageRoot(), 'test', 'cli', 'stopping.ts')).href;
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--import', stopping, join(packageRoot(), 'src', 'cli.ts'), ...argv],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TESSERA_TEST_STOP: JSON.stringify(stop ?? null) } },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stderr }));
  });
}

async function finish(argv: readonly string[]): Promise<void> {
  const { code, stderr } = await start(argv);
  if (code !== 0) throw new UserError('kills', `${argv.join(' ')} ended with ${code}:\n${stderr}`);
}

/** Moments spread over the stages, in the order in which they come; some at a file operation that follows a step. */
function momentsOf({ stages }: Target, count: number, random: Random): Stop[] {
  const moments = stages.flatMap(({ stage, steps }) =>
    Array.from({ length: steps + 1 }, (_, step) => ({ stage, step })),
  );
  const places = Array.from({ length: count }, () => random.integer(moments.length)).sort((a, b) => a - b);
  return places.map(place => {
    const atOperation = moments[place].stage === '' || random.uniform() < 0.5;
    const operation = atOperation ? { operation: 1 + random.integer(12) } : {};
    return { signal: 'SIGKILL', ...moments[place], ...operation };
  });
}

interface Tally {
  readonly name: string;
  readonly kills: number;
  /** Folders that were compared, and the files that differed or could not be read. */
  readonly runs: number;
  readonly wrong: readonly string[];
}

/** Kills one kind of work so often, in as many folders as that takes, and compares all of them. */
async function killTarget(
  target: Target,
  { folder, count, random }: { readonly folder: string; readonly count: number; readonly random: Random },
): Promise<Tally> {
  const place = (i: number | string) => join(folder, `${target.name.replace(' ', '-')}-${i}`);
  const argv = (out: string) => [...target.argv, target.out, out];
  await finish(argv(place('straight')));
  const straight = resultsOf(place('straight'));
  const wrong: string[] = [];
  let [kills, runs] = [0, 0];
  while (kills < count) {
    const out = place(runs++);
    for (const stop of momentsOf(target, count - kills, random)) {
      const { code, signal, stderr } = await start(argv(out), stop);
      if (signal === 'SIGKILL') kills++;
      else if (code === 0)
        break; // that moment never came: the work is done
      else wrong.push(`${out} after ${JSON.stringify(stop)}: exit ${code}: ${stderr.trim().split('\n').at(-1)}`);
    }
    await finish(argv(out)).catch((error: unknown) => wrong.push(String(error)));
    wrong.push(...differing(straight, resultsOf(out)).map(name => `${out}: ${name}`));
    rmSync(out, { recursive: true, force: true });
  }
  return { name: target.name, kills, runs, wrong };
}

await runProgram(
  {
    name: 'npx tsx scripts/kills/kills.ts',
    summary: 'kill all work that leaves files, and compare what it leaves',
    examples: ['npx tsx scripts/kills/kills.ts --kills 60'],
    flags: () =>
      z.object({
        kills: z.number().int().min(1).max(10000).default(60).describe('in all'),
        seed: z.number().int().min(0).default(1).describe('another seed kills at other moments'),
        only: z.string().optional().describe('one kind of work, e.g. transformer'),
      }),
    run: async ({ print }, { values }) => {
      const folder = mkdtempSync(join(tmpdir(), 'tessera-kills-'));
      const at = (name: string) => join(folder, name);
      try {
        mkdirSync(at('configs'));
        const configAt = (name: string) => at(`configs/${name}.json`);
        for (const [name, config] of Object.entries(configs)) writeFileSync(configAt(name), JSON.stringify(config));
        await finish(['data', 'shapes', '--out', at('data'), '--count', '48', '--size', '16']);
        const run = at('run');
        await finish(['train', '--data', at('data'), '--out', run, '--config', configAt('transformer')]);
        const targets = targetsOf(at('data'), run, configAt).filter(({ name }) => name === (values.only ?? name));
        const shares = targets.reduce((sum, { share }) => sum + share, 0);
        const random = new Random(values.seed);
        const tallies: Tally[] = [];
        for (const [i, target] of targets.entries()) {
          const count = Math.max(1, Math.round((values.kills * target.share) / shares));
          const tally = await killTarget(target, { folder, count, random: random.fork(target.name, i) });
          tallies.push(tally);
          print(`${tally.name}: ${tally.kills} kills, ${tally.runs} folders, ${tally.wrong.length} differences`);
          for (const line of tally.wrong) print(`  ${line}`);
        }
        const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
        print(
          `${sum(({ kills }) => kills)} kills, ${sum(({ runs }) => runs)} folders, ${sum(({ wrong }) => wrong.length)} differences`,
        );
        if (sum(({ wrong }) => wrong.length) > 0)
          throw new UserError('kills', 'what was killed did not end as what was not');
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  },
  process.argv.slice(2),
);
