/**
 * @file The patch tokenizer's network: what is around the quantizer. Knows nothing of codes or losses.
 *
 * Pixels are folded into channels at once (`stem`), so no convolution runs at the resolution of pixels; the stages from
 * there to the code grid each halve the side by folding 2x2 positions into channels, and the decoder mirrors them. A
 * residual block is a 3x3 convolution, GELU and a 1x1 one that starts at zero: the untrained network is a linear
 * autoencoder, which learns the colours of patches in some dozens of steps, and the blocks then add to that.
 *
 * Cost: a layer takes 2 x positions x weights floating-point operations an image forward, and three times that in
 * training; `autoencoderFlops` counts them from the config.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { PatchConfig } from '../src/config/patch.ts';
import { gelu } from '../src/kernels/activation/activation.ts';
import { patchify, unpatchify } from '../src/kernels/grid/grid.ts';
import { Conv2d, Linear } from '../src/nn/layers.ts';
import type { Parameters } from '../src/nn/module.ts';

/** Channels of each resolution, from the folded pixels to the code grid. */
export function stageWidths(config: PatchConfig, patchSize: number): readonly number[] {
  const halvings = Math.log2(patchSize / config.stem);
  return Array.from({ length: halvings + 1 }, (_, i) =>
    i === halvings ? config.maxWidth : Math.min(config.maxWidth, config.width * 2 ** i),
  );
}

/** Of the decoder's number: at equal cost, blocks are worth more where the picture is made. */
function encoderBlocks(decoderBlocks: number): number {
  return Math.ceil(decoderBlocks / 2);
}

/** x + W gelu(conv(x)). */
class ResidualBlock {
  private readonly conv: Conv2d;
  private readonly out: Linear;

  constructor(parameters: Parameters, channels: number) {
    this.conv = new Conv2d(parameters.scope('conv'), channels, channels);
    this.out = new Linear(parameters.scope('out'), channels, channels, { deviation: 0 });
  }

  apply(x: Tensor): Tensor {
    return this.out.apply(this.conv.apply(x, { activation: 'gelu' }), { residual: x });
  }
}

function residualBlocks(parameters: Parameters, channels: number, count: number): ResidualBlock[] {
  return Array.from({ length: count }, (_, i) => new ResidualBlock(parameters.scope(`blocks.${i}`), channels));
}

/** Pixels to the quantizer's input. */
export class Encoder {
  private readonly stem: number;
  private readonly input: Conv2d;
  private readonly stages: readonly { readonly blocks: readonly ResidualBlock[]; readonly down: Linear | undefined }[];
  private readonly output: Linear;

  constructor(parameters: Parameters, config: PatchConfig, patchSize: number, outputs: number) {
    const widths = stageWidths(config, patchSize);
    this.stem = config.stem;
    this.input = new Conv2d(parameters.scope('input'), 3 * config.stem ** 2, widths[0]);
    this.stages = widths.map((width, i) => {
      const scope = parameters.scope(`stages.${i}`, { inner: true });
      const last = i === widths.length - 1;
      return {
        blocks: residualBlocks(scope, width, encoderBlocks(last ? config.codeBlocks : config.blocks)),
        down: last ? undefined : new Linear(scope.scope('down'), 4 * width, widths[i + 1]),
      };
    });
    this.output = new Linear(parameters.scope('output'), widths[widths.length - 1], outputs);
  }

  /** @param pixels [B, S, S, 3] around 0; @returns [B, grid, grid, outputs] */
  apply(pixels: Tensor): Tensor {
    let x = this.input.apply(patchify(pixels, this.stem)); // [B, S/stem, S/stem, width]
    for (const { blocks, down } of this.stages) {
      for (const block of blocks) x = block.apply(x);
      if (down !== undefined) x = down.apply(patchify(x, 2)); // half the side
    }
    return this.output.apply(x);
  }
}

/** The quantizer's output to pixels. */
export class Decoder {
  private readonly stem: number;
  private readonly input: Conv2d;
  private readonly stages: readonly { readonly blocks: readonly ResidualBlock[]; readonly up: Linear | undefined }[];
  private readonly output: Conv2d;

  /** @param channels of a pixel */
  constructor(parameters: Parameters, config: PatchConfig, patchSize: number, inputs: number, channels: number) {
    const widths = [...stageWidths(config, patchSize)].reverse();
    this.stem = config.stem;
    this.input = new Conv2d(parameters.scope('input'), inputs, widths[0]);
    this.stages = widths.map((width, i) => {
      const scope = parameters.scope(`stages.${i}`, { inner: true });
      return {
        blocks: residualBlocks(scope, width, i === 0 ? config.codeBlocks : config.blocks),
        up: i === widths.length - 1 ? undefined : new Linear(scope.scope('up'), width, 4 * widths[i + 1]),
      };
    });
    this.output = new Conv2d(parameters.scope('output'), widths[widths.length - 1], channels * config.stem ** 2);
  }

  /** @param vectors [B, grid, grid, inputs]; @returns [B, S, S, channels] */
  apply(vectors: Tensor): Tensor {
    let x = this.input.apply(vectors); // [B, grid, grid, maxWidth]
    for (const { blocks, up } of this.stages) {
      for (const block of blocks) x = block.apply(x);
      if (up !== undefined) x = unpatchify(up.apply(x), 2); // twice the side
    }
    return unpatchify(this.output.apply(gelu(x)), this.stem);
  }
}

export interface FlopsOptions {
  readonly imageSize: number;
  /** Between encoder and quantizer, and between quantizer and decoder. */
  readonly codeChannels: number;
  /** Of a pixel, out of the decoder. */
  readonly channels: number;
}

/** Floating-point operations for one image, forward. */
export function autoencoderFlops(config: PatchConfig, options: FlopsOptions): { encode: number; decode: number } {
  const { imageSize, codeChannels, channels } = options;
  const widths = stageWidths(config, imageSize / config.grid);
  const folded = config.stem ** 2;
  const [finest, coarsest] = [widths[0], widths[widths.length - 1]];
  const positions = (i: number) => (imageSize / config.stem / 2 ** i) ** 2;
  const code = positions(widths.length - 1);
  let encode = positions(0) * 9 * 3 * folded * finest + code * coarsest * codeChannels;
  let decode = code * 9 * codeChannels * coarsest + positions(0) * 9 * finest * channels * folded;
  widths.forEach((width, i) => {
    const last = i === widths.length - 1;
    const blocks = last ? config.codeBlocks : config.blocks;
    const resize = last ? 0 : positions(i + 1) * 4 * width * widths[i + 1];
    encode += positions(i) * encoderBlocks(blocks) * 10 * width ** 2 + resize;
    decode += positions(i) * blocks * 10 * width ** 2 + resize;
  });
  return { encode: 2 * encode, decode: 2 * decode };
}
