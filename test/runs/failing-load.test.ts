/** @file A run that cannot be loaded leaves no tensors: a server may be asked for it again and again. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPainter } from '../../src/index.ts';
import { readSafetensors, writeSafetensors } from '../../src/io/files.ts';
import { shippedModel } from '../../src/runs/run.ts';

const folder = mkdtempSync(join(tmpdir(), 'tessera-load-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  const painter = await openPainter(undefined, { backend: 'cpu' });
  painter.dispose();
});

test.each(['the first', 'the last'])('without %s parameter', async which => {
  const run = join(folder, which);
  cpSync(shippedModel(), run, { recursive: true });
  const path = join(run, 'ema.safetensors');
  const { tensors, metadata } = await readSafetensors(path);
  const name = [...tensors.keys()].at(which === 'the first' ? 0 : -1) ?? '';
  await writeSafetensors(path, new Map([...tensors].filter(([each]) => each !== name)), metadata);
  const { numTensors } = tf.memory();
  for (let load = 0; load < 3; load++) {
    await expect(openPainter(run, { backend: 'cpu' })).rejects.toThrow(`${path}: parameter ${name} is missing`);
    expect(tf.memory().numTensors).toBe(numTensors);
  }
});
