/**
 * @file The decoder of a patch tokenizer as an ONNX graph: codes to pixels.
 *
 *   codes [pictures, grid * grid] int64   row by row
 *   pixels [pictures, size, size, 3]      float32 from 0 to 1
 *
 * What a code means is a row of a table, whatever the quantizer; the network behind is that of tokenizer/autoencoder.ts.
 */
import * as tf from '@tensorflow/tfjs-core';
import { stageWidths } from '../../../tokenizer/autoencoder.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { NamedValues } from '../../nn/module.ts';
import { OnnxGraph, type Value } from './graph.ts';
import { gelu } from './operators.ts';

/** The graph of a tokenizer, with its weights as they are now. */
export async function pixelsGraph(patch: PatchTokenizer): Promise<OnnxGraph> {
  const { grid, imageSize, config } = patch;
  const graph = new OnnxGraph('pixels');
  const network = new Network(graph, await patch.parameters.values());
  const codes = graph.input('codes', 'int64', ['pictures', grid * grid]);
  const vectors = graph.op('Gather', [await vectorTable(graph, patch), codes], { axis: 0 });
  const planes = graph.op('Transpose', [vectors], { perm: [0, 2, 1] }); // [pictures, channels, N]
  let x = network.conv(graph.op('Reshape', [planes, graph.ints([0, 0, grid, grid])]), 'input');
  const widths = stageWidths(config, patch.patchSize);
  for (let stage = 0; stage < widths.length; stage++) {
    const name = `stages.${stage}`;
    const blocks = stage === 0 ? config.codeBlocks : config.blocks;
    for (let block = 0; block < blocks; block++) x = network.residual(x, `${name}.blocks.${block}`);
    if (stage < widths.length - 1) x = unfold(graph, network.conv(x, `${name}.up`), 2);
  }
  const output = unfold(graph, network.conv(gelu(graph, x), 'output'), config.stem); // [pictures, channels, S, S]
  const pixels = graph.op('Transpose', [pixelsOf(graph, patch, output)], { perm: [0, 2, 3, 1] });
  graph.output('pixels', pixels, { type: 'float32', shape: ['pictures', imageSize, imageSize, 3] });
  return graph;
}

/** The vector of every code, [K, channels], as the quantizer gives it to the decoder. */
async function vectorTable(graph: OnnxGraph, patch: PatchTokenizer): Promise<Value> {
  const K = patch.vocabSize;
  const all = tf.tensor3d(
    Int32Array.from({ length: K }, (_, code) => code),
    [K, 1, 1],
    'int32',
  );
  const vectors = patch.quantizer.decode(all); // [K, 1, 1, channels]
  const values = (await vectors.data()).slice() as Float32Array;
  tf.dispose([all, vectors]);
  return graph.weight('codebook', [K, patch.quantizer.outputs], values);
}

/** Groups of channels become neighbouring pixels: `size` x `size` of them, rows first. */
function unfold(graph: OnnxGraph, x: Value, size: number): Value {
  return size === 1 ? x : graph.op('DepthToSpace', [x], { blocksize: size, mode: 'DCR' });
}

/** What an output means, in [0, 1]; see the quantizers' `reconstruct`. */
function pixelsOf(graph: OnnxGraph, patch: PatchTokenizer, output: Value): Value {
  const clipped = (x: Value) => graph.op('Clip', [x, graph.float(0), graph.float(1)]);
  const { quantizer } = patch.config;
  switch (quantizer) {
    case 'fsq':
    case 'vq':
      return clipped(graph.op('Add', [graph.op('Mul', [output, graph.float(0.5)]), graph.float(0.5)]));
    case 'dvae': {
      // The centre of the logit-Laplace, without its width; pixels were mapped to [0.1, 0.9].
      const [centre] = graph.ops('Split', [output], { results: 2, attributes: { axis: 1 } });
      const mapped = graph.op('Sub', [graph.op('Sigmoid', [centre]), graph.float(0.1)]);
      return clipped(graph.op('Div', [mapped, graph.float(0.8)]));
    }
    default:
      throw new Error(`no pixels of the quantizer ${quantizer satisfies never}`);
  }
}

/** The decoder's layers, channels first. */
class Network {
  private readonly graph: OnnxGraph;
  private readonly values: NamedValues;

  constructor(graph: OnnxGraph, values: NamedValues) {
    this.graph = graph;
    this.values = values;
  }

  /** x + W gelu(conv(x)). */
  residual(x: Value, name: string): Value {
    const inner = gelu(this.graph, this.conv(x, `${name}.conv`));
    return this.graph.op('Add', [x, this.conv(inner, `${name}.out`)]);
  }

  /** A convolution with "same" padding, or a product at every position, which is one of side 1. */
  conv(x: Value, name: string): Value {
    const { graph } = this;
    const { shape, values } = this.parameter(`decoder.${name}.weight`);
    const bias = this.parameter(`decoder.${name}.bias`);
    const [outputs, inputs] = [shape[0], shape[shape.length - 1]];
    const side = shape.length === 4 ? shape[1] : 1;
    const pad = (side - 1) / 2;
    return graph.op(
      'Conv',
      [
        x,
        graph.weight(
          `${name}.weight`,
          [outputs, inputs, side, side],
          channelsFirst(values, [outputs, side ** 2, inputs]),
        ),
        graph.weight(`${name}.bias`, bias.shape, bias.values),
      ],
      { kernel_shape: [side, side], pads: [pad, pad, pad, pad] },
    );
  }

  private parameter(name: string): { readonly shape: readonly number[]; readonly values: Float32Array } {
    const found = this.values.get(name);
    if (found === undefined) throw new Error(`the patch tokenizer has no parameter ${name}`);
    return found;
  }
}

/** [outputs, positions, inputs] to [outputs, inputs, positions]. */
function channelsFirst(
  values: Float32Array,
  [outputs, positions, inputs]: readonly [number, number, number],
): Float32Array {
  const turned = new Float32Array(values.length);
  for (let o = 0; o < outputs; o++) {
    const block = o * positions * inputs;
    for (let p = 0; p < positions; p++) {
      for (let i = 0; i < inputs; i++) turned[block + i * positions + p] = values[block + p * inputs + i];
    }
  }
  return turned;
}
