/**
 * @file Explicit energies on the ring: noise-contrastive estimation, and JEM with the mode as the class. In two
 * dimensions a density can be tabulated, so that NCE's samples are exact draws from it on a fine grid. JEM's are its
 * chains, as in practice: they hardly ever cross from mode to mode, nothing weighs the modes against each other, and
 * exp(-E) as such has nearly all of its mass on one (tried). The chains' noise is that of temperature 1.
 */
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../../src/core/random.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { LaneAdam } from './adam.ts';
import { binarySearch, cumulative } from './categorical.ts';
import { jemEnergy, jemTerms, nceTerms, normalLogDensity, ReplayBuffer, sgld } from './energy.ts';
import type { Lanes } from './lanes.ts';
import type { Learner, LearnerOptions } from './learner.ts';
import { firstWeights, forward } from './mlp.ts';
import { MODES, ringPoints } from './ring.ts';

/** Contrastive noise has the data's own deviation. */
const NOISE_DEVIATION = Math.SQRT1_2;
const SGLD = { steps: 10, noise: 0.02 };
const BUFFER = { size: 2000, restart: 0.05, edge: 1.5 };

/** ln p is the network's output; its last bias is what learns the normalising constant. */
export function makeNce({ lanes, batch, width }: LearnerOptions): Learner {
  const start = firstWeights(lanes, { sizes: [2, width, width, 1], bend: 'silu', start: 'he' }, 'nce');
  const adam = new LaneAdam(lanes, start, { beta1: 0.9, beta2: 0.999 });
  const energy = (x: tf.Tensor) => tf.neg(tf.squeeze(forward(adam.weights, x, 'silu'), [2]));
  return {
    train: step => {
      const real = lanes.draw('real', step, [batch, 2], random => ringPoints(random, batch).points);
      const noise = lanes.draw('noise', step, [batch, 2], random => random.normals(2 * batch, NOISE_DEVIATION));
      const both = tf.tidy(() => tf.concat([real, noise], 1)); // [R, 2B, 2]
      const known = normalLogDensity(both, NOISE_DEVIATION);
      const { loss, gradients } = valueAndGradients(() => {
        const [u, un] = tf.split(tf.neg(tf.add(energy(both), known)), 2, 1);
        return { loss: tf.div(tf.sum(nceTerms(u, un)), batch) };
      }, adam.weights);
      adam.step(gradients);
      tf.dispose([real, noise, both, known, loss]);
    },
    sample: count => sampleTable(lanes, energy, count),
    dispose: () => adam.dispose(),
  };
}

export function makeJem({ lanes, batch, width }: LearnerOptions): Learner {
  const start = firstWeights(lanes, { sizes: [2, width, width, MODES], bend: 'silu', start: 'he' }, 'jem');
  const adam = new LaneAdam(lanes, start, { beta1: 0.9, beta2: 0.999 });
  const logits = (x: tf.Tensor) => forward(adam.weights, x, 'silu'); // [R, B, 8]
  const anywhere = (random: Random) => Float32Array.from([0, 0], () => BUFFER.edge * (2 * random.uniform() - 1));
  const buffers = lanes.all.map(
    ({ seed }) => new ReplayBuffer(BUFFER.size, 2, new Random(seed).fork('buffer'), anywhere),
  );

  /** Chains of every lane, moved on by the energy as it is. */
  async function sampled(step: number): Promise<tf.Tensor> {
    const taken = buffers.map((buffer, r) =>
      buffer.take(batch, BUFFER.restart, new Random(lanes.all[r].seed).fork('chains', step)),
    );
    const rows = new Float32Array(lanes.count * batch * 2);
    taken.forEach((each, r) => {
      rows.set(each.rows, r * batch * 2);
    });
    const from = tf.tensor(rows, [lanes.count, batch, 2]);
    const to = sgld(x => jemEnergy(logits(x)), from, {
      steps: SGLD.steps,
      step: SGLD.noise ** 2 / 2,
      noise: SGLD.noise,
      normals: i => lanes.normals('langevin', step * SGLD.steps + i, [batch, 2]),
    });
    const values = (await to.data()) as Float32Array;
    taken.forEach(({ places }, r) => {
      buffers[r].put(values.subarray(r * batch * 2, (r + 1) * batch * 2), places);
    });
    from.dispose();
    return to;
  }

  async function train(step: number): Promise<void> {
    const model = await sampled(step);
    const real = lanes.draw('real', step, [batch, 2], random => ringPoints(random, batch).points);
    const classes = lanes.draw('real', step, [batch, MODES], random => {
      const rows = new Float32Array(batch * MODES);
      ringPoints(random, batch).modes.forEach((mode, i) => {
        rows[i * MODES + mode] = 1;
      });
      return rows;
    });
    const { loss, gradients } = valueAndGradients(() => {
      const [data, chains] = tf.split(logits(tf.concat([real, model], 1)), 2, 1);
      return { loss: tf.div(tf.sum(jemTerms(data, classes, chains)), batch) };
    }, adam.weights);
    adam.step(gradients);
    tf.dispose([model, real, classes, loss]);
  }

  return {
    train,
    sample: count => sampleTable(lanes, x => jemEnergy(logits(x)), count),
    dispose: () => adam.dispose(),
  };
}

/** The table covers [-EDGE, EDGE]^2 with CELLS^2 cells of one deviation of the ring's modes. */
const EDGE = 2;
const CELLS = 200;
const CELLS_AT_ONCE = 2000;

/** Exact draws from exp(-E), tabulated at the middles of cells. @returns [R, count, 2] */
async function sampleTable(lanes: Lanes, energy: (x: tf.Tensor) => tf.Tensor, count: number): Promise<tf.Tensor> {
  const middle = (cell: number) => -EDGE + ((cell + 0.5) / CELLS) * 2 * EDGE;
  const table = lanes.all.map(() => new Float64Array(CELLS * CELLS));
  for (let from = 0; from < CELLS * CELLS; from += CELLS_AT_ONCE) {
    const cells = Float32Array.from({ length: 2 * CELLS_AT_ONCE }, (_, i) => {
      const cell = from + Math.floor(i / 2);
      return middle(i % 2 === 0 ? cell % CELLS : Math.floor(cell / CELLS));
    });
    const energies = tf.tidy(() => energy(lanes.draw('table', 0, [CELLS_AT_ONCE, 2], () => cells))); // [R, cells]
    const values = (await energies.data()) as Float32Array;
    energies.dispose();
    table.forEach((row, r) => {
      row.set(values.subarray(r * CELLS_AT_ONCE, (r + 1) * CELLS_AT_ONCE), from);
    });
  }
  const points = new Float32Array(lanes.count * count * 2);
  table.forEach((row, r) => {
    const random = new Random(lanes.all[r].seed).fork('sample', count);
    const least = row.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
    const sums = cumulative(row.map(value => Math.exp(least - value)));
    for (let i = 0; i < count; i++) {
      const cell = binarySearch(sums, random.uniform());
      const within = (at: number) => middle(at) + ((random.uniform() - 0.5) / CELLS) * 2 * EDGE;
      points[2 * (r * count + i)] = within(cell % CELLS);
      points[2 * (r * count + i) + 1] = within(Math.floor(cell / CELLS));
    }
  });
  return tf.tensor(points, [lanes.count, count, 2]);
}
