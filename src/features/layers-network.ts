/**
 * @file Runs a layers model on the kernels here. Batch normalisation is folded into the convolution before it, and a relu
 * becomes the end of its product, so that Inception-v3 is 94 fused convolutions with pooling between. A value is given back
 * as soon as nothing reads it any more.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { conv2d } from '../kernels/conv/conv.ts';
import '../kernels/elementwise/elementwise.ts'; // faster versions of tfjs's own operations on the native backend
import '../kernels/elementwise/rearrange.ts';
import type { Layer, LayersModel, Weight } from './layers-model.ts';
import { cut, type Placement, place, pool, taps, type Window, widen } from './pooling.ts';

type Convolution = Extract<Layer, { kind: 'Conv2D' | 'DepthwiseConv2D' }>;

/** One operation and what it reads, by name. */
interface Step {
  readonly name: string;
  readonly inputs: readonly string[];
  run(...inputs: readonly Tensor[]): Tensor;
}

/** A convolution while what follows it may still become a part of it. */
interface Open {
  readonly layer: Convolution;
  readonly weight: Weight;
  readonly bias: Float32Array;
  relu: boolean;
}

/** A network whose weights are on the backend that was selected. */
export class LayersNetwork {
  private readonly steps: readonly Step[];
  private readonly constants: Tensor[] = [];
  /** How often each value is read. */
  private readonly uses = new Map<string, number>();

  /** @param where opens every message. @throws UserError if layers follow each other as is not known here */
  constructor(where: string, model: LayersModel) {
    this.steps = new Plan(where, model, values => {
      const tensor = tf.tensor(values.values, [...values.shape]);
      this.constants.push(tensor);
      return tensor;
    }).steps();
    for (const { inputs } of this.steps) for (const name of inputs) this.uses.set(name, (this.uses.get(name) ?? 0) + 1);
  }

  /** @param x [B, H, W, 3]; stays the caller's. @returns the last layer's value, owned by the caller */
  apply(x: Tensor): Tensor {
    return tf.tidy(() => {
      const values = new Map<string, Tensor>();
      const left = new Map(this.uses);
      let last = x;
      for (const { name, inputs, run } of this.steps) {
        last = tf.tidy(() => run(...(inputs.length === 0 ? [x] : inputs.map(input => values.get(input) as Tensor))));
        values.set(name, last);
        for (const input of inputs) {
          const more = (left.get(input) as number) - 1;
          left.set(input, more);
          if (more === 0) values.get(input)?.dispose();
        }
      }
      return last;
    });
  }

  dispose(): void {
    tf.dispose(this.constants);
  }
}

/** Turns layers into steps, fewer than there are layers. */
class Plan {
  private readonly where: string;
  private readonly model: LayersModel;
  private readonly upload: (weight: Weight) => Tensor;
  /** The step that has the value of a layer, where another took the layer in. */
  private readonly holders = new Map<string, string>();
  private readonly readers = new Map<string, number>();

  constructor(where: string, model: LayersModel, upload: (weight: Weight) => Tensor) {
    this.where = where;
    this.model = model;
    this.upload = upload;
    for (const { inputs } of model.layers)
      for (const name of inputs) this.readers.set(name, (this.readers.get(name) ?? 0) + 1);
  }

  steps(): Step[] {
    const open = new Map<string, Open>(); // by name of the layer that its value is of, so far
    const planned: (Open | Step)[] = [];
    for (const layer of this.model.layers) {
      const [input] = layer.inputs;
      const before = this.readers.get(input) === 1 ? open.get(input) : undefined;
      if (before !== undefined && this.absorb(before, layer)) {
        open.delete(input);
        open.set(layer.name, before);
        this.holders.set(layer.name, before.layer.name);
      } else if (layer.kind === 'Conv2D' || layer.kind === 'DepthwiseConv2D') {
        const convolution = this.open(layer);
        open.set(layer.name, convolution);
        planned.push(convolution);
      } else {
        planned.push({ name: layer.name, inputs: layer.inputs.map(this.held), run: this.operation(layer) });
      }
    }
    return planned.map(each => ('layer' in each ? this.close(each) : each));
  }

