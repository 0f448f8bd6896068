/** @file The prediction method on the bilinear game L = u v, whose trajectories are known exactly. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { Parameters } from '../../../src/nn/module.ts';
import { Lookahead } from '../../../src/training/optimizer.ts';
import { expectAllclose, onEveryBackend } from '../../support.ts';

type Scheme = 'none' | 'u' | 'both';

function assign(variable: tf.Variable, value: tf.Tensor): void {
  variable.assign(value);
  value.dispose();
}

/** u descends and then v ascends by plain gradient steps, each seeing the other as it is or ahead; from (1, 1). */
async function play(scheme: Scheme, step: number, steps: number): Promise<number[]> {
  const parameters = new Parameters(new Random(1));
  const [u, v] = [parameters.ones('u', [1]), parameters.ones('v', [1])];
  const [first, second] = parameters.list();
  const ahead = {
    u: scheme === 'none' ? undefined : new Lookahead([first]),
    v: scheme === 'both' ? new Lookahead([second]) : undefined,
  };
  for (let k = 0; k < steps; k++) {
    ahead.v?.apply();
    const seen = tf.tidy(() => tf.mul(v, step));
    ahead.v?.restore();
    assign(u, tf.sub(u, seen));
    ahead.u?.moved();
    ahead.u?.apply();
    const opposite = tf.tidy(() => tf.mul(u, step));
    ahead.u?.restore();
    assign(v, tf.add(v, opposite));
    ahead.v?.moved();
    tf.dispose([seen, opposite]);
  }
  const end = [(await u.data())[0], (await v.data())[0]];
  ahead.u?.dispose();
  ahead.v?.dispose();
  parameters.dispose();
  return end;
}

onEveryBackend('alternating steps orbit, prediction spirals in', async () => {
  const orbit = await play('none', 0.1, 100);
  expectAllclose(orbit, [-0.3160029136, -1.3575869407], { absolute: 1e-5 });
  const predicted = await play('u', 0.1, 100);
  expectAllclose(predicted, [-0.1967016912, -0.8074223983], { absolute: 1e-5 });
});

onEveryBackend(
  'prediction shrinks by the spectral radius of its iteration: sqrt(1 - p) with p the product of the steps',
  async () => {
    // p = 1 is dead-beat: one round kills v's part, the next all of it.
    expectAllclose(await play('u', 1, 3), [0, 0], { absolute: 1e-6 });
    // Ends of [[1, -a], [a, 1 - 2 a^2]]^n applied to (1, 1).
    for (const step of [0.3, 0.9, 1.2]) {
      let [u, v] = [1, 1];
      for (let k = 0; k < 20; k++) [u, v] = [u - step * v, step * u + (1 - 2 * step * step) * v];
      const end = await play('u', step, 20);
      expectAllclose(end, [u, v], { relative: 1e-4, absolute: 1e-6 });
      expect(Math.hypot(...end) < 1).toBe(step * step < 4 / 3);
    }
  },
);

onEveryBackend('prediction of both sides follows its three-term recurrence', async () => {
  for (const step of [0.1, 0.3]) {
    let [u, v, last] = [1, 1, 1];
    for (let k = 0; k < 40; k++) {
      const next = u - step * (2 * v - last);
      [u, last, v] = [next, v, v + step * (2 * next - u)];
    }
    expectAllclose(await play('both', step, 40), [u, v], { relative: 1e-4, absolute: 1e-5 });
  }
});
