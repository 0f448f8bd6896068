/** @file The layers that models are made of: parameters plus one fused kernel each. */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import { conv2d } from '../kernels/conv/conv.ts';
import { linear } from '../kernels/linear/linear.ts';
import { groupNorm, layerNorm, rmsNorm } from '../kernels/norm/norm.ts';
import type { Activation } from '../kernels/pointwise.ts';
import type { Parameters } from './module.ts';

export interface LinearOptions {
  readonly bias?: boolean;
  /** Standard deviation of the initial weights; 0 starts them at zero. Default 1 / sqrt(inputs). */
  readonly deviation?: number;
}

/** y = act(x Wᵀ + b) + residual, on the last axis. */
export class Linear {
  readonly weight: Variable; // [outputs, inputs]
  readonly bias: Variable | undefined;

  constructor(parameters: Parameters, inputs: number, outputs: number, options: LinearOptions = {}) {
    const deviation = options.deviation ?? 1 / Math.sqrt(inputs);
    this.weight =
      deviation === 0
        ? parameters.zeros('weight', [outputs, inputs])
        : parameters.normal('weight', [outputs, inputs], deviation);
    this.bias = (options.bias ?? true) ? parameters.zeros('bias', [outputs]) : undefined;
  }

  /** @param x [..., inputs]; @param options.residual [..., outputs], added after the activation; @returns [..., outputs] */
  apply(x: Tensor, options: { readonly activation?: Activation; readonly residual?: Tensor } = {}): Tensor {
    return linear(x, this.weight, { bias: this.bias, ...options });
  }
}

export interface Conv2dOptions {
  readonly kernel?: number;
  readonly stride?: 1 | 2;
  readonly deviation?: number;
}

/** Convolution over [B, H, W, C] with "same" padding. */
export class Conv2d {
  readonly weight: Variable; // [outputs, kernel, kernel, inputs]
  readonly bias: Variable;
  readonly stride: 1 | 2;

  constructor(parameters: Parameters, inputs: number, outputs: number, options: Conv2dOptions = {}) {
    const { kernel = 3, stride = 1 } = options;
    const deviation = options.deviation ?? 1 / Math.sqrt(inputs * kernel * kernel);
    const shape = [outputs, kernel, kernel, inputs];
    this.weight = deviation === 0 ? parameters.zeros('weight', shape) : parameters.normal('weight', shape, deviation);
    this.bias = parameters.zeros('bias', [outputs]);
    this.stride = stride;
  }

  /** @param x [B, H, W, inputs]; @returns [B, H / stride, W / stride, outputs] */
  apply(x: Tensor, options: { readonly activation?: Activation; readonly residual?: Tensor } = {}): Tensor {
    return conv2d(x, this.weight, { bias: this.bias, stride: this.stride, ...options });
  }
}

/** Root-mean-square norm (Zhang and Sennrich 2019) or layer norm (Ba et al. 2016) over the last axis. */
export class Norm {
  readonly weight: Variable; // [C]
  readonly bias: Variable | undefined;

  constructor(parameters: Parameters, channels: number, kind: 'rms' | 'layer') {
    this.weight = parameters.ones('weight', [channels]);
    this.bias = kind === 'layer' ? parameters.zeros('bias', [channels]) : undefined;
  }

  apply(x: Tensor): Tensor {
    return this.bias === undefined ? rmsNorm(x, this.weight) : layerNorm(x, this.weight, this.bias);
  }
}

/** Group norm (Wu and He 2018) over [B, H, W, C]. */
export class GroupNorm {
  readonly weight: Variable; // [C]
  readonly bias: Variable; // [C]
  private readonly groups: number;

  constructor(parameters: Parameters, channels: number, groups: number) {
    this.weight = parameters.ones('weight', [channels]);
    this.bias = parameters.zeros('bias', [channels]);
    this.groups = groups;
  }

  apply(x: Tensor): Tensor {
    return groupNorm(x, this.weight, this.bias, this.groups);
  }
}