  private readonly held = (name: string): string => this.holders.get(name) ?? name;

  private weight(layer: string, name: string): Weight {
    const weight = this.model.weights.get(`${layer}/${name}`);
    if (weight === undefined) throw new UserError(this.where, `no weights ${layer}/${name} in the model`);
    return weight;
  }

  private open(layer: Convolution): Open {
    const { name, kind, settings } = layer;
    const { shape, values } = this.weight(name, kind === 'Conv2D' ? 'kernel' : 'depthwise_kernel');
    const [height, width, inputs, outputs] = shape; // a depthwise kernel has 1 output a channel
    const fits = shape.length === 4 && height === settings.kernel_size[0] && width === settings.kernel_size[1];
    if (!fits) throw new UserError(this.where, `layer ${name}: weights of another shape, ${shape.join(' x ')}`);
    const channels = inputs * outputs;
    const bias = settings.use_bias
      ? this.weight(name, 'bias').values.slice()
      : new Float32Array(kind === 'Conv2D' ? outputs : channels);
    return { layer, weight: { shape, values: values.slice() }, bias, relu: settings.activation === 'relu' };
  }

  /** Makes a layer a part of the convolution that alone it reads, if it can be. */
  private absorb(into: Open, layer: Layer): boolean {
    if (into.relu) return false;
    if (layer.kind === 'Activation' || (layer.kind === 'ReLU' && layer.settings.max_value === null)) {
      into.relu = true;
      return true;
    }
    if (layer.kind !== 'BatchNormalization') return false;
    const { epsilon, center, scale } = layer.settings;
    const mean = this.weight(layer.name, 'moving_mean').values;
    const variance = this.weight(layer.name, 'moving_variance').values;
    const gamma = scale ? this.weight(layer.name, 'gamma').values : undefined;
    const beta = center ? this.weight(layer.name, 'beta').values : undefined;
    const { bias, weight } = into;
    const factors = Float64Array.from(variance, (v, c) => (gamma?.[c] ?? 1) / Math.sqrt(v + epsilon));
    // The outputs are the last axis of a kernel; those of a depthwise one are its last two, of which the last is 1.
    for (let i = 0; i < weight.values.length; i++) weight.values[i] *= factors[i % factors.length];
    for (let c = 0; c < bias.length; c++) bias[c] = (bias[c] - mean[c]) * factors[c] + (beta?.[c] ?? 0);
    return true;
  }

  private close({ layer, weight, bias, relu }: Open): Step {
    const { name, kind, settings } = layer;
    const [height, width] = settings.kernel_size;
    const [down, across] = settings.strides;
    if (down !== across || down > 2) {
      throw new UserError(this.where, `layer ${name}: expected strides 1 or 2, got ${down} x ${across}`);
    }
    const windows: Windows = [
      { size: height, stride: down },
      { size: width, stride: across },
    ];
    const shared = {
      windows,
      padding: settings.padding,
      relu,
      bias: this.upload({ shape: [bias.length], values: bias }),
    };
    const inputs = layer.inputs.map(this.held);
    if (kind === 'DepthwiseConv2D') {
      const kernel = this.upload(weight);
      return { name, inputs, run: x => depthwise(x, kernel, shared) };
    }
    const kernel = this.upload(outputsFirst(weight));
    return { name, inputs, run: x => convolve(x, kernel, shared) };
  }

