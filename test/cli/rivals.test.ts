/**
 * @file The rivals from the command line: each trains, paints, refuses what it cannot follow, and ends, stopped and started
 * again, bit for bit where a run that was never stopped does.
 */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { snapshot, startTessera, temporaryFolder, tessera, writeConfig, writeSplitDrawings } from './program.ts';
import type { Stop } from './stopping.ts';

const missing = registerAddon();
const folder = temporaryFolder();
const data = join(folder, 'data');

/** Tiny, with everything on that draws or remembers. */
const shared = {
  images: { imageSize: 16, validation: 0, crops: 2, padCrops: true },
  caption: { vocabSize: 300, bpeDropout: 0.2 },
  text: { length: 8, dim: 16, width: 16, layers: 1, heads: 2, imageWidth: 8 },
  textTrain: { steps: 6, batchSize: 4 },
  gan: { latent: 8, width: 8, captionDrop: 0.2 },
  diffusion: { width: 8, multipliers: [1, 2], attention: [4], embedding: 16, dropout: 0.1, sampleSteps: 3 },
} satisfies RunConfigInput;

const trainOf = (steps: number) => ({ steps, batchSize: 4, evalEvery: 4, sampleEvery: 8, saveEvery: 4, logEvery: 2 });

const families = {
  dcgan: { gan: { ...shared.gan, predict: 'G' } },
  r3gan: { gan: { ...shared.gan, predict: 'both' } },
  diffusion: {},
} as const satisfies Record<string, RunConfigInput>;
type Rival = keyof typeof families;
const rivals = Object.keys(families) as Rival[]; // keys of the literal above

function configOf(family: Rival, steps = 8): string {
  return writeConfig(join(folder, `${family}-${steps}.json`), {
    ...shared,
    ...families[family],
    family,
    train: { ...trainOf(steps), checkSamples: 8 },
  });
}

const argv = (family: Rival, out: string, steps?: number) => [
  ...['train', '--data', data, '--out', join(folder, out)],
  ...['--config', configOf(family, steps), '--threads', '1'],
];

const weightsOf = (run: string) =>
  Object.fromEntries(Object.entries(snapshot(join(folder, run))).filter(([name]) => /^[^/]*\.safetensors$/.test(name)));

beforeAll(async () => {
  await writeSplitDrawings(data, 16);
  for (const family of rivals) {
    const { code, stderr } = await tessera(...argv(family, family));
    expect(stderr).toContain(`${family}: done`);
    expect(code).toBe(0);
  }
}, 120_000);

describe.each(rivals)('%s', family => {
  const run = join(folder, family);

  test('leaves weights to paint with, pictures, and a log of what it has cost', () => {
    for (const file of ['ema', 'model', 'best', 'text'])
      expect(existsSync(join(run, `${file}.safetensors`))).toBe(true);
    expect(existsSync(join(run, 'samples.png'))).toBe(true);
    const records = readJsonLines(join(run, 'metrics.jsonl')) as Record<string, number | string>[];
    const last = records.filter(({ stage, images }) => stage === family && images !== undefined).at(-1);
    expect(last).toMatchObject({ step: 8, images: 32 });
    expect(last?.flops).toBeGreaterThan(0);
    expect(last?.seconds).toBeGreaterThan(0);
    const check = records.filter(({ check_kid }) => check_kid !== undefined).at(-1);
    expect(Object.keys(check ?? {})).toEqual(expect.arrayContaining(['check_kid', 'check_coverage', 'check_spread']));
    expect(check?.step).toBe(8);
  });

  test('only what paints is in the weights', () => {
    const header = readFileSync(join(run, 'ema.safetensors')).toString('latin1', 8, 4000);
    expect(header).toContain(`tessera ${family}`);
    expect(header).not.toContain('discriminator.');
  });

  test('paints, image i of a seed the same beside any others, another without a caption', async () => {
    const paint = async (to: string, ...flags: string[]) => {
      const out = join(folder, 'painted', family, to);
      const { code, stderr } = await tessera('sample', '--run', run, '--outputs-dir', out, '--seed', '3', ...flags);
      expect(stderr).not.toContain('hint');
      expect(code).toBe(0);
      return out;
    };
    const three = await paint('three', '--text', 'red circle', '-n', '3');
    const one = await paint('one', '--text', 'red circle', '-n', '2', '--batch-size', '1');
    const none = await paint('none', '--text', '', '-n', '1');
    const pixels = (path: string) => sharp(path).raw().toBuffer();
    const of = (out: string, name: string, i: number) => pixels(join(out, name, `${i}.png`));
    expect(await of(one, 'red_circle', 1)).toEqual(await of(three, 'red_circle', 1));
    expect(await of(three, 'red_circle', 0)).not.toEqual(await of(three, 'red_circle', 1));
    expect(await of(none, 'no_caption', 0)).not.toEqual(await of(three, 'red_circle', 0));
  });

  test.skipIf(missing !== undefined)('stopped and started again it ends where an unbroken run does', async () => {
    const straight = await startTessera(argv(family, `${family}-straight`, 24));
    expect(straight.code).toBe(0);
    const stop: Stop = { signal: 'SIGINT', stage: family, step: 13 };
    const stopped = await startTessera(argv(family, `${family}-stopped`, 24), { stop });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain(`go on with: tessera train --data ${data}`);
    const resumed = await tessera(...argv(family, `${family}-stopped`, 24));
    expect(resumed.code).toBe(0);
    expect(weightsOf(`${family}-stopped`)).toEqual(weightsOf(`${family}-straight`));
    rmSync(join(folder, `${family}-straight`), { recursive: true });
  });
});

