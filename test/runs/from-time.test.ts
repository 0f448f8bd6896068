/**
 * @file A training from a trained model in a given time: how its steps are fitted, what is said of it, and that it is the same
 * however often it is stopped.
 */
import { appendFileSync, existsSync, readdirSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfig, RunConfigInput } from '../../src/config/run.ts';
import { mergeConfig } from '../../src/config/schema.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { readRun } from '../../src/families/config.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { train } from '../../src/library/train.ts';
import { fitStart } from '../../src/runs/from/fit.ts';
import { readDecision } from '../../src/runs/from/patch-decision.ts';
import type { FromRequest } from '../../src/runs/from/plan.ts';
import { secondsAStep } from '../../src/runs/plan/fit.ts';
import { readPlan } from '../../src/runs/plan/kept.ts';
import { trainRun } from '../../src/runs/train.ts';
import { prepareTraining } from '../../src/runs/training/prepare.ts';
import { byHeart, snapshot, temporaryFolder, writeSplitDrawings } from '../cli/program.ts';
import { quietSession } from './quiet-session.ts';

describe('steps', () => {
  const sides = { training: 320, heldOut: 80 };
  const patch = { step: 0.04, evaluation: 0.1, sheet: 0.2, save: 0.1 };
  const model = { step: 0.2, evaluation: 0.3, sheet: 1, save: 0.2 };
  const costs = { loops: { patch, model }, encode: 1e-3, decode: 1e-3 };
  const kept = { ...costs, loops: { model } };
  const started = (patch: string, fields: Record<string, unknown> = {}) =>
    mergeConfig(
      resolveConfig({ preset: 'tiny' }),
      {
        images: { crops: 1 },
        patchTrain: { steps: 600 },
        train: { steps: 100, batchSize: 32, evalEvery: 3, sampleEvery: 10, saveEvery: 10, patience: 4 },
        from: { name: 'x', patch },
      },
      fields,
    ) as RunConfig;
  const none: ReadonlySet<string> = new Set();
  const ends = 2 * (model.evaluation + model.sheet) + model.save;

  test('without minutes they are those of the rule, and the seconds are what comes out', () => {
    const config = started('auto');
    const { stages, seconds, config: fitted, firstSamples } = fitStart(config, { costs: kept, sides, fixed: none });
    expect(fitted).toEqual(config);
    const loop = ends + 100 * secondsAStep(model, config.train);
    expect(stages.model).toMatchObject({ steps: 100, loopSeconds: loop, fitted: false });
    const others = Object.entries(stages).filter(([name]) => name !== 'model');
    expect(others.map(([name]) => name)).toEqual(['captions', 'patch', 'codes']);
    expect(others.some(([, plan]) => 'loopSeconds' in plan)).toBe(false);
    const before = others.reduce((sum, [, plan]) => sum + plan.seconds, 1); // one for making the model
    expect(seconds).toBeCloseTo(before + loop, 6);
    expect(firstSamples).toBeCloseTo(before + 10 * secondsAStep(model, config.train) + 1.3, 6);
  });

  test('more minutes than the rule needs are not used up, and are there for a machine that is slower', () => {
    const { stages, seconds, config } = fitStart(started('keep'), { costs: kept, sides, seconds: 600, fixed: none });
    expect(config.train.steps).toBe(100);
    expect(seconds).toBeLessThan(80);
    const { model: plan } = stages;
    expect(plan).toMatchObject({ steps: 100, stepsAtMost: 100, sampleEvery: 10, fitted: true });
    expect(plan?.secondsAtMost).toBeCloseTo(600 - (seconds - (plan?.loopSeconds ?? 0)), 6);
  });

  test('fewer cut the steps, and sheets are no larger a share of them', () => {
    for (const seconds of [20, 25, 30]) {
      const fitted = fitStart(started('keep'), { costs: kept, sides, seconds, fixed: none });
      expect(fitted.seconds).toBeLessThanOrEqual(seconds);
      expect(fitted.seconds).toBeGreaterThan(0.9 * seconds);
      const { steps, sampleEvery, evalEvery } = fitted.config.train;
      expect(steps).toBeLessThan(100);
      expect(sampleEvery).toBeGreaterThan(10);
      expect(sampleEvery).toBeLessThan(steps);
      expect(evalEvery).toBe(3);
      expect(fitted.stages.model).toMatchObject({ steps, stepsAtMost: 100, sampleEvery, fitted: true });
    }
    const asked = fitStart(started('keep'), {
      costs: kept,
      sides,
      seconds: 30,
      fixed: new Set(['train.sampleEvery', 'train.saveEvery']),
    });
    expect(asked.config.train).toMatchObject({ sampleEvery: 10, saveEvery: 10 });
    expect(asked.stages.model).not.toHaveProperty('sampleEvery');
  });

  test('a patch tokenizer that is likely kept is not counted, and may take a fifth', () => {
    const fitted = (patch: string, seconds: number) => fitStart(started(patch), { costs, sides, seconds, fixed: none });
    const [likely, surely] = [fitted('auto', 40), fitted('decoder', 40)];
    expect(likely.stages.patch).toMatchObject({ ifNeeded: true, fitted: true });
    expect(likely.stages.patch?.seconds).toBeLessThan(3);
    expect(likely.stages.patch?.loopSeconds).toBeLessThan(0.2 * 40);
    expect(likely.stages.patch?.loopSeconds).toBeGreaterThan(0.15 * 40);
    expect(likely.config.patchTrain.steps).toBe(likely.stages.patch?.steps);
    expect(surely.stages.patch).not.toHaveProperty('ifNeeded');
    expect(surely.stages.patch?.loopSeconds).toBe(likely.stages.patch?.loopSeconds);
    expect(surely.stages.patch?.seconds).toBeGreaterThan(6);
    expect(surely.config.train.steps).toBeLessThan(likely.config.train.steps);
    expect(fitted('auto', 900).config.patchTrain.steps).toBe(600);
  });

  test('what is rehearsed is encoded first', () => {
    const rehearsing = started('keep', { from: { keep: { share: 0.25 } } });
    const codes = (config: RunConfig) =>
      fitStart(config, { costs: kept, sides, seconds: 600, fixed: none }).stages.codes?.seconds ?? 0;
    // A quarter of the 32 images of each of 100 steps, each decoded and encoded.
    expect(codes(rehearsing) - codes(started('keep'))).toBeCloseTo(800 * 2e-3, 6);
  });
});

