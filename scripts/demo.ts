/**
 * @file `npm run demo`: the whole job on real art in minutes. Draws the emoji, trains both tokenizers and the transformer,
 * and paints captions that were trained on and captions never seen. How long the two trainings are is decided once, from
 * this machine's speed, so that the whole fits the budget; the decision is kept in the run's config.json, and a demo that
 * was interrupted goes on where it stood.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeEmoji } from '../data/generators/emoji.ts';
import { openDataset } from '../data/open.ts';
import { runProgram } from '../src/cli.ts';
import { presets } from '../src/config/presets.ts';
import type { RunConfig } from '../src/config/run.ts';
import { mergeConfig } from '../src/config/schema.ts';
import { spanInWords } from '../src/core/times.ts';
import { checkConfig, runSchema } from '../src/families/config.ts';
import { encodePng } from '../src/image/png.ts';
import { writeAtomic } from '../src/io/atomic.ts';
import { writeJson } from '../src/io/files.ts';
import { runPaths } from '../src/io/runfolder.ts';
import { openPainter } from '../src/runs/open-painter.ts';
import { describePlan } from '../src/runs/plan/describe.ts';
import { planTraining } from '../src/runs/plan/plan.ts';
import { configOfRun } from '../src/runs/run.ts';
import { divideData } from '../src/runs/run-images.ts';
import { drawSampleSheet, type SampleCaptions } from '../src/runs/sample-sheet.ts';
import { type Session, startEngine } from '../src/runs/session.ts';
import { type TrainRequest, trainRun } from '../src/runs/train.ts';

const flags = z.object({
  out: z.string().optional().describe('the run; default runs/demo, or runs/smoke').meta({ title: 'folder' }),
  data: z.string().optional().describe('where the emoji are drawn; default datasets/demo').meta({ title: 'folder' }),
  minutes: z.number().positive().default(10).describe('time for everything'),
  smoke: z.boolean().default(false).describe('every stage in about a minute, to see that all works'),
  seed: z.number().int().min(0).default(0).describe('another seed trains another model'),
});

/** Styles that the demo learns; chosen by measurement: docs/results/demo.md. */
const STYLES = ['noto'];
/** How often a drawing is called by its name: in minutes it is not learnt from eight wordings alike. */
const NAMED = 0.5;
/** Seconds that painting its sheet takes when the training is over. */
const PAINTING_SECONDS = 15;

/** Captions worth looking at; each is filed under trained or unseen by what the split made of it. */
const CAPTIONS = [
  'grinning face',
  'smiling face with sunglasses',
  'angry face',
  'clown face',
  'alien',
  'ghost',
  'heart',
  'blue heart',
  'broken heart',
  'red apple',
  'lemon',
  'banana',
  'watermelon',
  'pizza',
  'cat face',
  'panda',
  'tropical fish',
  'sunflower',
  'automobile',
  'sailboat',
  'rocket',
  'soccer ball',
  'thumbs up, medium skin tone',
  'man student, medium-dark skin tone',
  'purple heart',
  'strawberry',
  'grinning face with sweat',
  'squinting face with tongue',
  'man cook, light skin tone',
  'man superhero, dark skin tone',
  'woman elf, medium skin tone',
  'woman with red hair, light skin tone',
  'man police officer',
  'woman with headscarf, medium-dark skin tone',
  'teacher, light skin tone',
  'raised back of hand, medium skin tone',
  'men wrestling, medium-light skin tone and medium skin tone',
  'astronaut, dark skin tone',
  'waving hand',
  'person golfing, dark skin tone',
];

/** A run so small that it shows nothing but that every stage works. */
function smokeConfig(seed: number): RunConfig {
  const small = {
    seed,
    images: { crops: 1 },
    patch: { width: 32, maxWidth: 64, blocks: 1, codeBlocks: 1 },
    patchTrain: { steps: 60, batchSize: 16 },
    model: { width: 64, layers: 2, heads: 2 },
    train: { steps: 60, batchSize: 16, evalEvery: 8, sampleEvery: 16, saveEvery: 8 },
  };
  return checkConfig(runSchema().parse(mergeConfig(presets.tiny, small)));
}

