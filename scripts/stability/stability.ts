/**
 * @file `npm run stability`: the claim that likelihood training is a stable minimisation and a GAN an unstable game,
 * measured. Tier ring trains every family on eight Gaussians over learning rates and seeds; its words come from the
 * numbers.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { backendNames } from '../../src/backends/index.ts';
import { runProgram } from '../../src/cli.ts';
import { type Session, startEngine } from '../../src/commands/session.ts';
import { UserError } from '../../src/errors.ts';
import { families } from './families.ts';
import { runRing } from './study.ts';

const count = z.number().int().positive();

const flags = z.object({
  tier: z.enum(['ring', 'modes', 'all']).default('ring').describe('ring: points in the plane; modes: captioned scenes'),
  out: z
    .string()
    .default('docs/stability')
    .describe('where results go, and what is gone on with')
    .meta({ title: 'folder' }),
  families: z.array(z.string()).min(1).optional().describe('only these (default: all)'),
  steps: count.optional().describe('of every run (default 6000, with --smoke 6)'),
  seeds: z.array(z.number().int().min(0).max(0xffffffff)).min(1).optional().describe('default 0,1,2,3,4'),
  lrs: z.array(z.number().positive()).min(1).optional().describe('learning rates, default 1e-4,3e-4,1e-3,3e-3,1e-2'),
  smoke: z.boolean().default(false).describe('every stage in seconds, to see that all works'),
  backend: z.enum(backendNames).default('auto').describe('where to compute'),
  threads: z.number().int().positive().max(64).optional().describe('threads of the native backend'),
});

type Flags = z.output<typeof flags>;

const FULL = {
  steps: 6000,
  batch: 64,
  width: 64,
  samples: 2000,
  lrs: [1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
  seeds: [0, 1, 2, 3, 4],
};
const SMOKE = { steps: 6, batch: 8, width: 8, samples: 100, lrs: [1e-3, 1e-2], seeds: [0, 1] };

/** @throws UserError if a name is none */
function chooseFamilies(names: readonly string[] | undefined) {
  const stray = names?.find(name => !families.some(family => family.name === name));
  if (stray !== undefined) {
    throw new UserError(
      'stability: --families',
      `expected some of ${families.map(({ name }) => name).join(', ')}, got ${stray}`,
    );
  }
  return families.filter(({ name }) => names?.includes(name) ?? true);
}

async function ring(session: Session, values: Flags): Promise<void> {
  const out = join(values.out, 'ring');
  const chosen = chooseFamilies(values.families);
  // Sixteen-bit products would be a second thing that families differ by.
  const backend = await startEngine(session, { backend: values.backend, precision: 'fp32', threads: values.threads });
  const base = values.smoke ? SMOKE : FULL;
  const settings = {
    ...base,
    steps: values.steps ?? base.steps,
    lrs: values.lrs ?? base.lrs,
    seeds: values.seeds ?? base.seeds,
  };
  session.reporter.message(
    `computing on ${backend}: ${chosen.length} ${chosen.length === 1 ? 'family' : 'families'}, ${settings.lrs.length * settings.seeds.length} runs of ${settings.steps} steps each`,
  );
  const complete = await runRing(session, { families: chosen, settings, out });
  session.print(join(out, 'README.md'));
  if (!complete) session.reporter.message('interrupted: the same command goes on');
}

await runProgram(
  {
    name: 'stability',
    summary: 'how often training works, by family, learning rate and seed',
    examples: [
      'npm run stability',
      'npm run stability -- --tier ring --families tokens,relativistic-r1r2',
      'npm run stability -- --smoke --out runs/stability',
    ],
    flags,
    run: async (session, { values }) => {
      if (values.tier !== 'modes') await ring(session, values);
    },
  },
  process.argv.slice(2),
);