const missing = registerAddon();
const folder = temporaryFolder();
const data = join(folder, 'data');
const engine = { backend: 'native', threads: 1 } as const;

/** Trains by a clock that runs by `planTick` ms whenever it is read while it is planned; a step then takes `step` ms. @param stopAfter steps, of all stages */
async function trainFrom(
  out: string,
  request: FromRequest & {
    readonly fields?: RunConfigInput;
    readonly step?: number;
    readonly planTick?: number;
    readonly stopAfter?: number;
  },
) {
  const { fields = {}, step = 5, planTick = 5, stopAfter, ...from } = request;
  const stop = new AbortController();
  let [time, tick, steps] = [0, planTick, 0];
  const now = () => {
    time += tick;
    return time;
  };
  const session = quietSession({ now, signal: stop.signal, cacheDir: folder });
  session.reporter.update = ({ loss }) => {
    if (loss === undefined) return;
    time += step;
    if (++steps === stopAfter) stop.abort();
  };
  const where = { data, out: join(folder, out), keepData: from.keepData };
  const { startBackend } = await import('../../src/kernels/start.ts');
  const begin = () => startBackend('native', { threads: 1 });
  const prepared = await prepareTraining(session, { ...where, ...from, fields, begin });
  if (prepared === undefined) throw new Error('it was stopped');
  tick = 0;
  const finished = await trainRun(session, { ...where, ...prepared });
  return { finished, said: session.said, planned: prepared.config, plan: prepared.plan };
}

const results = (out: string) =>
  Object.entries(snapshot(join(folder, out))).filter(([name]) =>
    /^[^/]*\.safetensors$|^config\.json$|^samples/.test(name),
  );