test('a text encoder that is not the one it was trained with is refused, in painting and in going on', async () => {
  const swapped = join(folder, 'swapped');
  cpSync(join(folder, 'dcgan'), swapped, { recursive: true });
  cpSync(join(folder, 'r3gan', 'model.safetensors'), join(swapped, 'text.safetensors'));
  const before = snapshot(swapped);
  const says = /was trained with another text encoder: it needs the one with SHA-256 /;
  const painted = await tessera('sample', '--run', swapped, '--text', 'red', '--outputs-dir', join(folder, 'fresh'));
  expect(painted).toMatchObject({ code: 2 });
  expect(painted.stderr).toMatch(says);
  expect(snapshot(swapped)).toEqual(before);
  cpSync(join(folder, 'r3gan', 'text.safetensors'), join(swapped, 'text.safetensors'));
  writeFileSync(join(swapped, 'text.safetensors'), withOtherWeights(readFileSync(join(swapped, 'text.safetensors'))));
  const resumed = await tessera('train', '--data', data, '--out', swapped, '--train.steps', '12', '--threads', '1');
  expect(resumed).toMatchObject({ code: 2 });
  expect(resumed.stderr).toMatch(says);
});

/** A file of tensors whose last number is another one. */
function withOtherWeights(file: Uint8Array): Uint8Array {
  const other = Uint8Array.from(file);
  other[other.length - 4] ^= 1;
  return other;
}

describe('mistakes', () => {
  const sample = (family: Rival, ...flags: string[]) => [
    ...['sample', '--run', join(folder, family), '--text', 'red', '--outputs-dir', join(folder, 'fresh')],
    ...flags,
  ];
  const mistakes: readonly { readonly argv: readonly string[]; readonly says: RegExp }[] = [
    {
      argv: sample('dcgan', '--temperature', '1'),
      says: /^sample: --temperature: .* is a dcgan run; a generator paints/,
    },
    { argv: sample('r3gan', '--cfg-scale', '2'), says: /^sample: --cfg-scale: .* is a r3gan run/ },
    { argv: sample('diffusion', '--preview'), says: /^sample: --preview: .* is a diffusion run; .* denoises/ },
    { argv: sample('diffusion', '--top-k', '3'), says: /^sample: --top-k: .* is a diffusion run/ },
    { argv: sample('diffusion', '--steps', '0'), says: /^sample: --steps: expected a whole number above 0/ },
    {
      argv: ['train', '--data', data, '--out', join(folder, 'fresh'), '--model', 'vae'],
      says: /^train: --model: expected one of transformer, dcgan, r3gan or diffusion, got "vae"/,
    },
    {
      argv: ['train', '--data', data, '--out', join(folder, 'fresh'), '--model', 'dcgan', '--image-size', '48'],
      says: /^config: imageSize 48, expected a power of two/,
    },
    {
      argv: ['train', '--data', data, '--out', join(folder, 'dcgan'), '--model', 'r3gan'],
      says: /^train: expected family "dcgan", as the run in .* has it, got "r3gan"/,
    },
    {
      argv: ['reconstruct', '--run', join(folder, 'dcgan'), data],
      says: /^reconstruct: .* is a dcgan run, which has no patch tokenizer/,
    },
  ];
  test.each(mistakes)('$says', async ({ argv: words, says }) => {
    const before = snapshot(join(folder, 'dcgan'));
    const { code, stderr } = await tessera(...words);
    const [line] = stderr.split('\n').filter(said => !/^(computing on |plan$)/.test(said));
    expect(line).toMatch(says);
    expect(code).toBe(2);
    expect(existsSync(join(folder, 'fresh'))).toBe(false);
    expect(snapshot(join(folder, 'dcgan'))).toEqual(before);
  });
});