  private operation(layer: Exclude<Layer, Convolution>): Step['run'] {
    switch (layer.kind) {
      case 'InputLayer':
        return x => tf.clone(x);
      case 'Activation':
        return x => tf.relu(x);
      case 'ReLU': {
        const most = layer.settings.max_value;
        return x => (most === null ? tf.relu(x) : tf.minimum(tf.relu(x), most));
      }
      case 'ZeroPadding2D': {
        const [lines, columns] = layer.settings.padding;
        return x => tf.pad(x, [[0, 0], lines, columns, [0, 0]]);
      }
      case 'MaxPooling2D':
      case 'AveragePooling2D': {
        const { pool_size: size, strides, padding } = layer.settings;
        const windows: Windows = [
          { size: size[0], stride: strides[0] },
          { size: size[1], stride: strides[1] },
        ];
        return x => pool(x, windows, { kind: layer.kind === 'MaxPooling2D' ? 'max' : 'mean', padding });
      }
      case 'Concatenate':
        return (...inputs) => tf.concat([...inputs], 3);
      case 'Add':
        return (...inputs) => tf.addN([...inputs]);
      case 'Flatten':
        return x => tf.reshape(x, [x.shape[0], -1]);
      case 'BatchNormalization':
        throw new UserError(
          this.where,
          `layer ${layer.name}: expected a batch normalisation right after a convolution`,
        );
    }
  }
}

type Windows = readonly [lines: Window, columns: Window];

interface Convolved {
  readonly windows: Windows;
  readonly padding: 'same' | 'valid';
  readonly bias: Tensor;
  readonly relu: boolean;
}

/** [KH, KW, C, O], as such models have it, to [O, KH, KW, C]. */
function outputsFirst({ shape, values }: Weight): Weight {
  const outputs = shape[3];
  const patch = values.length / outputs;
  const turned = new Float32Array(values.length);
  for (let i = 0; i < patch; i++) for (let o = 0; o < outputs; o++) turned[o * patch + i] = values[i * outputs + o];
  return { shape: [outputs, shape[0], shape[1], shape[2]], values: turned };
}

/**
 * Any convolution by our own, whose windows begin (K - 1) / 2 pixels before the image. Where they should begin elsewhere,
 * the image gets a margin that puts whole windows in the right places, and the windows before them are cut off.
 */
function convolve(x: Tensor, kernel: Tensor, { windows, padding, bias, relu }: Convolved): Tensor {
  const { stride } = windows[0];
  const moves = windows.map((window, i) => move(x.shape[1 + i], window, place(x.shape[1 + i], window, padding)));
  let y = x;
  for (const [i, { before, after }] of moves.entries()) if (before + after > 0) y = widen(y, 1 + i, [before, after]);
  y = conv2d(y, kernel, {
    bias,
    stride: stride as 1 | 2, // checked by the plan
    activation: relu ? 'relu' : 'none',
  });
  for (const [i, { skip, count }] of moves.entries()) {
    if (count < y.shape[1 + i]) y = cut(y, 1 + i, { from: skip, count });
  }
  return y;
}

/** Margins along one axis, and how many windows to skip and to take. */
function move(length: number, { size, stride }: Window, { count, before }: Placement) {
  const ours = Math.floor((size - 1) / 2);
  const skip = Math.ceil(Math.max(0, ours - before) / stride);
  const margin = skip * stride - ours + before;
  const reached = (skip + count - 1) * stride + 1; // our windows go on while their middle is in the image
  return { before: margin, after: Math.max(0, reached - margin - length), skip, count };
}

/** A kernel for each channel, [KH, KW, C, 1]: one tap after the other, each over the whole image. */
function depthwise(x: Tensor, kernel: Tensor, { windows, padding, bias, relu }: Convolved): Tensor {
  const [lines, columns] = windows.map((window, i) => ({ ...window, ...place(x.shape[1 + i], window, padding) }));
  const parts = taps(x, 1, lines).flatMap((line, i) =>
    taps(line, 2, columns).map((tap, j) => {
      const factors = tf.slice(kernel, [i, j, 0, 0], [1, 1, -1, -1]);
      return tf.mul(tap, tf.reshape(factors, [-1]));
    }),
  );
  const y = tf.add(tf.addN(parts), bias);
  return relu ? tf.relu(y) : y;
}
