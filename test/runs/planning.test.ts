/** @file Plans made of real data on this machine, and a training that keeps to its time, stopped and whole. */
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../data/open.ts';
import { flattenConfig } from '../../src/config/schema.ts';
import { Random } from '../../src/core/random.ts';
import { readRun } from '../../src/families/config.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { startBackend } from '../../src/kernels/start.ts';
import { planTraining as planForProgram } from '../../src/library/plan.ts';
import { readPlan } from '../../src/runs/plan/kept.ts';
import { leavesOpen, planTraining } from '../../src/runs/plan/plan.ts';
import { surveyData } from '../../src/runs/plan/survey.ts';
import { trainRun } from '../../src/runs/train.ts';
import { prepareTraining } from '../../src/runs/training/prepare.ts';
import { byHeart, captions, snapshot, temporaryFolder, writeDrawings, writeItem } from '../cli/program.ts';
import { noise } from '../image/noise.ts';
import { quietSession } from './quiet-session.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
beforeAll(async () => {
  await startBackend('native', { threads: 1 });
  await writeDrawings(data);
});

/** Sizes that train in milliseconds; everything else is planned. */
const { steps: _, ...patchTrain } = byHeart.patchTrain;
const { captionLength: __, ...model } = byHeart.model;
const small = {
  images: { imageSize: 32, crops: 1 },
  patch: byHeart.patch,
  patchTrain,
  model,
  text: { width: 16, layers: 1, heads: 2, dim: 16, imageWidth: 8 },
  gan: { width: 8, latent: 8 },
  diffusion: { width: 8, multipliers: [1, 1], attention: [], embedding: 16, sampleSteps: 4 },
  train: { batchSize: 4, checkSamples: 0 },
};

/** A clock that runs by so many milliseconds whenever it is read. */
function clockOf(tick: () => number): () => number {
  let time = 0;
  return () => {
    time += tick();
    return time;
  };
}

test('a survey says what the data are', async () => {
  const { survey, tokenizer } = await surveyData(await openDataset(data), {
    images: { split: ['train'] },
    now: clockOf(() => 2),
  });
  expect(survey).toMatchObject({
    pictures: 8,
    side: 32,
    longest: 32,
    kind: 'drawings',
    whiteGround: true,
    captions: { distinct: 8, sampled: 8, bytes: 13 },
    decodeSeconds: 0.002,
  });
  expect(survey.variety).toBeGreaterThan(0.05);
  expect(survey.captions.ids).toBe(
    Math.max(...captions.map(caption => tokenizer.encodeCaption(caption, { length: 99 }).count)),
  );
});

test('pictures of noise are photographs, on no white ground; one picture is not varied', async () => {
  const photos = join(folder, 'photos');
  const photo = (place: number) => {
    const { data: raw } = noise(new Random(place), 48, 120, 60);
    return sharp(Buffer.from(raw), { raw: { width: 48, height: 48, channels: 3 } })
      .png()
      .toBuffer();
  };
  for (const place of [1, 2, 3]) await writeItem(photos, `${place}.png`, await photo(place), 'a photo');
  const options = { images: { split: ['train' as const] }, now: () => 0 };
  const { survey } = await surveyData(await openDataset(photos), options);
  expect(survey).toMatchObject({
    kind: 'photographs',
    whiteGround: false,
    side: 48,
    captions: { distinct: 1, sampled: 3 },
  });
  const one = join(folder, 'one');
  await writeItem(one, '1.png', await photo(1), 'a photo');
  expect((await surveyData(await openDataset(one), options)).survey).toMatchObject({ pictures: 1, variety: 0 });
});

describe('a plan of every family', () => {
  test.each(['transformer', 'dcgan', 'r3gan', 'diffusion'])('%s', async family => {
    const dataset = await openDataset(data);
    const fields = { family, ...small, plan: { minutes: 2 } };
    const plan = await planTraining({ dataset, fields, now: clockOf(() => 5) });
    const { config, kept, minutes } = plan;
    expect(config).toMatchObject({ family, plan: { minutes: 2 }, images: { imageSize: 32, validation: 0 } });
    expect(minutes).toBeGreaterThan(1.6);
    expect(minutes).toBeLessThan(2.05);
    const first = family === 'transformer' ? 'patch' : 'text';
    expect(kept.stages[first]).toMatchObject({ fitted: true, steps: config[`${first}Train`].steps });
    expect(kept.stages.model).toMatchObject({ fitted: true, fillsTime: true, steps: config.train.steps });
    expect(kept.stages[first]).not.toHaveProperty('fillsTime'); // what it leaves is the model's
    expect(JSON.parse(JSON.stringify(plan)).config).toEqual(JSON.parse(JSON.stringify(config)));
  });
});

test('what is left open, and what is not', () => {
  const all = { patchTrain: { steps: 1 }, train: { steps: 1 } };
  expect(leavesOpen({})).toBe(true);
  expect(leavesOpen({ fields: { train: { steps: 5 } } })).toBe(true);
  expect(leavesOpen({ fields: all })).toBe(false);
  expect(leavesOpen({ fields: { ...all, family: 'dcgan' } })).toBe(true);
  expect(leavesOpen({ preset: 'tiny' })).toBe(false);
  expect(leavesOpen({ preset: 'tiny', fields: { plan: { minutes: 3 } } })).toBe(true);
  expect(leavesOpen({ fields: { ...all, plan: { epochs: 3 } } })).toBe(true);
});

