/**
 * @file GANs on the ring. A step is one update of D, against the look-ahead of G where that is asked for, and one of G
 * against the D so updated, on the same noise (Yadav et al. 2018). Penalties are on D's gradient at real points (R1,
 * Mescheder et al. 2018) and at fake ones (R2), every step.
 */
import * as tf from '@tensorflow/tfjs-core';
import { discriminatorTerms, type GanLoss, generatorTerms } from '../../../src/families/gan/adversarial.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { detached } from '../../../src/kernels/detached.ts';
import { LaneAdam } from './adam.ts';
import type { Lanes } from './lanes.ts';
import type { Learner, LearnerOptions } from './learner.ts';
import { type Bend, firstWeights, forward, forwardWithSlopes, inputGradient, type MlpSpec } from './mlp.ts';
import { ringPoints } from './ring.ts';

export interface GanSpec {
  readonly loss: GanLoss;
  readonly bend: Exclude<Bend, 'silu'>;
  readonly beta1: number;
  readonly beta2: number;
  /** Decay of G's moving average, from which samples are drawn; 0 for none. */
  readonly ema: number;
  /** gamma of the penalties gamma/2 E||dD/dx||^2; 0 for none. Leaky networks only. */
  readonly r1: number;
  readonly r2: number;
  /** Whether D is updated against G's look-ahead. */
  readonly predict: boolean;
  /** Units of the hidden layers, where not the study's. */
  readonly width?: number;
}

const LATENT = 2;

/** The real points of a step, [R, batch, 2]. */
function realPoints(lanes: Lanes, step: number, batch: number): tf.Tensor {
  return lanes.draw('real', step, [batch, 2], random => ringPoints(random, batch).points);
}

export function makeGan(spec: GanSpec, { lanes, batch, width: usual }: LearnerOptions): Learner {
  const { loss, bend, beta1, beta2, ema, predict, width = usual } = spec;
  const shape = { bend, start: bend === 'tanh' ? 'orthogonal' : 'he' } as const satisfies Partial<MlpSpec>;
  const start = (name: string, outputs: number) =>
    firstWeights(lanes, { sizes: [LATENT, width, width, outputs], ...shape }, name);
  const G = new LaneAdam(lanes, start('G', 2), { beta1, beta2, ema, predict });
  const D = new LaneAdam(lanes, start('D', 1), { beta1, beta2 });

  function train(step: number): void {
    const real = realPoints(lanes, step, batch);
    const z = lanes.normals('z', step, [batch, LATENT]);
    const fake = tf.tidy(() => forward(predict ? G.ahead : G.weights, z, bend));
    const ofD = valueAndGradients(() => ({ loss: discriminatorLoss(spec, D.weights, real, fake) }), D.weights);
    D.step(ofD.gradients);
    const ofG = valueAndGradients(() => {
      const made = forward(D.weights, forward(G.weights, z, bend), bend);
      const against = loss === 'relativistic' ? forward(D.weights, real, bend) : made;
      return { loss: tf.div(tf.sum(generatorTerms(loss, made, against)), batch) };
    }, G.weights);
    G.step(ofG.gradients);
    tf.dispose([real, z, fake, ofD.loss, ofG.loss]);
  }

  return {
    train,
    sample: count => tf.tidy(() => forward(G.average(), lanes.normals('sample', count, [count, LATENT]), bend)),
    dispose: () => {
      G.dispose();
      D.dispose();
    },
  };
}

/** Sum over the lanes of each one's mean loss with its penalties. @param real and @param fake [R, B, 2] */
export function discriminatorLoss(
  { loss, bend, r1, r2 }: Pick<GanSpec, 'loss' | 'bend' | 'r1' | 'r2'>,
  weights: readonly tf.Tensor[],
  real: tf.Tensor,
  fake: tf.Tensor,
): tf.Tensor {
  const batch = real.shape[1] as number;
  const both = tf.concat([real, fake], 1); // [R, 2B, 2]
  if (r1 === 0 && r2 === 0) {
    const [a, b] = tf.split(forward(weights, both, bend), 2, 1);
    return tf.div(tf.sum(discriminatorTerms(loss, a, b)), batch);
  }
  if (bend !== 'lrelu') throw new Error(`discriminatorLoss: penalties are for lrelu networks, this one is ${bend}`);
  const { y, slopes } = forwardWithSlopes(weights, both);
  const [a, b] = tf.split(y, 2, 1);
  const terms = tf.sum(discriminatorTerms(loss, a, b));
  const penalty = (at: readonly tf.Tensor[], gamma: number) =>
    tf.mul(tf.sum(tf.square(inputGradient(weights, at))), gamma / 2);
  if (r1 === r2) return tf.div(tf.add(terms, penalty(slopes, r1)), batch);
  const [atReal, atFake] = [0, 1].map(side => slopes.map(slope => detached(() => tf.split(slope, 2, 1)[side])));
  const penalties = [...(r1 > 0 ? [penalty(atReal, r1)] : []), ...(r2 > 0 ? [penalty(atFake, r2)] : [])];
  return tf.div(tf.addN([terms, ...penalties]), batch);
}
