/** @file Runs that strangers have made: what their files ask for is refused in one line, and costs nothing. */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { mergeConfig } from '../../src/config/schema.ts';
import { readSafetensors, writeSafetensors } from '../../src/io/files.ts';
import type { TensorData } from '../../src/io/safetensors.ts';
import { hardlyTrained, type Outcome, temporaryFolder, tessera, writeConfig, writeDrawings } from './program.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const small = {
  ...hardlyTrained,
  text: { length: 8, dim: 8, width: 16, layers: 1, heads: 2, imageWidth: 8 },
  textTrain: { steps: 2, batchSize: 4 },
  gan: { latent: 8, width: 8 },
};
let copies = 0;

beforeAll(async () => {
  await writeDrawings(data);
  for (const family of ['transformer', 'dcgan']) {
    const config = writeConfig(join(folder, `${family}.json`), { ...small, family });
    const { code, stderr } = await tessera('train', '--data', data, '--out', join(folder, family), '--config', config);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
  }
});

/** A copy of a run, for a test to damage. */
function copyOf(family: string): (...names: string[]) => string {
  const run = join(folder, `copy${copies++}`);
  cpSync(join(folder, family), run, { recursive: true });
  return (...names) => join(run, ...names);
}

const sample = (run: string, ...flags: string[]) =>
  tessera('sample', '--run', run, '--text', 'red circle', '-n', '1', '--outputs-dir', `${run}-out`, ...flags);

/** The message of a refusal: one line, and perhaps a hint. */
function refusal({ code, stderr, stdout }: Outcome): string {
  expect([code, stdout]).toEqual([2, '']);
  const lines = stderr.trimEnd().split('\n');
  const hint = lines.findIndex(line => line.startsWith('  hint: '));
  return lines[hint < 0 ? lines.length - 1 : hint - 1];
}

function change(path: string, edit: (json: Record<string, unknown>) => unknown): void {
  writeFileSync(path, JSON.stringify(edit(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)));
}

/** Writes tensors and metadata anew, and makes the weights of the run agree with a part that was changed. */
async function rewrite(
  path: string,
  edit: (tensors: Map<string, TensorData>, metadata: Record<string, string>) => void,
): Promise<void> {
  const { tensors, metadata } = await readSafetensors(path);
  const [changed, about] = [new Map(tensors), { ...metadata }];
  edit(changed, about);
  await writeSafetensors(path, changed, about);
}

async function agree(at: (...names: string[]) => string, part: string, key: string): Promise<void> {
  const hash = createHash('sha256')
    .update(readFileSync(at(part)))
    .digest('hex');
  await rewrite(at('ema.safetensors'), (_, metadata) => {
    metadata[key] = hash;
  });
}

describe('a config that asks for more than the weights hold', () => {
  test.each<[string, string, object, string]>([
    [
      'layers',
      'transformer',
      { model: { layers: 1000 } },
      'ema.safetensors: parameter layers.2.norm1.weight is missing',
    ],
    ['width', 'transformer', { model: { width: 65536 } }, 'expected shape [65536], got [32]'],
    [
      'the width inside layers',
      'transformer',
      { model: { mlpWidth: 1 << 20 } },
      'layers.0.mlp.up.weight: expected shape [2097152, 32]',
    ],
    [
      'caption positions',
      'transformer',
      { model: { captionLength: 4096 } },
      'caption_embedding.weight: expected shape',
    ],
    [
      'blocks',
      'transformer',
      { patch: { blocks: 1024 } },
      'patch.safetensors: parameter encoder.stages.0.blocks.1.conv.weight is missing',
    ],
    ['channels at the grid', 'transformer', { patch: { maxWidth: 65536 } }, 'patch.safetensors: encoder.stages.'],
    ['a generator', 'dcgan', { gan: { width: 65536 } }, 'generator.first.weight: expected shape [4194304, 16]'],
    ['noise', 'dcgan', { gan: { latent: 16384 } }, 'generator.caption.weight: expected shape [16384, 8], got [8, 8]'],
  ])('%s', async (_, family, fields, says) => {
    const at = copyOf(family);
    change(at('config.json'), config => mergeConfig(config, fields as Record<string, unknown>));
    expect(refusal(await sample(at()))).toContain(says);
  });
});

