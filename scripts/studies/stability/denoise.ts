/**
 * @file Diffusion on the ring: EDM's denoiser with Heun's method, and rectified flow. Both are least squares with a
 * target that does not move: a network sees noised data and the level of noise, and answers what was mixed in.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../../../src/core/random.ts';
import {
  edmRegression,
  heun,
  karrasSigmas,
  precondition,
  type Regression,
} from '../../../src/families/diffusion/edm.ts';
import { flowRegression, flowTimes, followFlow, logitNormal } from '../../../src/families/diffusion/flow.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { LaneAdam } from './adam.ts';
import type { Learner, LearnerOptions } from './learner.ts';
import { firstWeights, forward } from './mlp.ts';
import { ringPoints } from './ring.ts';

/** The deviation of a coordinate of the ring, whose radius is 1. */
const SIGMA_DATA = Math.SQRT1_2;
/** ln sigma is normal with these (Karras et al. 2022, table 1). */
const LOG_SIGMA = { mean: -1.2, deviation: 1.2 };
const HEUN_STEPS = 18;
const FLOW_STEPS = 50;

export function makeDiffusion(options: LearnerOptions): Learner {
  return makeDenoiser(options, {
    at: random => edmRegression(Math.exp(LOG_SIGMA.mean + LOG_SIGMA.deviation * random.normal()), SIGMA_DATA),
    follow: (F, noise) =>
      heun(
        (x, sigma) =>
          tf.tidy(() => {
            const { skip, out, input, noise: level } = precondition(sigma, SIGMA_DATA);
            return tf.add(tf.mul(x, skip), tf.mul(F(tf.mul(x, input), level), out));
          }),
        noise,
        karrasSigmas(HEUN_STEPS),
      ),
  });
}

export function makeFlow(options: LearnerOptions): Learner {
  return makeDenoiser(options, {
    at: random => flowRegression(logitNormal(random.normal())),
    follow: (F, noise) =>
      followFlow((z, t) => tf.tidy(() => F(z, t)), noise, flowTimes(FLOW_STEPS), { method: 'euler' }),
  });
}

interface Path {
  /** A regression at a level of noise drawn at random. */
  readonly at: (random: Random) => Regression;
  /** From noise to data by the network F(x, level). */
  readonly follow: (F: (x: tf.Tensor, level: number) => tf.Tensor, noise: tf.Tensor) => Promise<tf.Tensor>;
}

function makeDenoiser({ lanes, batch, width }: LearnerOptions, { at, follow }: Path): Learner {
  const sizes = [3, width, width, width, 2];
  const start = firstWeights(lanes, { sizes, bend: 'silu', start: 'he' }, 'denoiser');
  const adam = new LaneAdam(lanes, start, { beta1: 0.9, beta2: 0.999 });

  function train(step: number): void {
    const rows = lanes.draw('real', step, [batch, 5], random => regressionRows(random, batch, at));
    const [inputs, targets] = tf.tidy(() => tf.split(rows, [3, 2], 2));
    const { loss, gradients } = valueAndGradients(() => {
      const error = tf.squaredDifference(forward(adam.weights, inputs, 'silu'), targets);
      return { loss: tf.div(tf.sum(error), batch) };
    }, adam.weights);
    adam.step(gradients);
    tf.dispose([rows, inputs, targets, loss]);
  }

  async function sample(count: number): Promise<tf.Tensor> {
    const noise = lanes.normals('sample', count, [count, 2]);
    const F = (x: tf.Tensor, level: number) =>
      forward(adam.weights, tf.concat([x, tf.fill([lanes.count, count, 1], level)], 2), 'silu');
    const points = await follow(F, noise);
    noise.dispose();
    return points;
  }

  return { train, sample, dispose: () => adam.dispose() };
}

/** [batch, 5] row-major: what F sees (a noised point and the level), and what it should answer. */
function regressionRows(random: Random, batch: number, at: Path['at']): Float32Array {
  const { points } = ringPoints(random, batch);
  const rows = new Float32Array(batch * 5);
  for (let i = 0; i < batch; i++) {
    const { input, target, noise } = at(random);
    for (const axis of [0, 1]) {
      const [y, n] = [points[2 * i + axis], random.normal()];
      rows[5 * i + axis] = input.y * y + input.n * n;
      rows[5 * i + 3 + axis] = target.y * y + target.n * n;
    }
    rows[5 * i + 2] = noise;
  }
  return rows;
}
