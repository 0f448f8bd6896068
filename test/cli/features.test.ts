/** @file `tessera features`: what it leaves, that it goes on where it stopped, and what it refuses. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeCaptions } from '../../src/families/contrastive/frozen.ts';
import { loadTowers } from '../../src/families/contrastive/towers.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import { captions, type Outcome, temporaryFolder, tessera, writeSplitDrawings } from './program.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const out = join(folder, 'features');
const small = ['--image-size', '16', '--validation', '0', '--dim', '8', '--width', '16', '--image-width', '8'];
const features = (...flags: string[]) => tessera('features', '--data', data, '--out', out, ...flags);
let first: Outcome;

beforeAll(async () => {
  await writeSplitDrawings(data, 16);
  first = await features(...small, '--steps', '3', '--batch-size', '4');
});

test('leaves a folder that stands alone', async () => {
  expect(first).toMatchObject({ code: 0 });
  expect(first.stdout).toMatch(
    /: held out: \d+\.\d% find their caption, \d+\.\d% their image, among 8, where guessing finds 12\.5%\n$/,
  );
  expect(readdirSync(out).sort()).toEqual(
    [
      ...['captions.jsonl.gz', 'config.json', 'metrics.csv', 'metrics.jsonl', 'state', 'tensorboard'],
      ...['text.safetensors', 'tokenizer.json'],
    ].sort(),
  );
  const towers = await loadTowers(join(out, 'text.safetensors'));
  expect(towers.config).toMatchObject({ dim: 8, width: 16, imageWidth: 8 });
  const tokenizer = BpeTokenizer.fromJSON(JSON.parse(readFileSync(join(out, 'tokenizer.json'), 'utf8')));
  expect(towers.sizes).toEqual({ vocabulary: tokenizer.vocabSize, imageSize: 16 });
  const rows = await encodeCaptions(towers, tokenizer, captions, { scaled: true });
  for (let i = 0; i < captions.length; i++) {
    expect(Math.hypot(...rows.subarray(8 * i, 8 * i + 8))).toBeCloseTo(Math.sqrt(8), 4);
  }
  towers.dispose();
  const records = readJsonLines(join(out, 'metrics.jsonl')) as Record<string, number | string>[];
  expect(records.every(({ stage }) => stage === 'text')).toBe(true);
  expect(records[records.length - 1]).toMatchObject({ step: 3, val_candidates: 8 });
  expect(records.some(record => Number(record.flops) > 0 && record.images === 12)).toBe(true);
});

test('goes on for more steps, and then has nothing to do', async () => {
  const more = await features('--steps', '5');
  expect(more.code).toBe(0);
  expect(more.stderr).toContain('resumed at step 3');
  const again = await features();
  expect(again).toMatchObject({ code: 0 });
  expect(again.stderr).toContain('text encoder: done before');
});

describe('refuses', () => {
  test.each([
    {
      name: 'another seed for features that are there',
      flags: ['--seed', '2'],
      says: `features: expected seed 1, as the run in ${out} has it, got 2`,
    },
    {
      name: 'heads that do not divide the width',
      flags: ['--width', '30', '--heads', '4', '--out', join(folder, 'new')],
      says: 'config: text.width 30 / text.heads 4: expected whole channels a head',
    },
    { name: 'a size that no grid fits', flags: ['--image-size', '20'], says: /image-size.*20/ },
    { name: "the transformer's flags", flags: ['--mlp', 'gelu'], says: 'features: unknown flag --mlp' },
  ])('$name', async ({ flags, says }) => {
    const { code, stderr } = await features(...flags);
    expect(stderr).toMatch(says);
    expect(code).toBe(2);
  });

  test('data that is not there, and leaves nothing', async () => {
    const nowhere = join(folder, 'nowhere');
    const { code, stderr } = await tessera('features', '--data', join(folder, 'none'), '--out', nowhere);
    expect(stderr).toContain('no such folder or file');
    expect(code).toBe(2);
    expect(existsSync(nowhere)).toBe(false);
  });
});
