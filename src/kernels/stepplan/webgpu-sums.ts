/**
 * @file Sums of squares over many tensors on the GPU, of all gradients for instance: a workgroup sums a block of a tensor,
 * and several tensors share a dispatch, as many as may be bound. The blocks' sums lie in the order of the tensors, so that
 * whoever adds them up gets the same bits every time.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Binding, read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { sumWorkgroup } from '../wgsl/reduce.ts';

const SIZE = 256;
/** Elements of a block: long enough for few partial sums, short enough that a large matrix fills a GPU. */
const BLOCK = 8192;
/** With the partial sums these are the eight buffers that every device can bind. */
const TENSORS = 7;

/** A tensor among others: where its blocks' sums go. */
interface Piece {
  readonly tensor: TensorInfo;
  readonly size: number;
  readonly at: number;
}

export interface Squares {
  /** A sum for each block, [max(1, total)]; the caller disposes it. */
  readonly partials: TensorInfo;
  /** How many of the partial sums belong to the tensors up to and including each. */
  readonly ends: readonly number[];
}

export function squaresWebgpu(tensors: readonly TensorInfo[], backend: GpuBackend): Squares {
  const pieces: Piece[] = [];
  const ends: number[] = [];
  let total = 0;
  for (const tensor of tensors) {
    const size = tf.util.sizeFromShape(tensor.shape);
    if (size > 0) pieces.push({ tensor, size, at: total });
    total += Math.ceil(size / BLOCK);
    ends.push(total);
  }
  const partials = backend.output([Math.max(1, total)]);
  const [fours, others] = [pieces.filter(({ size }) => size % 4 === 0), pieces.filter(({ size }) => size % 4 !== 0)];
  for (let i = 0; i < fours.length; i += TENSORS) sumBlocks(fours.slice(i, i + TENSORS), 4, partials, backend);
  for (let i = 0; i < others.length; i += TENSORS) sumBlocks(others.slice(i, i + TENSORS), 1, partials, backend);
  return { partials, ends };
}

/** @param width elements that are loaded at once */
function sumBlocks(pieces: readonly Piece[], width: 1 | 4, partials: TensorInfo, backend: GpuBackend): void {
  const bindings: Binding[] = [];
  const uniforms: Record<string, number> = {};
  let groups = 0;
  pieces.forEach(({ tensor, size, at }, i) => {
    bindings.push(read(`x${i}`, tensor, width === 4 ? 'vec4f' : 'f32'));
    uniforms[`first${i}`] = groups;
    groups += Math.ceil(size / BLOCK);
    uniforms[`end${i}`] = groups;
    uniforms[`size${i}`] = size / width;
    uniforms[`at${i}`] = at;
  });
  backend.dispatch({
    name: 'squares',
    variant: `${pieces.length}x${width}`,
    bindings: [...bindings, write('partials', partials)],
    uniforms,
    size: SIZE,
    groups,
    declarations: () => sumWorkgroup(SIZE),
    body: () => `
      var sum = 0.0;
      var at = 0u;
      var mine = false;
      ${pieces.map((_, i) => `if (block >= u.first${i} && block < u.end${i}) {${overBlock(i, width)}}`).join(' else ')}
      let total = sum_workgroup(sum, lane);
      if (lane == 0u && mine) { partials[at] = total; }`,
  });
}

function overBlock(i: number, width: 1 | 4): string {
  return `
        mine = true;
        at = u.at${i} + block - u.first${i};
        let begin = (block - u.first${i}) * ${BLOCK / width}u;
        let end = min(u.size${i}, begin + ${BLOCK / width}u);
        for (var e = begin + lane; e < end; e += ${SIZE}u) {
          let x = x${i}[e];
          sum += ${width === 4 ? 'dot(x, x)' : 'x * x'};
        }
      `;
}
