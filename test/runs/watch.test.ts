/** @file The watch over a training's samples: what it wraps, how it paints, and what it asks of a config. */
import { expect, test } from 'vitest';
import { resolveConfig } from '../../src/families/resolve.ts';
import { Parameters } from '../../src/nn/module.ts';
import { watchSettings, withChecks } from '../../src/runs/training/watch.ts';
import type { BatchOf } from '../../src/training/moves.ts';
import type { Task, TaskState } from '../../src/training/task.ts';

/** A task with fields that only its own methods may touch. */
class Private implements Task {
  readonly parameters = new Parameters(null);
  readonly unit = 'images';
  readonly unitsPerStep = 3;
  #steps = 0;

  readonly batch: BatchOf = () => {
    throw new Error('is not trained here');
  };

  async afterStep(): Promise<void> {
    this.#steps++;
  }

  async evaluate(): Promise<{ readonly loss: number }> {
    return { loss: this.#steps === 0 ? Number.NaN : this.#steps };
  }

  save(): TaskState {
    return { arrays: new Map(), values: this.#steps };
  }

  restore(_: unknown, values: unknown): void {
    this.#steps = values as number;
  }
}

const checked = { check_kid: 0.5, check_coverage: 1, check_spread: 1 };

test('a task with private fields works under the watch', async () => {
  const task = new Private();
  const watched = withChecks(task, async () => checked);
  expect(watched.parameters).toBe(task.parameters);
  expect(watched.unitsPerStep).toBe(3);
  expect(watched.players).toBeUndefined();
  expect(await watched.evaluate()).toEqual({ loss: 0.5, ...checked }); // no loss of its own: the best is by KID
  await watched.afterStep?.(1, undefined as never);
  expect(await watched.evaluate()).toEqual({ loss: 1, ...checked });
  expect((await watched.save?.())?.values).toBe(1);
  watched.restore?.(new Map(), 7, 'task.safetensors');
  expect((await task.evaluate()).loss).toBe(7);
});

test('paints by the settings that the family has', () => {
  expect(watchSettings(resolveConfig({ fields: { family: 'diffusion' } }))).toEqual({ cfgScale: 1, steps: 9 });
  expect(watchSettings(resolveConfig({ fields: { family: 'diffusion', diffusion: { sampleSteps: 5 } } }))).toEqual({
    cfgScale: 1,
    steps: 3,
  });
  expect(watchSettings(resolveConfig({ fields: { family: 'transformer' } }))).toEqual({ cfgScale: 1 });
  expect(watchSettings(resolveConfig({ fields: { family: 'dcgan' } }))).toEqual({});
});

test.each([1, 7])('a watch of %i pictures is refused', checkSamples => {
  expect(() => resolveConfig({ fields: { train: { checkSamples } } })).toThrow(
    `config: train.checkSamples: expected 0, or at least 8, got ${checkSamples}`,
  );
});

test.each([0, 8])('a watch of %i pictures is not', checkSamples => {
  expect(resolveConfig({ fields: { train: { checkSamples } } }).train.checkSamples).toBe(checkSamples);
});
