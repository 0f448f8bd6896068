/** @file `tessera eval` on runs that know nothing: what it prints and logs, what does not apply, and bad input. */
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { writeClip } from '../features/clip-fixture.ts';
import {
  hardlyTrained,
  type Outcome,
  temporaryFolder,
  tessera,
  writeConfig,
  writeDrawings,
  writeSplitDrawings,
} from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const [data, run, clip] = [at('shapes'), at('run'), at('clip')];
const evaluate = (...flags: string[]) => tessera('eval', '--run', run, '--data', data, '--threads', '1', ...flags);

interface Line {
  readonly metric: string;
  readonly row: string;
  readonly features: string | null;
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly [field: string]: unknown;
}

/** The results in a run's log. */
function resultsOf(where: string): Line[] {
  return (readJsonLines(join(where, 'metrics.jsonl')) as Line[]).filter(({ stage }) => stage === 'eval');
}

beforeAll(async () => {
  await tessera('data', 'shapes', '--out', data, '--count', '90', '--size', '32', '--hold-out', '0');
  const images = { ...hardlyTrained.images, validation: 0.3 };
  const config = writeConfig(at('config.json'), { ...hardlyTrained, images, caption: { vocabSize: 300 } });
  const { code, stderr } = await tessera('train', '--data', data, '--out', run, '--config', config, '--threads', '1');
  expect(stderr).toContain('transformer: done');
  expect(code).toBe(0);
  writeClip(clip);
}, 60_000);

describe('an evaluation', () => {
  const metrics = 'kid,prdc,fd,cmmd,clip-score,r-precision,caption-accuracy,nll,recon,nearest';
  let lines: Line[] = [];
  let table = '';

  beforeAll(async () => {
    const { code, stdout, stderr } = await evaluate('--metrics', metrics, '-n', '16', '--features', `pixels,${clip}`);
    expect(stderr).toContain('painting: done');
    expect(code).toBe(0);
    lines = resultsOf(run);
    table = stdout;
  }, 60_000);

  const find = (metric: string, row: string, features: string | null) =>
    lines.find(line => line.metric === metric && line.row === row && line.features === features);

  test('logs a line for every number with where it comes from', () => {
    for (const line of lines) {
      expect(line).toMatchObject({ stage: 'eval', run, step: 2, weights: 'ema', seed: 0 });
      if (line.value === null) continue;
      expect(line.n).toBe(16);
      expect(line.low).toBeLessThanOrEqual(line.value + 1e-12);
      expect(line.high).toBeGreaterThanOrEqual(line.value - 1e-12);
    }
    for (const features of ['pixels-8', `clip:${clip}`]) {
      for (const metric of ['kid', 'coverage', 'precision', 'recall', 'density', 'fd', 'fd-blur-8', 'cmmd']) {
        for (const row of ['samples', 'floor', 'reconstruction']) {
          expect(find(metric, row, features)?.value, `${metric} ${row} ${features}`).toEqual(expect.any(Number));
        }
      }
    }
  });

  test('finds a model that paints nothing far off, and real images near', () => {
    for (const [metric, better] of [
      ['kid', -1],
      ['fd', -1],
      ['coverage', 1],
      ['recall', 1],
    ] as const) {
      const [samples, floor] = ['samples', 'floor'].map(row => Number(find(metric, row, 'pixels-8')?.value));
      expect(better * (floor - samples), metric).toBeGreaterThan(0);
    }
    expect(find('caption-accuracy', 'floor', null)?.value).toBeGreaterThan(0.9);
    expect(find('caption-accuracy', 'samples', null)?.value).toBe(0);
    expect(find('nearest-ratio', 'floor', null)?.value).toBe(1);
    expect(find('perplexity', 'samples', null)?.value).toBeCloseTo(
      Math.exp(Number(find('nll', 'samples', null)?.value)),
      9,
    );
    expect(find('psnr', 'reconstruction', null)?.value).toBeLessThan(20);
  });

  test('says why a number is missing, and never gives 0 for it', () => {
    expect(find('clip-score', 'samples', 'pixels-8')).toMatchObject({
      value: null,
      details: { reason: 'these features know no captions' },
    });
    expect(find('clip-score', 'samples', `clip:${clip}`)?.value).toEqual(expect.any(Number));
    expect(find('r-precision', 'floor', `clip:${clip}`)).toMatchObject({
      value: null,
      details: { reason: expect.stringMatching(/^needs more than 99 different captions, there are \d+$/) },
    });
    expect(table).toContain('n/a  clip-score, r-precision: these features know no captions');
  });

  test('prints a table that leads with KID and coverage', () => {
    const rows = table.split('\n');
    expect(rows[0]).toBe(`${run}: step 2, ema weights, 16 images of held-out captions, seed 0`);
    expect(rows[1].trim().split(/ {2,}/)).toEqual(['samples', 'real images', 'tokenizer']);
    expect(rows[2]).toBe('features pixels-8');
    expect(rows[3]).toMatch(/^ {2}kid x 1000 +\S+ \[\S+, \S+\] +\S+ \[\S+, \S+\] +\S+ \[\S+, \S+\]$/);
    expect(rows[4]).toMatch(/^ {2}coverage /);
  });

  test('measures the same numbers again, and other ones with another seed', async () => {
    const values = (from: readonly Line[]) =>
      from.map(({ metric, row, value, low, high }) => ({ metric, row, value, low, high }));
    const before = resultsOf(run).length;
    await evaluate('--metrics', 'kid', '-n', '16', '--features', 'pixels');
    const again = resultsOf(run).slice(before);
    expect(values(again)).toEqual(values(lines.filter(line => line.metric === 'kid' && line.features === 'pixels-8')));
    await evaluate('--metrics', 'kid', '-n', '16', '--features', 'pixels', '--seed', '1');
    expect(resultsOf(run).at(-3)?.value).not.toBe(again[0].value);
  });
});