describe('weights', () => {
  test.each([Number.NaN, Infinity])('with %s are refused with the tensor and the place', async value => {
    for (const [family, file, tensor] of [
      ['transformer', 'ema.safetensors', 'layers.1.mlp.down.weight'],
      ['dcgan', 'ema.safetensors', 'generator.bias'],
    ] as const) {
      const at = copyOf(family);
      await rewrite(at(file), tensors => {
        (tensors.get(tensor) as TensorData).data[2] = value;
      });
      expect(refusal(await sample(at()))).toBe(`${at(file)}: ${tensor}: expected finite numbers, got ${value} at 2`);
    }
  });

  test('of a step that is none are refused', async () => {
    const at = copyOf('transformer');
    await rewrite(at('ema.safetensors'), (_, metadata) => {
      metadata.step = '1e999';
    });
    expect(refusal(await sample(at()))).toBe(`${at('ema.safetensors')}: expected the step of a training, got "1e999"`);
  });
});

describe('the text encoder', () => {
  test.each<[string, (config: { config: Record<string, number>; sizes: Record<string, number> }) => unknown, RegExp]>([
    [
      'a vocabulary of a billion',
      ({ config, sizes }) => ({ config, sizes: { ...sizes, vocabulary: 1e9 } }),
      /sizes\.vocabulary: expected a whole number/,
    ],
    [
      'another vocabulary than the tokenizer',
      ({ config, sizes }) => ({ config, sizes: { ...sizes, vocabulary: 7 } }),
      /reads 7 caption ids, expected the \d+ of the caption tokenizer/,
    ],
    ['no sizes', ({ config }) => ({ config }), /config: sizes: expected/],
    [
      'more layers than it holds',
      ({ config, sizes }) => ({ config: { ...config, layers: 1000 }, sizes }),
      /parameter text\.layers\.1\.\S+ is missing/,
    ],
    [
      'heads that do not divide its width',
      ({ config, sizes }) => ({ config: { ...config, heads: 3 }, sizes }),
      /text\.heads 3/,
    ],
    ['nothing', () => null, /text\.safetensors: config: expected/],
  ])('of %s is refused', async (_, edit, says) => {
    const at = copyOf('dcgan');
    await rewrite(at('text.safetensors'), (_tensors, metadata) => {
      metadata.config = JSON.stringify(edit(JSON.parse(metadata.config) as never));
    });
    await agree(at, 'text.safetensors', 'text_encoder');
    expect(refusal(await sample(at()))).toMatch(says);
  });
});

describe('a saved state', () => {
  const resume = (run: string) => tessera('train', '--data', data, '--out', run, '--train.steps', '3');
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['without updates', { updates: undefined }, /state\.json: updates: /],
    [
      'with updates of two players',
      { updates: [1, 1] },
      /state\.json: expected the updates of 1 players, got those of 2/,
    ],
    ['of a step that is none', { step: -1 }, /state\.json: step: /],
    ['of a step of 1e15', { step: 1e15 }, /state\.json: step: /],
    ['whose look is unknown', { owed: '__proto__' }, /state\.json: owed: /],
  ])('%s is refused, and stays as it is', async (_, fields, says) => {
    const at = copyOf('transformer');
    const current = JSON.parse(readFileSync(at('state', 'model', 'current'), 'utf8')) as { generation: number };
    const path = at('state', 'model', String(current.generation), 'state.json');
    change(path, state => ({ ...state, ...fields }));
    change(at('state', 'model', 'current'), pointer => ({
      ...pointer,
      files: { ...(pointer.files as object), 'state.json': readFileSync(path).length },
    }));
    const before = readFileSync(path, 'utf8');
    expect(refusal(await resume(at()))).toMatch(says);
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  test.each([{ generation: 0 }, { generation: -1 }, { generation: 1, files: { '..': 3 } }, []])(
    '%j is no pointer to one',
    async pointer => {
      const at = copyOf('transformer');
      writeFileSync(at('state', 'model', 'current'), JSON.stringify(pointer));
      expect(refusal(await resume(at()))).toBe(
        `${at('state', 'model', 'current')}: expected { generation, files }, got something else`,
      );
    },
  );
});

test('a new training that cannot fit any memory is refused before its folder is made', async () => {
  const out = join(folder, 'huge');
  const flags = ['--width', '65536', '--layers', '1024', '--heads', '1024', '--image-size', '64', '--grid', '16'];
  const line = refusal(await tessera('train', '--data', data, '--out', out, ...flags));
  expect(line).toMatch(
    /^config: a transformer of \d+ million parameters or more takes \d+\.\d GiB to train; this machine has /,
  );
  expect(() => readFileSync(join(out, 'config.json'))).toThrow('ENOENT');
});
