/**
 * @file `npm run stability`: the claim that likelihood training is a stable minimisation and a GAN an unstable game,
 * measured. Tier ring trains small networks on eight Gaussians over learning rates and seeds; tier modes the image
 * models on a thousand captioned scenes. Both make their words from their numbers, and go on where they stood.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { runProgram } from '../../../src/cli.ts';
import { UserError } from '../../../src/core/errors.ts';
import { backendNames } from '../../../src/device/backends.ts';
import { type Session, startEngine } from '../../../src/runs/session.ts';
import { modesFamilies } from './modes-families.ts';
import { runModes } from './modes-study.ts';
import { families } from './ring-families.ts';
import { runRing } from './ring-study.ts';

const count = z.number().int().positive();
const folder = (at: string, description: string) =>
  z.string().min(1).default(at).describe(description).meta({ title: 'folder' });

const flags = z.object({
  tier: z.enum(['ring', 'modes', 'all']).default('all').describe('ring: points in the plane; modes: captioned scenes'),
  out: folder('docs/stability', 'where results go, a folder for each tier'),
  families: z.array(z.string()).min(1).optional().describe('only these (default: all of the tier)'),
  seeds: z
    .array(z.number().int().min(0).max(0xffffffff))
    .min(1)
    .optional()
    .describe('of the runs (default: ring 0,1,2,3,4; modes 0)'),
  lrs: z
    .array(z.number().positive())
    .min(1)
    .optional()
    .describe("learning rates (default: ring 1e-4,3e-4,1e-3,3e-3,1e-2; modes each family's own, times --factors)"),
  factors: z
    .array(z.number().positive())
    .min(1)
    .default([1 / 3, 1, 3])
    .describe("modes: learning rates over each family's own, where --lrs names none"),
  steps: count.optional().describe('ring: of every run (default 6000)'),
  minutes: z.number().positive().default(3).describe('modes: training time of every run, its first stage included'),
  images: count.optional().describe('modes: images that every run sees, instead of minutes: alike on every machine'),
  perMode: count.default(10).describe('modes: pictures of every scene to train on'),
  numImages: count.default(4000).describe('modes: pictures that a finished run paints'),
  data: folder('datasets/modes', 'modes: where the scenes are drawn'),
  runs: folder('runs/stability', 'modes: where the models are trained'),
  smoke: z.boolean().default(false).describe('every stage in small, to see that all works'),
  backend: z.enum(backendNames).default('auto').describe('where to compute'),
  threads: z.number().int().positive().max(64).optional().describe('threads of the native backend'),
});

type Flags = z.output<typeof flags>;

const RING = {
  steps: 6000,
  batch: 64,
  width: 64,
  samples: 2000,
  lrs: [1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
  seeds: [0, 1, 2, 3, 4],
};
const SMALL_RING = { steps: 6, batch: 8, width: 8, samples: 100, lrs: [1e-3, 1e-2], seeds: [0, 1] };

/** Models that learn nothing in seconds. */
const SMALL_MODELS = {
  caption: { vocabSize: 300 },
  patch: { width: 4, maxWidth: 4, blocks: 1, codeBlocks: 1, levels: [4, 4] },
  patchTrain: { batchSize: 2 },
  text: { width: 16, layers: 1, heads: 2, imageWidth: 4 },
  textTrain: { batchSize: 2 },
  model: { width: 16, layers: 1, heads: 2 },
  gan: { width: 8, blocks: 1 },
  diffusion: { width: 8, blocks: 1 },
  train: { batchSize: 2 },
};

/** Those of a tier that were asked for. @throws UserError if a name is nobody's, or nobody is left of the only tier */
function chosen<T extends { readonly name: string }>(members: readonly T[], { families: names, tier }: Flags): T[] {
  if (names === undefined) return [...members];
  const known = tier === 'all' ? [...families, ...modesFamilies] : members;
  const stray = names.find(name => !known.some(member => member.name === name));
  if (stray === undefined) return members.filter(({ name }) => names.includes(name));
  const expected = [...new Set(known.map(({ name }) => name))].join(', ');
  throw new UserError('stability: --families', `expected some of ${expected}, got ${stray}`);
}

async function ring(session: Session, values: Flags): Promise<boolean> {
  const members = chosen(families, values);
  if (members.length === 0) return true;
  // Sixteen-bit products would be a second thing that a run could fail by.
  const engine = { backend: values.backend, precision: 'fp32', threads: values.threads } as const;
  const backend = await startEngine(session, engine);
  const base = values.smoke ? SMALL_RING : RING;
  const settings = {
    ...base,
    steps: values.steps ?? base.steps,
    lrs: values.lrs ?? base.lrs,
    seeds: values.seeds ?? base.seeds,
  };
  const runs = settings.lrs.length * settings.seeds.length;
  session.reporter.message(
    `computing on ${backend}: ${members.length} ${members.length === 1 ? 'family' : 'families'}, ${runs} runs of ${settings.steps} steps each`,
  );
  const out = join(values.out, 'ring');
  const finished = await runRing(session, { families: members, settings, out });
  session.print(join(out, 'README.md'));
  return finished;
}

async function scenes(session: Session, values: Flags): Promise<boolean> {
  const members = chosen(modesFamilies, values);
  if (members.length === 0) return true;
  const { backend, smoke, minutes, images, perMode, numImages, data, runs } = values;
  const budget = images === undefined ? { seconds: minutes * 60 } : { images };
  const precision = 'auto';
  await startEngine(session, { backend, precision, threads: values.threads });
  return runModes(session, {
    families: members,
    settings: smoke
      ? { budget: { images: 60 }, perMode: 1, images: 24, checks: 2, glance: 8 }
      : { budget, perMode, images: numImages, checks: 4, glance: 500 },
    seeds: values.seeds ?? [0],
    lrs: values.lrs,
    factors: smoke ? [1] : values.factors,
    data,
    runs,
    out: join(values.out, 'modes'),
    backend,
    precision,
    fields: smoke ? SMALL_MODELS : undefined,
  });
}

await runProgram(
  {
    name: 'stability',
    summary: 'how often training works, by family, learning rate and seed',
    examples: [
      'npm run stability',
      'npm run stability -- --tier ring --families tokens,relativistic-r1r2',
      'npm run stability -- --tier modes --minutes 10 --seeds 0,1,2',
      'npm run stability -- --smoke --out runs/smoke-stability --data datasets/smoke-modes --runs runs/smoke-modes',
    ],
    flags: () => flags,
    run: async (session, { values }) => {
      if (values.tier !== 'ring') chosen(modesFamilies, values); // a wrong name before hours of work
      const finished =
        (values.tier === 'modes' || (await ring(session, values))) &&
        (values.tier === 'ring' || (await scenes(session, values)));
      if (!finished) session.reporter.message('interrupted: the same command goes on');
    },
  },
  process.argv.slice(2),
);
