/** @file The types that stand for tfjs's in the package's declarations: what tfjs makes fits them. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { expect, test } from 'vitest';
import type { Tensor, TensorInfo, Variable } from '../../scripts/public-types/tfjs.d.ts';

// Compiled, these are the test.
const asTensor = (tensor: tf.Tensor): Tensor => tensor;
const asInfo = (info: tf.TensorInfo): TensorInfo => info;
const asVariable = (variable: tf.Variable): Variable => variable;

test('a tensor and a variable of tfjs are what the declarations say', async () => {
  const variable = tf.variable(tf.tensor2d([[1, 2, 3]]), true, 'weights');
  const seen = asVariable(variable);
  expect(asTensor(variable)).toMatchObject({ shape: [1, 3], dtype: 'float32', size: 3, rank: 2, isDisposed: false });
  expect([...(await seen.data())]).toEqual([1, 2, 3]);
  expect(asInfo(variable).dataId).toBeTypeOf('object');
  expect([seen.name, seen.trainable]).toEqual(['weights', true]);
  seen.dispose();
  expect(variable.isDisposed).toBe(true);
});

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist', 'types');
const unbuilt = existsSync(join(dist, 'tfjs.d.ts')) ? '' : ' (skipped: `npm run build` makes them)';

test.skipIf(unbuilt !== '')(`the declarations compile with no library skipped${unbuilt}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-types-'));
  try {
    const compilerOptions = {
      ...{ target: 'es2023', module: 'nodenext', moduleResolution: 'nodenext', strict: true, noEmit: true },
      ...{ skipLibCheck: false, types: [] },
    };
    const files = ['index.d.ts', 'cli.d.ts'].map(name => join(dist, 'src', name));
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
    expect(stdout.split('\n').slice(0, 5).join('\n')).toBe('');
    expect(status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
