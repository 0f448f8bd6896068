/**
 * @file The token model on the ring: a point is two tokens, the bins of its coordinates, and a network predicts the
 * first from nothing and the second from the first. Its loss is the cross-entropy of both, in nats.
 */
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../../src/core/random.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { LaneAdam } from './adam.ts';
import { binarySearch, cumulative } from './categorical.ts';
import { jemEnergy } from './energy.ts';
import type { Learner, LearnerOptions } from './learner.ts';
import { firstWeights, forward } from './mlp.ts';
import { ringPoints } from './ring.ts';

const BINS = 64;
/** Bins cover [-EDGE, EDGE]; the ring ends twelve deviations before that. */
const EDGE = 1.25;
/** Symbol of the input where nothing is known yet. */
const START = BINS;

export function makeTokens({ lanes, batch, width }: LearnerOptions): Learner {
  const start = firstWeights(lanes, { sizes: [BINS + 1, width, width, BINS], bend: 'silu', start: 'he' }, 'tokens');
  const adam = new LaneAdam(lanes, start, { beta1: 0.9, beta2: 0.999 });

  function train(step: number): void {
    const side = (rows: (bins: Uint8Array) => Float32Array, columns: number) =>
      lanes.draw('real', step, [batch + 1, columns], random => rows(binsOf(ringPoints(random, batch).points)));
    const [inputs, targets] = [side(inputRows, BINS + 1), side(targetRows, BINS)];
    const { loss, gradients } = valueAndGradients(() => {
      const logits = forward(adam.weights, inputs, 'silu'); // [R, batch + 1, BINS]
      // Cross-entropy with targets of any total: their total times the logsumexp, less what they give to each logit.
      const spread = tf.mul(jemEnergy(logits), tf.sum(targets, 2));
      return { loss: tf.div(tf.neg(tf.add(tf.sum(spread), tf.sum(tf.mul(targets, logits)))), batch) };
    }, adam.weights);
    adam.step(gradients);
    tf.dispose([inputs, targets, loss]);
  }

  async function sample(count: number): Promise<tf.Tensor> {
    const shares = tf.tidy(() => {
      const all = lanes.draw('contexts', 0, [BINS + 1, BINS + 1], () =>
        Float32Array.from({ length: (BINS + 1) ** 2 }, (_, at) => (at % (BINS + 2) === 0 ? 1 : 0)),
      );
      return tf.softmax(forward(adam.weights, all, 'silu')); // [R, BINS + 1, BINS]
    });
    const values = await shares.data();
    shares.dispose();
    const points = new Float32Array(lanes.count * count * 2);
    lanes.all.forEach(({ seed }, r) => {
      const random = new Random(seed).fork('sample', count);
      const rows = Array.from({ length: BINS + 1 }, (_, row) => {
        const from = (r * (BINS + 1) + row) * BINS;
        return cumulative(values.subarray(from, from + BINS) as Float32Array);
      });
      for (let i = 0; i < count; i++) {
        const x = binarySearch(rows[START], random.uniform());
        const y = binarySearch(rows[x], random.uniform());
        // Anywhere in the bin: its middle would be nearer to the mode than the model knows.
        points[2 * (r * count + i)] = coordinate(x, random.uniform());
        points[2 * (r * count + i) + 1] = coordinate(y, random.uniform());
      }
    });
    return tf.tensor(points, [lanes.count, count, 2]);
  }

  return { train, sample, dispose: () => adam.dispose() };
}

/** Bins of coordinates. */
function binsOf(coordinates: Float32Array): Uint8Array {
  return Uint8Array.from(coordinates, value => {
    const bin = Math.floor(((value + EDGE) / (2 * EDGE)) * BINS);
    return Math.min(BINS - 1, Math.max(0, bin));
  });
}

function coordinate(bin: number, within: number): number {
  return -EDGE + ((bin + within) / BINS) * 2 * EDGE;
}

/** One row for the start, which is the same for all points, and one for each point's first token. One-hot. */
function inputRows(bins: Uint8Array): Float32Array {
  const rows = new Float32Array((bins.length / 2 + 1) * (BINS + 1));
  rows[START] = 1;
  for (let i = 0; i < bins.length / 2; i++) rows[(i + 1) * (BINS + 1) + bins[2 * i]] = 1;
  return rows;
}

/** How often each token follows: all first tokens after the start, and each point's second one. */
function targetRows(bins: Uint8Array): Float32Array {
  const rows = new Float32Array((bins.length / 2 + 1) * BINS);
  for (let i = 0; i < bins.length / 2; i++) {
    rows[bins[2 * i]] += 1;
    rows[(i + 1) * BINS + bins[2 * i + 1]] = 1;
  }
  return rows;
}
