/**
 * @file `npm run rivals`: trains every family on the same emoji for the same minutes on this machine, tokenizer or text
 * encoder included, measures all of them by one network of features that none was trained with, and lays them out side by
 * side. Interrupted, it goes on where it stood.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeEmoji } from '../data/generators/emoji.ts';
import { openDataset } from '../data/open.ts';
import { compareCommand } from '../src/cli/commands/compare.ts';
import { runProgram } from '../src/cli.ts';
import { presets } from '../src/config/presets.ts';
import { readRun, runSchema } from '../src/families/config.ts';
import { familyNames, familyOf } from '../src/families/families.ts';
import { runPaths } from '../src/io/runfolder.ts';
import { trainFeatures } from '../src/runs/features.ts';
import { describePlan } from '../src/runs/plan/describe.ts';
import { planTraining } from '../src/runs/plan/plan.ts';
import { configOfRun } from '../src/runs/run.ts';
import { divideData } from '../src/runs/run-images.ts';
import { type Session, startEngine } from '../src/runs/session.ts';
import { type TrainRequest, trainRun } from '../src/runs/train.ts';
import { copyFirstStage } from './stages.ts';

const flags = z.object({
  minutes: z
    .number()
    .positive()
    .default(10)
    .describe('training time of each family, its tokenizer or encoder included'),
  families: z.array(z.enum(familyNames())).min(1).default(familyNames()).describe('which'),
  out: z.string().default('runs/rivals').describe('where the runs and the report go').meta({ title: 'folder' }),
  data: z.string().default('datasets/demo').describe('where the emoji are drawn').meta({ title: 'folder' }),
  numImages: z
    .number()
    .int()
    .positive()
    .optional()
    .describe('samples that are measured; default: as many as there are held-out images, which they stand beside'),
  seed: z.number().int().min(0).default(0).describe('another seed trains other models'),
});

/** Cheap first; `nll` and `recon` are the transformer's alone, and of the others the table says so. */
const METRICS = ['kid', 'prdc', 'fd', 'clip-score', 'r-precision', 'nll', 'recon', 'nearest'];

/** Samples that are painted and read at each validation, of every family alike. */
const CHECKED = 128;

/** Training images that samples are compared with. */
const REFERENCE = 1000;

/** A run of the comparison. */
interface Entrant {
  readonly family: string;
  readonly folder: string;
  /** A run whose text encoder it takes over: the same steps from the same seed on the same data would give the same. */
  readonly encoder?: string;
}

/** The plan of an entrant: the preset `tiny` in the minutes, what it takes over included. */
async function planEntrant(
  { now, signal, reporter }: Session,
  { family, encoder }: Entrant,
  values: z.output<typeof flags>,
): Promise<Pick<TrainRequest, 'config' | 'plan' | 'opened'>> {
  const { seed, data, minutes } = values;
  const before = encoder === undefined ? {} : { textTrain: (await readRun(encoder, 'rivals')).textTrain };
  const fields = { family, seed, plan: { minutes }, ...before, train: { checkSamples: CHECKED } };
  const opened = await openDataset(data, { signal });
  const plan = await planTraining({ dataset: opened, preset: 'tiny', fields, now, signal });
  reporter.message(describePlan(plan));
  return { config: plan.config, plan: plan.kept, opened };
}

/** Trains an entrant, or goes on with it. @returns false if it was stopped */
async function enter(session: Session, entrant: Entrant, values: z.output<typeof flags>): Promise<boolean> {
  const { folder, encoder } = entrant;
  const paths = runPaths(folder);
  if (existsSync(paths.config)) {
    const config = await configOfRun(folder, {}, { command: 'rivals' });
    return trainRun(session, { data: values.data, out: folder, config });
  }
  const planned = await planEntrant(session, entrant, values);
  if (encoder !== undefined) await copyFirstStage('text', encoder, folder);
  return trainRun(session, { data: values.data, out: folder, ...planned });
}

async function rivals(session: Session, values: z.output<typeof flags>): Promise<void> {
  const { out, data, seed } = values;
  const { reporter } = session;
  const { imageSize } = presets.tiny.images;
  reporter.stage('emoji', { unit: 'images' });
  await makeEmoji({
    out: data,
    styles: ['noto'],
    size: imageSize,
    onProgress: (step, total) => reporter.update({ step, total, amount: step }),
  });
  const engine = { backend: 'auto', precision: 'auto' } as const;
  const backend = await startEngine(session, engine);
  reporter.message(`computing on ${backend}, ${values.minutes} minutes for each of ${values.families.join(', ')}`);

  let encoder: string | undefined;
  for (const family of values.families) {
    const folder = join(out, family);
    const shares = familyOf(family).stages.includes('text');
    if (!(await enter(session, { family, folder, encoder: shares ? encoder : undefined }, values))) return;
    if (shares) encoder ??= folder;
  }
  // Another seed: nothing is judged by the network that conditions it.
  const features = join(out, 'features');
  const judge = { seed: seed + 1, images: { imageSize } };
  if ((await trainFeatures(session, { data, out: features, fields: judge })) === undefined) return;
  const { training, heldOut } = divideData(
    await openDataset(data, { check: false }),
    runSchema().parse(presets.tiny).images,
  );
  const numImages = values.numImages ?? (heldOut.length > 0 ? heldOut : training).length;
  await compareCommand(session, {
    runs: values.families.map(family => join(out, family)),
    out: join(out, 'comparison.html'),
    data,
    numImages,
    metrics: METRICS,
    features: [features],
    reference: REFERENCE,
    seed: 0,
    weights: 'ema',
    ...engine,
  });
}

await runProgram(
  {
    name: 'rivals',
    summary: 'train every family for the same minutes on the same emoji, and compare them',
    examples: ['npm run rivals', 'npm run rivals -- --minutes 2 --families transformer,r3gan'],
    flags: () => flags,
    run: (session, { values }) => rivals(session, values),
  },
  process.argv.slice(2),
);