describe('where nothing is held out', () => {
  const [small, other] = [at('drawings'), at('by-heart')];
  const measure = (...flags: string[]) =>
    tessera('eval', '--run', other, '--data', small, '-n', '12', '--threads', '1', ...flags);
  let trained: Outcome;

  beforeAll(async () => {
    await writeDrawings(small);
    const config = writeConfig(at('small.json'), hardlyTrained);
    trained = await tessera('train', '--data', small, '--out', other, '--config', config, '--threads', '1');
  }, 60_000);

  test('training says so once, and gives no number and no weights that would need it', () => {
    expect(trained.code).toBe(0);
    expect(trained.stderr.match(/nothing is held out/g)).toHaveLength(1);
    expect(trained.stderr).toContain('nothing is held out (validation is 0)\n');
    expect(trained.stderr).not.toMatch(/nats a code|dB/);
    expect(existsSync(join(other, 'best.safetensors'))).toBe(false);
    for (const name of ['ema.safetensors', 'model.safetensors', 'samples.png', 'reconstructions.png'])
      expect(existsSync(join(other, name)), name).toBe(true);
    const records = readJsonLines(join(other, 'metrics.jsonl')) as Record<string, unknown>[];
    expect(records.flatMap(record => Object.keys(record)).filter(key => /^(val|check)_/.test(key))).toEqual([]);
    expect(records.filter(({ note }) => note === 'nothing is held out').map(({ stage }) => stage)).toEqual([
      'patch',
      'transformer',
    ]);
  });

  test('an evaluation paints training captions, and says n/a and why of what needs other images', async () => {
    const { code, stdout, stderr } = await measure();
    expect(code).toBe(0);
    expect(stderr).toContain(
      'nothing is held out (validation is 0): what needs images that it has never seen is n/a\n',
    );
    expect(stdout).toContain('12 images of training captions');
    expect(stdout).toMatch(/^n\/a {2}real images, tokenizer, .*nll, .*nearest-ratio.*: nothing is held out$/m);
    expect(stdout).toContain(
      'n/a  coverage, precision, recall, density: needs 12 real images on both sides, there are 8',
    );
    expect(stdout).not.toMatch(/NaN|Infinity/);
    const lines = resultsOf(other);
    const given = lines.filter(({ value }) => value !== null).map(({ metric, row }) => `${metric} ${row}`);
    expect(new Set(given.map(name => name.split(' ')[1]))).toEqual(new Set(['samples']));
    expect(given).toEqual(expect.arrayContaining(['kid samples', 'fd samples', 'authentic samples']));
    for (const metric of ['nearest-ratio', 'nll', 'bits-per-dim', 'psnr']) {
      const [line] = lines.filter(other => other.metric === metric);
      expect(line).toMatchObject({ value: null, low: null, high: null, details: { reason: 'nothing is held out' } });
    }
    expect(new Set(lines.map(({ split }) => split))).toEqual(new Set(['train']));
  }, 60_000);

  test('the best weights are not there, and the message says why', async () => {
    const { code, stderr } = await measure('--weights', 'best');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^load: weights: expected ema or last, which \S+ has, got best; .* held-out images/m);
  });

  test('the held-out side can be asked for, and is not there', async () => {
    const { code, stderr } = await measure('--split', 'validation');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^eval: --split: no image of validation: 8 were trained on, 0 are held out, 0 not used$/m);
  });
});

