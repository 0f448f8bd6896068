/**
 * @file `npm run shapes`: trains on synthetic scenes whose captions are exact and measures how many of the things that
 * a caption says are true of what is painted for it, by reading the pictures back with a program. The captions that
 * count name pairs of colour and shape that training never showed.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { heldOutCaptions, makeShapes } from '../../data/generators/shapes.ts';
import { openDataset } from '../../data/open.ts';
import { runProgram } from '../../src/cli.ts';
import { encodePng } from '../../src/image/png.ts';
import { drawSheet } from '../../src/image/sheet.ts';
import { writeAtomic } from '../../src/io/atomic.ts';
import { writeJson } from '../../src/io/files.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { SceneJudge } from '../../src/metrics/judges/scene-judge.ts';
import { openPainter } from '../../src/runs/open-painter.ts';
import { describePlan } from '../../src/runs/plan/describe.ts';
import { planTraining } from '../../src/runs/plan/plan.ts';
import { configOfRun } from '../../src/runs/run.ts';
import { type Session, startEngine } from '../../src/runs/session.ts';
import { type TrainRequest, trainRun } from '../../src/runs/train.ts';

const flags = z.object({
  out: z.string().default('runs/shapes').describe('the run').meta({ title: 'folder' }),
  data: z.string().default('datasets/shapes').describe('where the scenes are drawn').meta({ title: 'folder' }),
  count: z.number().int().positive().default(12000).describe('scenes'),
  minutes: z.number().positive().default(8).describe('time for both trainings'),
  captions: z.number().int().positive().default(256).describe('held-out captions to check'),
  temperature: z.number().min(0).default(0.8),
  cfgScale: z.number().min(0).default(2),
  seed: z.number().int().min(0).default(0),
});

/** Differs from the demo where scenes differ from drawings: 32 pixels are enough, and every scene is another one. */
const FIELDS = {
  images: { imageSize: 32, crops: 1, cropAmount: 0 },
  patch: { stem: 2 },
  // Small and with many steps: 420 of width 256 got 70% of the attributes right.
  model: { captionLength: 24, width: 128 },
  train: { balance: 0 },
};

async function planShapes(
  { now, signal, reporter }: Session,
  { data, seed, minutes }: { readonly data: string; readonly seed: number; readonly minutes: number },
): Promise<Pick<TrainRequest, 'config' | 'plan' | 'opened'>> {
  const opened = await openDataset(data, { signal });
  const fields = { ...FIELDS, seed, plan: { minutes } };
  const plan = await planTraining({ dataset: opened, preset: 'tiny', fields, now, signal });
  reporter.message(describePlan(plan));
  return { config: plan.config, plan: plan.kept, opened };
}

interface Score {
  right: number;
  total: number;
}

async function shapes(session: Session, values: z.output<typeof flags>): Promise<void> {
  const { out, data, count, seed, captions: wanted } = values;
  const { reporter } = session;
  reporter.stage('scenes', { index: 1, of: 6, unit: 'images' });
  const onProgress = (step: number, total: number) => reporter.update({ step, total, amount: step });
  const { pairs } = await makeShapes({ out: data, count, size: 32, onProgress });
  reporter.done(`never shown in training: ${pairs.join(', ')}`);
  await startEngine(session, { backend: 'auto', precision: 'auto' });
  const prepared = existsSync(runPaths(out).config)
    ? { config: await configOfRun(out, {}, { command: 'shapes' }) }
    : await planShapes(session, { data, seed, minutes: values.minutes });
  if (!(await trainRun(session, { data, out, ...prepared, stages: { before: 1, of: 6 } }))) return;

  reporter.stage('check', { index: 6, of: 6, total: wanted, unit: 'images' });
  const painter = await openPainter(out);
  const captions = heldOutCaptions({ count: wanted });
  const pictures = await painter.paint(captions, {
    ...{ temperature: values.temperature, cfgScale: values.cfgScale, seed },
    signal: session.signal,
    onProgress: done => reporter.update({ step: Math.floor(done), amount: done }),
  });
  const judge = new SceneJudge();
  const scores = new Map<string, Score>();
  const add = (name: string, right: number, total: number) => {
    const score = scores.get(name) ?? { right: 0, total: 0 };
    scores.set(name, { right: score.right + right, total: score.total + total });
  };
  const marks = pictures.map((picture, i) => {
    const { right, total, attributes } = judge.check(picture.data, picture.width, captions[i]);
    add('all attributes', right, total);
    add('whole captions', right === total ? 1 : 0, 1);
    for (const { name, right: isRight } of attributes) add(name, isRight ? 1 : 0, 1);
    return `${right}/${total}`;
  });
  painter.dispose();
  reporter.done();
  for (const [name, { right, total }] of scores) {
    session.print(`${name.padEnd(20)} ${((100 * right) / total).toFixed(1).padStart(5)}%  (${right} of ${total})`);
  }
  await writeJson(join(out, 'accuracy.json'), { ...values, scores: Object.fromEntries(scores) });
  const shown = pictures.slice(0, 24).map((picture, i) => ({ picture, label: `${captions[i]} (${marks[i]})` }));
  const sheet = await drawSheet(shown, {
    columns: 6,
    cellScale: 4,
    title: 'Held-out captions',
    note: 'attributes right',
  });
  await writeAtomic(runPaths(out).samples, await encodePng(sheet));
  session.print(runPaths(out).samples);
}

await runProgram(
  {
    name: 'shapes',
    summary: 'train on scenes with exact captions and measure caption accuracy',
    examples: ['npm run shapes', 'npm run shapes -- --minutes 4 --out runs/shapes4'],
    flags: () => flags,
    run: (session, { values }) => shapes(session, values),
  },
  process.argv.slice(2),
);
