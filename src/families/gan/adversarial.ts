/**
 * @file The losses of adversarial games, term by term: minimax and non-saturating (Goodfellow et al. 2014,
 * arXiv:1406.2661), hinge (Lim and Ye 2017, arXiv:1705.02894), and relativistic pairing (Jolicoeur-Martineau 2018,
 * arXiv:1807.00734; Huang et al. 2024, arXiv:2501.05441). Works on logits of any shape and knows no network.
 *
 * At equal logits of 0 a discriminator's loss is 2 ln 2 (minimax, non-saturating), 2 (hinge) or ln 2 (relativistic): at
 * the start and at a perfect equilibrium alike, so that none of them is a curve of progress.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import '../../kernels/registry.ts'; // tfjs's gradients
import { expectShape } from '../../core/errors.ts';

export type GanLoss = 'minimax' | 'nonsaturating' | 'hinge' | 'relativistic';

/**
 * What the discriminator minimises the mean of, with a = D(real) and b = D(fake):
 * minimax and non-saturating softplus(-a) + softplus(b), hinge relu(1 - a) + relu(1 + b), relativistic softplus(b - a).
 * @param real logits of any shape
 * @param fake logits of the same shape; the relativistic loss pairs them by position
 * @returns one term a pair, of their shape, owned by the caller
 * @throws ShapeError if the shapes differ
 */
export function discriminatorTerms(kind: GanLoss, real: Tensor, fake: Tensor): Tensor {
  expectShape('discriminatorTerms: fake', fake.shape, real.shape);
  return tf.tidy(() => {
    switch (kind) {
      case 'minimax':
      case 'nonsaturating':
        return tf.add(tf.softplus(tf.neg(real)), tf.softplus(fake));
      case 'hinge':
        return tf.add(tf.relu(tf.sub(1, real)), tf.relu(tf.add(1, fake)));
      case 'relativistic':
        return tf.softplus(tf.sub(fake, real));
      default:
        kind satisfies never;
        throw new Error(`no such loss: ${kind}`);
    }
  });
}

/**
 * What the generator minimises the mean of: minimax -softplus(b), non-saturating softplus(-b), hinge -b, relativistic
 * softplus(a - b).
 * @param fake logits of any shape
 * @param real logits of the same shape; the relativistic loss alone reads them
 * @returns one term a pair, of their shape, owned by the caller
 * @throws ShapeError if the shapes differ
 */
export function generatorTerms(kind: GanLoss, fake: Tensor, real: Tensor): Tensor {
  expectShape('generatorTerms: fake', fake.shape, real.shape);
  return tf.tidy(() => {
    switch (kind) {
      case 'minimax':
        return tf.neg(tf.softplus(fake));
      case 'nonsaturating':
        return tf.softplus(tf.neg(fake));
      case 'hinge':
        return tf.neg(fake);
      case 'relativistic':
        return tf.softplus(tf.sub(real, fake));
      default:
        kind satisfies never;
        throw new Error(`no such loss: ${kind}`);
    }
  });
}

/**
 * What a discriminator of captioned images minimises the mean of beside `discriminatorTerms`, so that a good image with
 * another image's caption counts as fake (matching-aware, Reed et al. 2016, arXiv:1605.05396): with m = D(real, another
 * caption), softplus(m), relu(1 + m) or softplus(m - a), as the loss treats a fake.
 * @param matched D(real, its caption), any shape; the relativistic loss alone reads it
 * @param mismatched logits of the same shape
 * @returns one term an image, of their shape, owned by the caller
 * @throws ShapeError if the shapes differ
 */
export function mismatchTerms(kind: GanLoss, matched: Tensor, mismatched: Tensor): Tensor {
  expectShape('mismatchTerms: mismatched', mismatched.shape, matched.shape);
  return tf.tidy(() => {
    switch (kind) {
      case 'minimax':
      case 'nonsaturating':
        return tf.softplus(mismatched);
      case 'hinge':
        return tf.relu(tf.add(1, mismatched));
      case 'relativistic':
        return tf.softplus(tf.sub(mismatched, matched));
      default:
        kind satisfies never;
        throw new Error(`no such loss: ${kind}`);
    }
  });
}
