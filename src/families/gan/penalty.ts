/**
 * @file The zero-centred gradient penalties R1 and R2 (Mescheder et al. 2018, arXiv:1801.04406),
 * gamma/2 E ||dD/dx||^2 at real and at generated images, without differentiating twice.
 *
 * Let g = dD/dx at the weights theta, and v the same numbers taken as constant. Then the gradient by theta of
 * 1/2 ||g||^2 is that of <v, g(theta)>, which is the derivative of D along v: d/ds D(x + s v) at s = 0. It is computed
 * forward, by carrying a tangent through the network beside the values. What comes out depends on theta by products of
 * weights and by slopes of activations; those of leaky ReLU are constant but at kinks, so that an ordinary first gradient
 * of it is exact. A discriminator that can be penalised is therefore made of linear maps and leaky ReLU, and written once
 * for values alone and for values with tangents.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { leakySlope } from '../../kernels/activation/activation.ts';
import { valueAndGradients } from '../../kernels/autodiff.ts';
import { conv2d } from '../../kernels/conv/conv.ts';
import { linear } from '../../kernels/linear/linear.ts';
import type { Conv2d, Linear } from '../../nn/layers.ts';

/** A point of a network's computation, and how it moves along the direction asked for. */
export interface Dual {
  readonly value: Tensor;
  /** Of the value's shape; absent where no derivative is wanted. */
  readonly tangent?: Tensor;
}

/** Values that move as `tangent` does. */
export function dual(value: Tensor, tangent?: Tensor): Dual {
  return tangent === undefined ? { value } : { value, tangent };
}

/** A linear map of x, given as what it does to a tensor. */
export function linearMap(x: Dual, map: (x: Tensor) => Tensor): Dual {
  return dual(map(x.value), x.tangent === undefined ? undefined : map(x.tangent));
}

/** x W^T + b, then leaky ReLU if asked for, else plus a residual if there is one. */
export function dualLinear(
  x: Dual,
  layer: Linear,
  options: { readonly activation?: 'lrelu' } | { readonly residual?: Dual } = {},
): Dual {
  return layered(x, options, {
    value: given => layer.apply(x.value, given),
    tangent: (t, residual) => linear(t, layer.weight, { residual }),
  });
}

/** As `dualLinear`, for a convolution. */
export function dualConv(
  x: Dual,
  layer: Conv2d,
  options: { readonly activation?: 'lrelu' } | { readonly residual?: Dual } = {},
): Dual {
  return layered(x, options, {
    value: given => layer.apply(x.value, given),
    tangent: (t, residual) => conv2d(t, layer.weight, { stride: layer.stride, residual }),
  });
}

function layered(
  x: Dual,
  options: { readonly activation?: 'lrelu'; readonly residual?: Dual },
  layer: {
    readonly value: (given: { readonly activation?: 'lrelu'; readonly residual?: Tensor }) => Tensor;
    readonly tangent: (t: Tensor, residual: Tensor | undefined) => Tensor;
  },
): Dual {
  const { activation, residual } = options;
  const value = layer.value({ activation, residual: residual?.value });
  if (x.tangent === undefined) return { value };
  const t = layer.tangent(x.tangent, residual?.tangent);
  return { value, tangent: activation === undefined ? t : leakySlope(t, value) };
}

/**
 * The gradient of a sum of scores by their images, as constant numbers. Not to be called while gradients are recorded.
 * @param score images [B, ...] to one score each [B]
 * @param x [B, ...]
 * @returns like x, owned by the caller
 */
export function inputGradient(score: (x: Tensor) => Tensor, x: Tensor): Tensor {
  const { loss, gradients } = valueAndGradients(() => ({ loss: tf.sum(score(x)) }), [x]);
  loss.dispose();
  return gradients[0] ?? tf.zerosLike(x);
}

/**
 * The penalty 1/2 mean ||v||^2, with the gradient that it has as a function of the weights.
 * @param derivative [B], the derivative of each score along its image's v
 * @param v [B, ...], from `inputGradient` at the same weights and images
 * @returns scalar, owned by the caller
 */
export function gradientPenalty(derivative: Tensor, v: Tensor): Tensor {
  return tf.tidy(() => {
    const half = tf.div(tf.sum(tf.square(v)), 2 * v.shape[0]);
    return tf.sub(tf.mean(derivative), half);
  });
}
