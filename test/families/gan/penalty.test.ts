/** @file R1 and R2 by tangents against tfjs's exact double backward pass, and against differences of the penalty. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { type AugmentDraws, augment, drawAugmentation } from '../../../src/families/gan/augment.ts';
import type { Gan } from '../../../src/families/gan/gan.ts';
import { dual, gradientPenalty, inputGradient } from '../../../src/families/gan/penalty.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { expectAllclose, normal, onEveryBackend } from '../../support.ts';
import { kinds, textDim, tinyGan } from './tiny-gan.ts';

const B = 3;

function judged(gan: Gan, x: tf.Tensor, text: tf.Tensor, draws: AugmentDraws, tangent?: tf.Tensor) {
  return gan.logitsOf(gan.features(augment(dual(x, tangent), draws)), text);
}

/** 1/2 mean ||dD/dx||^2 and its gradients by every weight of D, as src/families/gan/task.ts computes them. */
function byTangent(gan: Gan, x: tf.Tensor, text: tf.Tensor, draws: AugmentDraws) {
  const variables = gan.parametersOf('discriminator').map(({ variable }) => variable as tf.Tensor);
  const v = inputGradient(images => judged(gan, images, text, draws).value, x);
  const result = valueAndGradients(() => {
    return { loss: gradientPenalty(judged(gan, x, text, draws, v).tangent as tf.Tensor, v) };
  }, variables);
  v.dispose();
  return result;
}

/** The same, differentiating the gradient; fused operations are their references there. */
function byDoubleBackward(gan: Gan, x: tf.Tensor, text: tf.Tensor, draws: AugmentDraws) {
  const variables = gan.parametersOf('discriminator').map(({ variable }) => variable);
  return tf.variableGrads(() => {
    const g = tf.grad(images => tf.sum(judged(gan, images, text, draws).value))(x);
    return tf.div(tf.sum(tf.square(g)), 2 * B) as tf.Scalar;
  }, variables);
}

onEveryBackend('penalties by tangents are those of the exact double backward pass, on every weight', async () => {
  for (const kind of kinds) {
    for (const draws of [{}, drawAugmentation(['colour', 'translation', 'cutout'], B, 8, new Random(3))]) {
      const gan = tinyGan(kind, { blocks: 2 });
      const [x, text] = [normal([B, 8, 8, 3], 4, 0.5), normal([B, textDim], 5)];
      const ours = byTangent(gan, x, text, draws);
      const theirs = byDoubleBackward(gan, x, text, draws);
      const [value] = await theirs.value.data();
      expect(value).toBeGreaterThan(1e-3);
      expectAllclose(await ours.loss.data(), [value], { relative: 1e-5 });
      let reached = 0;
      const parameters = gan.parametersOf('discriminator');
      for (let i = 0; i < parameters.length; i++) {
        const exact = await theirs.grads[parameters[i].variable.name]?.data();
        const gradient = await ours.gradients[i]?.data();
        const largest = Math.max(...Array.from(exact ?? [0], Math.abs));
        if (largest > 0) reached++;
        // Biases move no slope: a gradient of zeros and none are the same.
        const zeros = new Float32Array(parameters[i].variable.size);
        expectAllclose(gradient ?? zeros, exact ?? zeros, { relative: 1e-5, absolute: 1e-5 * largest });
      }
      expect(reached).toBeGreaterThanOrEqual(kind === 'dcgan' ? 4 : 10);
      tf.dispose([x, text, ours.loss, ...(ours.gradients.filter(g => g !== null) as tf.Tensor[])]);
      tf.dispose([theirs.value, theirs.grads]);
      gan.dispose();
    }
  }
});

test('gradients of penalties are the differences of penalties, away from kinks', async () => {
  await selectBackend('cpu');
  const STEP = 2e-4;
  for (const kind of kinds) {
    const gan = tinyGan(kind);
    const [x, text] = [normal([B, 8, 8, 3], 4, 0.5), normal([B, textDim], 5)];
    const ours = byTangent(gan, x, text, {});
    let compared = 0;
    for (const [i, { variable }] of gan.parametersOf('discriminator').entries()) {
      if (variable.rank < 2) continue;
      const gradient = Array.from((await ours.gradients[i]?.data()) ?? []);
      const kept = (await variable.data()).slice();
      const penaltyAt = async (at: number, step: number) => {
        variable.assign(
          tf.tensor(
            kept.map((w, j) => (j === at ? w + step : w)),
            variable.shape,
          ),
        );
        const v = inputGradient(images => judged(gan, images, text, {}).value, x);
        const value = Array.from(await v.data()).reduce((sum, g) => sum + g * g, 0) / (2 * B);
        v.dispose();
        return value;
      };
      const largest = gradient.map((_, j) => j).sort((a, b) => Math.abs(gradient[b]) - Math.abs(gradient[a]));
      for (const at of largest.slice(0, 3)) {
        const [before, here, after] = [await penaltyAt(at, -STEP), await penaltyAt(at, 0), await penaltyAt(at, STEP)];
        const sides = [(here - before) / STEP, (after - here) / STEP];
        // Where a unit turns over between the points, the penalty jumps and the two sides tell of different slopes.
        if (Math.abs(sides[0] - sides[1]) > 0.05 * Math.abs(gradient[at])) continue;
        compared++;
        expectAllclose([gradient[at]], [(sides[0] + sides[1]) / 2], { relative: 3e-2, absolute: 1e-3 });
      }
      await penaltyAt(0, 0);
    }
    expect(compared).toBeGreaterThanOrEqual(4);
    gan.dispose();
  }
});

onEveryBackend('a score that does not look at its image has no penalty', async () => {
  const x = normal([2, 3], 1);
  const v = inputGradient(() => tf.ones([2]), x);
  expectAllclose(await v.data(), new Float32Array(6));
  tf.dispose([x, v]);
});