describe('bad input is refused in one line', () => {
  const log = () => readFileSync(join(run, 'metrics.jsonl'), 'utf8');

  test.each([
    ['an unknown metric', ['--metrics', 'fid'], /--metrics: .*kid.*nearest.*fid/],
    ['too few images', ['--metrics', 'prdc', '-n', '8'], /^eval: --num-images 8: prdc needs at least 12\n {2}hint/],
    ['too few real ones', ['--metrics', 'kid', '--reference', '3'], /^eval: --reference 3: kid needs at least 4/],
    [
      'unknown features',
      ['--features', 'perception', '-n', '4', '--metrics', 'kid'],
      /^features: expected pixels, random/,
    ],
    ['no data', ['--data', '/nowhere', '-n', '4', '--metrics', 'kid'], /\/nowhere/],
    ['no run', ['--run', '/nowhere'], /^eval: no run in \/nowhere/],
  ])('%s', async (_, flags, message) => {
    const before = log();
    const { code, stdout, stderr } = await evaluate(...flags);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(log()).toBe(before);
  });

  test('a run that is not trained yet', async () => {
    cpSync(run, at('untrained'), { recursive: true });
    for (const kind of ['ema', 'best', 'model']) rmSync(at('untrained', `${kind}.safetensors`));
    const { code, stderr } = await tessera('eval', '--run', at('untrained'), '--data', data, '-n', '16');
    expect(code).toBe(2);
    expect(stderr).toMatch(/the transformer of .* is not trained yet/);
  });
});

describe('a rival', () => {
  const [drawings, rival] = [at('few'), at('dcgan')];

  beforeAll(async () => {
    await writeSplitDrawings(drawings, 16);
    const config = writeConfig(at('dcgan.json'), {
      family: 'dcgan',
      images: { imageSize: 16, validation: 0, crops: 1 },
      caption: { vocabSize: 300, bpeDropout: 0 },
      text: { length: 8, dim: 16, width: 16, layers: 1, heads: 2, imageWidth: 8 },
      textTrain: { steps: 2, batchSize: 4 },
      gan: { latent: 8, width: 8 },
      train: { steps: 2, batchSize: 4, checkSamples: 0 },
    });
    const flags = ['--data', drawings, '--out', rival, '--config', config, '--threads', '1'];
    expect((await tessera('train', ...flags)).code).toBe(0);
  }, 60_000);

  const measure = (...flags: string[]) => tessera('eval', '--run', rival, '--data', drawings, '-n', '8', ...flags);

  test('is measured alike, without what it does not have', async () => {
    const { code, stdout } = await measure('--metrics', 'kid,nll,recon');
    expect(code).toBe(0);
    const lines = resultsOf(rival);
    expect(lines.map(({ metric, row, value }) => [metric, row, typeof value])).toEqual([
      ['kid', 'samples', 'number'],
      ['kid', 'floor', 'number'],
      ...['nll', 'perplexity', 'bits-per-dim'].map(metric => [metric, 'samples', 'object']),
      ...['psnr', 'ssim'].map(metric => [metric, 'reconstruction', 'object']),
    ]);
    expect(stdout).toContain('n/a  nll, perplexity, bits-per-dim: a GAN (dcgan) has no likelihood');
    expect(stdout).toContain('n/a  psnr, ssim: dcgan has no tokenizer');
  });

  test('is not judged by the network that tells it what its captions say', async () => {
    const { code, stderr } = await measure('--metrics', 'kid', '--features', rival);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^eval: the features .*dcgan are the text encoder that .* paints by\n {2}hint/);
  });
});