test('epochs are steps, and refused beside minutes or steps', async () => {
  const dataset = await openDataset(data);
  const plan = (fields: Record<string, unknown>) =>
    planTraining({ dataset, fields: { ...small, ...fields }, now: clockOf(() => 5) });
  const { config, kept } = await plan({ plan: { epochs: 10 } });
  expect([config.train.steps, config.plan, kept.stages.model?.fitted]).toEqual([20, { epochs: 10 }, false]);
  await expect(plan({ plan: { epochs: 1, minutes: 1 } })).rejects.toThrow('expected one of them');
  await expect(plan({ plan: { epochs: 1 }, train: { steps: 4 } })).rejects.toThrow('expected one of them');
  await expect(plan({ plan: { minutes: 0.001 } })).rejects.toThrow(/^train: --minutes 0\.001: expected at least \d/);
});

test('steps that all stand are not refused for minutes, as of a copied config', async () => {
  const dataset = await openDataset(data);
  const steps = { patchTrain: { ...small.patchTrain, steps: 3000 }, train: { ...small.train, steps: 5000 } };
  const fields = { ...small, ...steps, plan: { minutes: 0.01 } };
  const { config, kept, minutes } = await planTraining({ dataset, fields, now: clockOf(() => 5) });
  expect([config.patchTrain.steps, config.train.steps, kept.stages.model?.fitted]).toEqual([3000, 5000, false]);
  expect(minutes).toBeGreaterThan(0.2);
});

test('what a program has planned leaves nothing to plan', async () => {
  const options = { backend: 'native', threads: 1, config: { ...small, plan: { minutes: 0.5 } } } as const;
  const { config, lines } = await planForProgram({ data, ...options });
  expect(lines).toHaveLength(6);
  expect(config).toMatchObject({ images: { imageSize: 32, crops: 1 }, train: { batchSize: 4 } });
  expect(leavesOpen({ fields: config })).toBe(false);
});

describe('a training on a machine that turns out slower', () => {
  /** The plan is made by a clock of 20 ms; a step then takes 90. @param stopAfter steps, of all stages; @param slow how many are */
  async function train(out: string, stopAfter?: number, slow = Number.POSITIVE_INFINITY) {
    const stop = new AbortController();
    let [time, tick, steps] = [0, 20, 0];
    const now = () => {
      time += tick;
      return time;
    };
    const session = quietSession({ now, signal: stop.signal, cacheDir: folder });
    session.reporter.update = ({ loss }) => {
      if (loss === undefined) return;
      time += steps < slow ? 90 : 12;
      if (++steps === stopAfter) stop.abort();
    };
    const fields = { ...small, plan: { minutes: 0.35 }, train: { ...small.train, saveEvery: 5 } };
    const request = { data, out };
    const prepared = await prepareTraining(session, { ...request, fields, begin: async () => {} });
    if (prepared === undefined) throw new Error('it was stopped');
    tick = 0;
    const finished = await trainRun(session, { ...request, ...prepared });
    return { finished, said: session.said, planned: prepared.config };
  }
  const slower = /^(slower than was measured|this machine is slower)/;

  test('makes fewer steps and says so; stopped in either stage and gone on with, it is the same', async () => {
    const out = join(folder, 'whole');
    const { finished, said, planned } = await train(out);
    const config = await readRun(out, 'test');
    expect(finished).toBe(true);
    expect(config.patchTrain.steps).toBeLessThan(planned.patchTrain.steps);
    expect(config.train.steps).toBeLessThan(planned.train.steps);
    expect(said.filter(line => slower.test(line)).length).toBeGreaterThan(1);
    // The plan stays what it was: what has become of it is in the states.
    expect((await readPlan(runPaths(out).plan))?.stages.model?.steps).toBe(planned.train.steps);
    const others = (fields: object) =>
      Object.entries(flattenConfig({ ...fields })).filter(
        ([name]) => !/(patchTrain|train)\.steps|sampleEvery/.test(name),
      );
    expect(others(config)).toEqual(others(planned));
    // Samples come as much sooner as there are fewer steps.
    const { steps, sampleEvery } = planned.train;
    expect(config.train.sampleEvery).toBe(Math.round((sampleEvery * config.train.steps) / steps));

    for (const stopAfter of [config.patchTrain.steps - 3, config.patchTrain.steps + 12]) {
      const parts = join(folder, `parts-${stopAfter}`);
      expect((await train(parts, stopAfter)).finished).toBe(false);
      const again = await train(parts);
      expect(again.finished).toBe(true);
      const weights = (run: string) =>
        Object.entries(snapshot(run)).filter(([name]) => /^[^/]*\.safetensors$|^config\.json$|^samples/.test(name));
      expect(weights(parts)).toEqual(weights(out));
    }
  });

  test('for a while, gets steps back, which is said, and more in the time that was asked for', async () => {
    const out = join(folder, 'recovered');
    const { said, planned } = await train(out, undefined, 20);
    const { patchTrain, train: model } = await readRun(out, 'test');
    const lines = said.filter(line => /^(slower than was measured|quicker again)/.test(line));
    const [fewest] = lines.flatMap(line => /^slower than was measured: (\d+) steps/.exec(line)?.[1] ?? []);
    expect(lines[1]).toMatch(/^quicker again: \d+ steps instead of \d+, in the time that is left$/);
    expect(patchTrain.steps).toBeGreaterThan(Number(fewest));
    expect(patchTrain.steps).toBeLessThanOrEqual(planned.patchTrain.steps);
    expect(model.steps).toBeGreaterThan(planned.train.steps);
    expect(said.join('\n')).toMatch(/^(quicker than was measured|time is left): \d+ steps/m);
  });
});
