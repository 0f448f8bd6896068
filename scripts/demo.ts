/**
 * @file `npm run demo`: the whole job on real art in minutes. Draws the emoji, trains both tokenizers and the transformer,
 * and paints captions that were trained on and captions never seen. How long the two trainings are is decided once, from
 * this machine's speed, so that the whole fits the budget; the decision is kept in the run's config.json, and a demo that
 * was interrupted goes on where it stood.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { makeEmoji } from '../data/emoji.ts';
import { openDataset } from '../data/index.ts';
import { writeAtomic } from '../src/checkpoint.ts';
import { runProgram } from '../src/cli.ts';
import { splitDataset } from '../src/commands/images.ts';
import { drawSampleGrid, type SampleCaptions } from '../src/commands/samples.ts';
import { type Session, startEngine } from '../src/commands/session.ts';
import { trainRun } from '../src/commands/train.ts';
import { checkConfig, presets, type RunConfig, runSchema } from '../src/config.ts';
import { encodePng } from '../src/pictures.ts';
import { Tessera } from '../src/pipeline.ts';
import { readRun, runPaths } from '../src/runs.ts';
import { mergeConfig } from '../src/schema.ts';
import { fitToBudget, rhythm } from './budget.ts';

const flags = z.object({
  out: z.string().default('runs/demo').describe('the run').meta({ title: 'folder' }),
  data: z.string().default('datasets/demo').describe('where the emoji are drawn').meta({ title: 'folder' }),
  minutes: z.number().positive().default(10).describe('time for everything'),
  smoke: z.boolean().default(false).describe('every stage in about a minute, to see that all works'),
  seed: z.number().int().min(0).default(0),
});

/** Styles that the demo learns, and how it divides its minutes; chosen by measurement, see the README. */
const STYLES = ['noto'];
const PATCH_SHARE = 0.35;
/** Seconds that go to building, drawing, decoding, encoding, checking and painting. */
const OVERHEAD_SECONDS = 100;

/** Captions worth looking at; each is filed under trained or unseen by what the split made of it. */
const CAPTIONS = [
  'grinning face',
  'smiling face with sunglasses',
  'pouting face',
  'red heart',
  'blue heart',
  'red apple',
  'lemon',
  'watermelon',
  'pizza',
  'dog face',
  'cat face',
  'panda',
  'tropical fish',
  'sunflower',
  'automobile',
  'rocket',
  'airplane',
  'soccer ball',
  'snowman',
  'full moon',
  'thumbs up, medium skin tone',
  'waving hand, dark skin tone',
  'woman, medium-light skin tone',
  'man student, medium-dark skin tone',
  'clown face',
  'strawberry',
  'green apple',
];

/** A run so small that it shows nothing but that every stage works. */
function smokeConfig(seed: number): RunConfig {
  const small = {
    seed,
    images: { crops: 1 },
    patch: { width: 32, maxWidth: 64, blocks: 1, codeBlocks: 1 },
    patchTrain: { steps: 60, batchSize: 16 },
    model: { width: 64, layers: 2, heads: 2 },
    train: { ...rhythm(60), batchSize: 16 },
  };
  return checkConfig(runSchema.parse(mergeConfig(presets.tiny, small)));
}

/** Divides the captions by the split of the data that has been drawn, and adds unseen ones from it. */
async function chooseCaptions(data: string, config: RunConfig): Promise<SampleCaptions> {
  const { training, heldOut } = splitDataset(await openDataset(data, { check: false }), config.images);
  const known = new Set(training.flatMap(({ captions }) => captions));
  const held = heldOut.flatMap(({ captions }) => captions.slice(-1));
  const trained = CAPTIONS.filter(caption => known.has(caption)).slice(0, 24);
  const step = Math.max(1, Math.floor(held.length / 24));
  const unseen = held.filter((caption, i) => i % step === 0 && !known.has(caption)).slice(0, 24);
  return { trained, unseen };
}

async function demo(session: Session, values: z.output<typeof flags>): Promise<void> {
  const { out, data, smoke, seed } = values;
  const started = session.now();
  const { reporter } = session;
  const stages = { before: 1, of: 6 };
  reporter.stage('emoji', { index: 1, of: stages.of, unit: 'images' });
  const drawn = await makeEmoji({
    out: smoke ? `${data}-smoke` : data,
    styles: STYLES,
    size: presets.tiny.images.imageSize,
    limit: smoke ? 300 : undefined,
    onProgress: (step, total) => reporter.update({ step, total, amount: step }),
  });
  const total = Object.values(drawn.counts).reduce((a, b) => a + b, 0);
  reporter.done(`${total} drawings${drawn.upToDate ? ', made before' : ''}`);

  const backend = await startEngine(session, { backend: 'auto', precision: 'auto' });
  const there = existsSync(runPaths(out).config);
  const config = there
    ? await readRun(out, 'demo')
    : smoke
      ? smokeConfig(seed)
      : await fitToBudget(checkConfig(runSchema.parse(mergeConfig(presets.tiny, { seed }))), {
          seconds: Math.max(30, values.minutes * 60 - OVERHEAD_SECONDS),
          patchShare: PATCH_SHARE,
          now: session.now,
        });
  reporter.message(
    `computing on ${backend}: ${config.patchTrain.steps} steps of the patch tokenizer, ${config.train.steps} of the transformer`,
  );
  const captions = await chooseCaptions(drawn.out, config);
  const finished = await trainRun(session, {
    data: drawn.out,
    out,
    config,
    given: {},
    sampleCaptions: captions,
    stages,
  });
  if (!finished) return;

  reporter.stage('samples', { index: stages.of, of: stages.of });
  const tessera = await Tessera.load(out);
  const { sheet, painted } = await drawSampleGrid(tessera, captions, { columns: 8 });
  await writeAtomic(runPaths(out).samples, await encodePng(sheet));
  reporter.pictures(painted.slice(0, 6), { pictureColumns: 24 });
  tessera.dispose();
  reporter.done(`${((session.now() - started) / 60000).toFixed(1)} minutes in all`);
  const paths = runPaths(out);
  session.print(`${paths.samples}\n${paths.reconstructions}`);
  session.print(
    `paint more: npx tessera sample --run ${out} --text 'red apple|blue heart' --temperature 0.7 --preview`,
  );
}

await runProgram(
  {
    name: 'demo',
    summary: 'draw emoji, train on them and paint captions, in minutes',
    examples: ['npm run demo', 'npm run demo -- --smoke --out runs/smoke'],
    flags,
    run: (session, { values }) => demo(session, values),
  },
  process.argv.slice(2),
);