/** Files the captions by the split of the data that has been drawn; where it lacks them, others of each side. */
async function chooseCaptions(data: string, config: RunConfig): Promise<SampleCaptions> {
  const { training, heldOut } = divideData(await openDataset(data, { check: false }), config.images);
  const known = new Set(training.flatMap(({ captions }) => captions));
  const held = new Set(heldOut.flatMap(({ captions }) => captions).filter(caption => !known.has(caption)));
  const choose = (side: ReadonlySet<string>, count: number) => {
    const wanted = CAPTIONS.filter(caption => side.has(caption));
    return [...wanted, ...[...side].filter(caption => !wanted.includes(caption))].slice(0, count);
  };
  return { trained: choose(known, 24), unseen: choose(held, 16) };
}

/** The preset `tiny` in the minutes that drawing and painting leave of those for everything. */
async function planDemo(
  session: Session,
  options: { readonly data: string; readonly seed: number; readonly minutes: number; readonly started: number },
): Promise<Pick<TrainRequest, 'config' | 'plan' | 'opened'>> {
  const { now, signal, reporter } = session;
  const opened = await openDataset(options.data, { signal });
  const minutes = Math.max(0.5, options.minutes - PAINTING_SECONDS / 60);
  const fields = { seed: options.seed, plan: { minutes }, caption: { firstShare: NAMED } };
  const plan = await planTraining({ dataset: opened, preset: 'tiny', fields, now, began: options.started, signal });
  reporter.message(describePlan(plan));
  return { config: plan.config, plan: plan.kept, opened };
}

async function demo(session: Session, values: z.output<typeof flags>): Promise<void> {
  const { smoke, seed } = values;
  const out = values.out ?? (smoke ? 'runs/smoke' : 'runs/demo');
  const data = values.data ?? (smoke ? 'datasets/smoke' : 'datasets/demo');
  const started = session.now();
  const { reporter } = session;
  const stages = { before: 1, of: 6 };
  reporter.stage('emoji', { index: 1, of: stages.of, unit: 'images' });
  const drawn = await makeEmoji({
    out: data,
    styles: STYLES,
    size: presets.tiny.images.imageSize,
    limit: smoke ? 300 : undefined,
    onProgress: (step, total) => reporter.update({ step, total, amount: step }),
  });
  const total = Object.values(drawn.counts).reduce((a, b) => a + b, 0);
  reporter.done(`${total} drawings${drawn.upToDate ? ', made before' : ''}`);

  const backend = await startEngine(session, { backend: 'auto', precision: 'auto' });
  reporter.message(`computing on ${backend}`);
  const there = existsSync(runPaths(out).config);
  if (there) reporter.message(`${out} is there: going on with it, with its own seed and number of steps`);
  const prepared = there
    ? { config: await configOfRun(out, {}, { command: 'demo' }) }
    : smoke
      ? { config: smokeConfig(seed) }
      : await planDemo(session, { data: drawn.out, seed, minutes: values.minutes, started });
  const { config } = prepared;
  const captions = await chooseCaptions(drawn.out, config);
  const finished = await trainRun(session, {
    data: drawn.out,
    out,
    ...prepared,
    sampleCaptions: captions,
    stages,
  });
  if (!finished) return;

  reporter.stage('samples', { index: stages.of, of: stages.of });
  const painter = await openPainter(out);
  const { sheet, painted } = await drawSampleSheet(painter, captions, { columns: 8 });
  await writeAtomic(runPaths(out).samples, await encodePng(sheet));
  reporter.pictures(painted, { pictureColumns: 24 });
  painter.dispose();
  await writeJson(join(out, 'timing.json'), {
    minutes: (session.now() - started) / 60000,
    stages: reporter.timings,
    peakMib: process.resourceUsage().maxRSS / 1024,
  });
  reporter.done(`${spanInWords((session.now() - started) / 1000)} in all`);
  const paths = runPaths(out);
  session.print(paths.samples);
  session.print(paths.reconstructions);
  session.print(`paint more: npx tesserae sample --run ${out} --text 'red apple|blue heart' --preview`);
}

await runProgram(
  {
    name: 'demo',
    summary: 'draw emoji, train on them and paint captions, in minutes',
    examples: ['npm run demo', 'npm run demo -- --smoke --out runs/smoke'],
    flags: () => flags,
    run: (session, { values }) => demo(session, values),
  },
  process.argv.slice(2),
);
