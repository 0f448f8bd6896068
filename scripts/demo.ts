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
import { checkConfig, readRun, runSchema } from '../src/families/config.ts';
import { encodePng } from '../src/image/png.ts';
import { writeAtomic } from '../src/io/atomic.ts';
import { writeJson } from '../src/io/files.ts';
import { runPaths } from '../src/io/runfolder.ts';
import { openPainter } from '../src/runs/open-painter.ts';
import { divideData } from '../src/runs/run-images.ts';
import { drawSampleSheet, type SampleCaptions } from '../src/runs/sample-sheet.ts';
import { type Session, startEngine } from '../src/runs/session.ts';
import { trainRun } from '../src/runs/train.ts';
import { fitToBudget, rhythm } from './budget.ts';

const flags = z.object({
  out: z.string().optional().describe('the run; default runs/demo, or runs/smoke').meta({ title: 'folder' }),
  data: z.string().optional().describe('where the emoji are drawn; default datasets/demo').meta({ title: 'folder' }),
  minutes: z.number().positive().default(10).describe('time for everything'),
  smoke: z.boolean().default(false).describe('every stage in about a minute, to see that all works'),
  seed: z.number().int().min(0).default(0).describe('another seed trains another model'),
});

/** Styles that the demo learns, and how it divides its minutes; chosen by measurement: docs/results/demo.md. */
const STYLES = ['noto'];
const PATCH_SHARE = 0.2;
/** Seconds that go to building, drawing, decoding, encoding, checking and painting. */
const OVERHEAD_SECONDS = 100;

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
    train: { ...rhythm(60), batchSize: 16 },
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
  const there = existsSync(runPaths(out).config);
  if (there) reporter.message(`${out} is there: going on with it, with its own seed and number of steps`);
  const config = there
    ? await readRun(out, 'demo')
    : smoke
      ? smokeConfig(seed)
      : await fitToBudget(checkConfig(runSchema().parse(mergeConfig(presets.tiny, { seed }))), {
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
  reporter.done(`${((session.now() - started) / 60000).toFixed(1)} minutes in all`);
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
