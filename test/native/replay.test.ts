/**
 * @file The machinery of `npm run sanitize` itself: calls that are recorded here are made again by an unoptimised build of
 * replay.cc, and a record that was tampered with fails it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registerAddon } from '../../src/device/native/load.ts';
import { createDecoder } from '../../src/families/transformer/decoder.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import { adamwStep } from '../../src/kernels/adamw/adamw.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { batchOf, configs, randomModel } from '../families/transformer/tiny-model.ts';
import { normal, useNative } from '../support.ts';
import { recordCalls } from './record.ts';

const missing = registerAddon() ?? (hasCompiler() ? undefined : 'no C++ compiler');
const folder = mkdtempSync(join(tmpdir(), 'tessera-replay-'));
const records = join(folder, 'records');

function hasCompiler(): boolean {
  return [process.env.CXX, 'c++', 'g++', 'clang++'].some(
    name => name !== undefined && spawnSync(name, ['--version']).status === 0,
  );
}

function replay(record: string): { readonly status: number | null; readonly output: string } {
  const script = join(packageRoot(), 'scripts', 'sanitize.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--only', 'quick', '--record', record], {
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

/** A record alone in a folder, changed. */
function tampered(name: string, change: (content: Buffer) => Buffer): string {
  const alone = mkdtempSync(join(folder, 'tampered-'));
  const file = readdirSync(records).find(file => file.startsWith(name)) as string; // the first test finds them all
  writeFileSync(join(alone, file), change(readFileSync(join(records, file))));
  return alone;
}

describe.skipIf(missing !== undefined)(`replay${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  beforeAll(async () => {
    const backend = await useNative();
    const stop = recordCalls(records);
    const inputs = [normal([5, 19], 1), normal([33, 19], 2), normal([33], 3)];
    const { gradients } = valueAndGradients(() => {
      const [x, weight, bias] = inputs;
      return { loss: tf.sum(tf.square(linear(x, weight, { bias, activation: 'gelu' }))) };
    }, inputs);
    const [value, m, v] = [inputs[1], tf.zerosLike(inputs[1]), tf.zerosLike(inputs[1])].map(x => tf.variable(x));
    const slot = { value, m, v, gradient: gradients[1] as tf.Tensor, weightDecay: 0.1 }; // a weight has a gradient
    adamwStep([slot], { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, step: 1 });

    const model = randomModel(configs.modern);
    const { captions, codes } = batchOf([3, 5], configs.modern);
    const decoder = createDecoder(model, 2);
    tf.dispose(decoder.start(captions, codes.slice(0, 2)));
    tf.dispose(decoder.next(codes.slice(2, 4)));
    decoder.dispose();
    stop();
    expect(backend.precision).toBe('fp32');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('records calls, updates in place and decoding, and in bf16 what this processor can', async () => {
    const groups = new Set(readdirSync(records).map(name => name.slice(0, name.lastIndexOf('.'))));
    const products = ['decoderStep', 'linear', 'linearWeightGradient'];
    const precisions = (await useNative()).supportsBf16 ? ['bf16', 'fp32'] : ['fp32'];
    expect([...groups]).toEqual(
      expect.arrayContaining(['adamw.fp32', ...products.flatMap(name => precisions.map(p => `${name}.${p}`))]),
    );
  });

  test('makes the calls again, and finds the same numbers', () => {
    const { status, output } = replay(records);
    expect(output).toMatch(/quick \w+ +[1-9]\d+ calls/);
    expect(status).toBe(0);
  }, 60_000);

  test('a record with another result, of another kernel or without an end fails', () => {
    // The record of adamw ends with the second moments: the last of them gets another exponent.
    const other = (content: Buffer) => content.fill(content[content.length - 1] ^ 1, content.length - 1);
    const cases = [
      { record: tampered('adamw', other), says: 'is off by' },
      {
        record: tampered('adamw', content =>
          Buffer.from(content.toString('latin1').replace('adamw', 'adams'), 'latin1'),
        ),
        says: 'no kernel adams',
      },
      { record: tampered('adamw', content => content.subarray(0, -4)), says: 'ends early' },
    ];
    for (const { record, says } of cases) {
      const { status, output } = replay(record);
      expect(output).toContain(says);
      expect(status).toBe(1);
    }
  }, 60_000);
});
