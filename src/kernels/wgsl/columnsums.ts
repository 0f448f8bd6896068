/**
 * @file The second half of sums over rows: blocks of rows have left a row of partial sums each, which are added here in
 * one order, without atomics, so that equal input gives equal bits.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';

/** Neighbouring columns of a workgroup, and runs of rows that it adds side by side. */
const COLUMNS = 16;
const RUNS = 16;

/** Blocks of rows that a kernel with partial sums should make: enough to fill a GPU, few enough to add up. */
const MOST_BLOCKS = 1024;

/** `rows` in blocks of equal length. */
export function blocksOf(rows: number): { readonly blocks: number; readonly each: number } {
  const each = Math.ceil(rows / MOST_BLOCKS);
  return { blocks: Math.ceil(rows / each), each };
}

/**
 * Adds the rows of `partial` [blocks, columns] into the outputs, which share the columns between them in order, and lets
 * go of `partial`.
 * @param outputs all of the same size
 */
export function sumColumns(backend: GpuBackend, partial: TensorInfo, outputs: readonly TensorInfo[]): void {
  const [blocks, columns] = partial.shape;
  const width = tf.util.sizeFromShape(outputs[0].shape);
  backend.dispatch({
    name: 'sumColumns',
    variant: `${outputs.length}`,
    bindings: [read('partial', partial), ...outputs.map((output, i) => write(`output${i}`, output))],
    uniforms: { blocks, columns, width },
    size: COLUMNS * RUNS,
    groups: Math.ceil(columns / COLUMNS),
    declarations: () => `var<workgroup> runs: array<f32, ${COLUMNS * RUNS}>;`,
    body: () => `
      let column = block * ${COLUMNS}u + lane % ${COLUMNS}u;
      var sum = 0.0;
      if (column < u.columns) {
        for (var b = lane / ${COLUMNS}u; b < u.blocks; b += ${RUNS}u) { sum += partial[b * u.columns + column]; }
      }
      runs[lane] = sum;
      workgroupBarrier();
      for (var half = ${RUNS / 2}u; half > 0u; half >>= 1u) {
        if (lane < half * ${COLUMNS}u) { runs[lane] += runs[lane + half * ${COLUMNS}u]; }
        workgroupBarrier();
      }
      if (lane < ${COLUMNS}u && column < u.columns) {
        switch column / u.width {
          ${outputs.map((_, i) => `case ${i}u: { output${i}[column - ${i}u * u.width] = runs[lane]; }`).join('\n')}
          default: {}
        }
      }`,
  });
  backend.disposeData(partial.dataId);
}
