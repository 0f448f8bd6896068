/** @file A family from outside is planned by what it says of itself, and one that says nothing by its pixels. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../data/open.ts';
import type { RunConfig } from '../../src/config/run.ts';
import { flattenConfig } from '../../src/config/schema.ts';
import { familyOf } from '../../src/families/families.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { defineFamily, removeFamily } from '../../src/index.ts';
import { startBackend } from '../../src/kernels/start.ts';
import { choose } from '../../src/runs/plan/choose.ts';
import { predictCosts } from '../../src/runs/plan/costs.ts';
import { describePlan } from '../../src/runs/plan/describe.ts';
import { planTraining } from '../../src/runs/plan/plan.ts';
import { PLANNED_FROM, plannedFields } from '../../src/runs/plan/planned-fields.ts';
import { temporaryFolder, writeDrawings } from '../cli/program.ts';
import '../families/toy-family.ts';
import { drawings, machines, planFor } from './plan-machines.ts';

beforeAll(() => {
  const { planning: _, name: __, ...others } = familyOf('tiles');
  defineFamily({ ...others, name: 'silent' });
});
afterAll(() => {
  for (const name of ['tiles', 'silent']) removeFamily(name);
});

const fields = { images: { validation: 0.25 }, train: { batchSize: 8, checkSamples: 16 } };
const slow = { ...machines['2 cores'], flopsPerSecond: 1e6 };
const plan = (minutes: number, family = 'tiles') => planFor(drawings(400), slow, { family, fields, minutes });
const shape = ({ images, tiles }: RunConfig) => [images.imageSize, tiles.side, tiles.buckets];

describe('a family that says what it costs', () => {
  test('stands on its own ladder, whose rungs are taken when they get their steps', () => {
    // 16 x 9 ids are 144 buckets; a step of 8 images with 16 x 16 tiles takes 8 x 3 x 2 x 144 x 256 x 3 of 1e6 operations a
    // second, 5.3 s. Of 300 pictures 1,565 steps are useful, and 60% of them take 83 minutes.
    expect(shape(plan(60).config)).toEqual([32, 4, 144]);
    expect(shape(plan(150).config)).toEqual([64, 16, 144]);
    expect(plan(60).why).toMatch(/^64 x 64 pixels with side 16 would get \d+ of the 1,565 steps that it needs$/);
  });

  test('has the costs of its operations and passes', () => {
    const { config } = plan(60);
    const costs = predictCosts(config, slow, { survey: drawings(400), sides: { training: 300, heldOut: 100 } });
    const pass = (2 * 144 * 16 * 3) / 1e6;
    expect(costs.loops.model?.step).toBeCloseTo(8 * 3 * pass, 9);
    expect(costs.loops.model?.sheet).toBeCloseTo(24 * 5 * pass + 0.2, 9);
    expect(costs.loops.model?.evaluation).toBeCloseTo((40 + 16 * 2) * pass, 9);
    expect(Object.keys(costs.loops)).toEqual(['model']);
  });

  test('keeps few pictures from being learnt by heart as it says', () => {
    const grain = (pictures: number) =>
      choose(drawings(pictures), slow, { family: 'tiles', fields: {} }).config.tiles.grain;
    expect([50, 99, 100].map(grain)).toEqual([0.1, 0.1, 0.02]);
  });

  test('changes the fields that help calls planned, and none besides', () => {
    const before = flattenConfig(resolveConfig({ preset: PLANNED_FROM, fields: { family: 'tiles' } }));
    const changed = [9, 120, 300_000].flatMap(pictures =>
      [slow, machines['16 cores']].flatMap(machine => {
        const kind = pictures === 120 ? 'photographs' : 'drawings';
        const now = flattenConfig(planFor(drawings(pictures, { kind }), machine, { family: 'tiles' }).config);
        return Object.keys(now).filter(field => JSON.stringify(now[field]) !== JSON.stringify(before[field]));
      }),
    );
    const planned = plannedFields('tiles');
    expect([...new Set(changed)].filter(field => !planned.includes(field))).toEqual([]);
    expect(planned).toEqual(expect.arrayContaining(['tiles.side', 'tiles.buckets', 'tiles.grain', 'train.steps']));
    for (const others of ['text.length', 'patch.grid', 'model.width', 'caption.vocabSize']) {
      expect(planned).not.toContain(others);
    }
  });

  test('is measured and planned on real data, and told in its words', async () => {
    await startBackend('native', { threads: 1 });
    const data = join(temporaryFolder(), 'data');
    await writeDrawings(data);
    let time = 0;
    const now = () => {
      time += 5;
      return time;
    };
    const dataset = await openDataset(data);
    const made = await planTraining({ dataset, fields: { family: 'tiles', plan: { minutes: 1 } }, now });
    expect(made.config).toMatchObject({ family: 'tiles', images: { imageSize: 32 }, train: { lr: 0.1 } });
    expect(made.kept.stages).toEqual({ model: expect.objectContaining({ fitted: true }) });
    expect(made.minutes).toBeGreaterThan(0.8);
    expect(made.minutes).toBeLessThan(1.05);
    const lines = describePlan(made).join('\n');
    expect(lines).toMatch(/^pictures +32 x 32 pixels with side (4|16); larger: /m);
    expect(lines).toMatch(/^model +tiles, 0\.\d million parameters \(\d+ buckets, batches of \d+\)$/m);
  });
});

test('a family that says nothing is planned by its pixels, and what it has in the config stands', () => {
  const { config } = plan(1e7, 'silent');
  expect(shape(config)).toEqual([128, 4, 64]);
  expect(shape(plan(60, 'silent').config)).toEqual([64, 4, 64]);
  const sides = { training: 300, heldOut: 100 };
  const { model } = predictCosts(config, slow, { survey: drawings(400), sides }).loops;
  const pass = (1e5 * 128 ** 2) / 1e6;
  expect(model?.step).toBeCloseTo(8 * 3 * pass, 6);
  expect(model?.sheet).toBeCloseTo(24 * pass + 0.2, 6);
  expect(model?.evaluation).toBeCloseTo((100 + 16) * pass, 6);
});