describe.skipIf(missing !== undefined)(
  `a training from another one${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    const source = join(folder, 'source');
    beforeAll(async () => {
      await writeSplitDrawings(data);
      const config = {
        ...byHeart,
        patchTrain: { ...byHeart.patchTrain, steps: 20 },
        train: { ...byHeart.train, steps: 20, evalEvery: 10 },
      };
      await train({ data, out: source, config, ...engine });
    });
    const timeLine = (said: readonly string[]) => said.find(line => line.startsWith('time '));

    test('without minutes: the rule, and how long it takes', async () => {
      const { said, planned, plan } = await trainFrom('open', { from: source, stopAfter: 1 });
      expect(timeLine(said)).toMatch(/^time {6}at most \d+ s in all, first samples after \d+ s \(less: --minutes N\)$/);
      expect(planned.train.steps).toBe(160);
      expect(planned.plan).toEqual({});
      expect(plan?.stages).toMatchObject({ model: { steps: 160, fitted: false } });
      expect(plan?.stages.patch).not.toHaveProperty('loopSeconds');
      expect(await readPlan(runPaths(join(folder, 'open')).plan)).toEqual(plan);
    });

    test('where the steps are given nothing is measured', async () => {
      const { said, plan } = await trainFrom('given', { from: source, fields: { train: { steps: 3 } } });
      expect([timeLine(said), plan]).toEqual([undefined, undefined]);
    });

    test('epochs are passes at most', async () => {
      const { planned, said } = await trainFrom('epochs', { from: source, fields: { plan: { epochs: 6 } } });
      expect(planned).toMatchObject({ plan: { epochs: 6 }, train: { steps: 3, patience: 60 } });
      expect(timeLine(said)).toContain('at most ');
      const refused = (fields: RunConfigInput) =>
        expect(trainFrom('refused', { from: source, fields, planTick: 400 })).rejects;
      await refused({ plan: { epochs: 1, minutes: 1 } }).toThrow('expected one of them');
      await refused({ plan: { epochs: 1 }, train: { steps: 2 } }).toThrow('expected one of them');
      await refused({ plan: { minutes: 0.001 } }).toThrow(/^train: --minutes 0\.001: expected at least \d/);
      expect(existsSync(join(folder, 'refused'))).toBe(false);
    });

    test('more minutes than are worth it are not used up, which is said', async () => {
      const { said, planned } = await trainFrom('generous', {
        from: source,
        fields: { plan: { minutes: 30 } },
        stopAfter: 1,
      });
      expect(planned).toMatchObject({ plan: { minutes: 30 }, train: { steps: 160 } });
      expect(timeLine(said)).toMatch(
        /^time {6}at most \d+ s in all, .*; of 30 minutes no more is worth it \(more than 160 steps: --steps N\)$/,
      );
    });

    test('fewer cut the steps; a slower machine cuts more, and stopped and gone on with it is the same', async () => {
      const fields = { plan: { minutes: 0.1 }, train: { patience: 0, saveEvery: 4 } };
      const slow = { fields, step: 400 };
      const { said, planned, finished } = await trainFrom('whole', { from: source, ...slow });
      const config = await readRun(join(folder, 'whole'), 'test');
      expect(finished).toBe(true);
      expect(planned.plan).toEqual({ minutes: 0.1 });
      expect(planned.train.steps).toBeLessThanOrEqual(160);
      expect(config.train.steps).toBeLessThan(planned.train.steps);
      expect(said.some(line => line.startsWith('slower than was measured'))).toBe(true);
      for (const stopAfter of [2, 6]) {
        expect((await trainFrom(`parts-${stopAfter}`, { from: source, ...slow, stopAfter })).finished).toBe(false);
        expect((await trainFrom(`parts-${stopAfter}`, slow)).finished).toBe(true);
        expect(results(`parts-${stopAfter}`)).toEqual(results('whole'));
      }
    });

    test('a decoder that has to be tuned takes its time from the model, stopped or not', async () => {
      const good = join(folder, 'good');
      await cp(source, good, { recursive: true });
      appendFileSync(join(good, 'metrics.jsonl'), `${JSON.stringify({ stage: 'patch', step: 20, val_psnr: 60 })}\n`);
      const fields = { plan: { minutes: 0.1 }, patchTrain: { lr: 0.01 }, train: { patience: 0 } };
      const request = { fields, keepData: data, step: 250 };
      const begun = { ...request, from: good, keep: 0.25 };
      const { said, planned, plan } = await trainFrom('tuned', begun);
      const config = await readRun(join(folder, 'tuned'), 'test');
      expect(plan?.stages.patch).toMatchObject({ ifNeeded: true });
      expect(await readDecision(runPaths(join(folder, 'tuned')))).toMatchObject({ settled: true });
      expect(config.train.steps).toBeLessThan(planned.train.steps);
      expect(said).toContainEqual(
        expect.stringMatching(/^the patch tokenizer had to be tuned: \d+ steps of the transformer instead of \d+$/),
      );
      for (const stopAfter of [3, config.patchTrain.steps + 2]) {
        expect((await trainFrom(`tuned-${stopAfter}`, { ...begun, stopAfter })).finished).toBe(false);
        expect((await trainFrom(`tuned-${stopAfter}`, request)).finished).toBe(true);
        expect(results(`tuned-${stopAfter}`)).toEqual(results('tuned'));
      }
      expect(readdirSync(runPaths(join(folder, 'tuned')).sampleHistory)).toContain('000000.png');
    });

    test('a GAN keeps its text encoder, and has minutes, too', async () => {
      const gan = join(folder, 'gan');
      const config = {
        family: 'dcgan',
        images: { imageSize: 32, crops: 1 },
        caption: { vocabSize: 300 },
        text: { length: 8, dim: 16, width: 16, layers: 1, heads: 2, imageWidth: 8 },
        textTrain: { steps: 2, batchSize: 4 },
        gan: { latent: 8, width: 8 },
        train: { steps: 2, batchSize: 4, checkSamples: 0 },
      } satisfies RunConfigInput;
      await train({ data, out: gan, config, ...engine });
      const { planned, plan, said } = await trainFrom('gan-from', {
        from: gan,
        fields: { plan: { minutes: 0.05 } },
      });
      expect(planned.train.steps).toBeLessThan(400);
      expect(plan?.stages.text).not.toHaveProperty('loopSeconds');
      expect(plan?.stages.model).toMatchObject({ steps: planned.train.steps, stepsAtMost: 400, fitted: true });
      expect(timeLine(said)).toMatch(/: \d+ of the 400 steps that are worth it \(more: --minutes N\)$/);
    });
  },
);
