/** @file The benchmark's program: its flags, its arithmetic, and a whole round beside a rival that is none. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type BenchFlags,
  benchFlags,
  chooseMode,
  modes,
  oneBatch,
  type Shape,
  shapeOf,
  splitLength,
} from '../../scripts/bench/flags.ts';
import { drawStripes, findGaps } from '../../scripts/bench/precision.ts';
import { bestPeak, change, fixed, percent } from '../../scripts/bench/report.ts';
import { type Measured, type Row, ratiosOf, summarize } from '../../scripts/bench/rounds.ts';
import { sampleRatios } from '../../scripts/bench/sample.ts';
import { withDeviations } from '../../scripts/bench/train.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { loadAddon } from '../../src/device/native/open-addon.ts';
import { root, temporaryFolder } from '../cli/program.ts';

const folder = temporaryFolder();

/** The program as a process of its own. */
function bench(...argv: readonly string[]) {
  return spawnSync(process.execPath, ['--import', 'tsx', join('scripts', 'bench', 'bench.ts'), ...argv], {
    cwd: root,
    encoding: 'utf8',
  });
}

describe('flags', () => {
  const defaults: BenchFlags = benchFlags.parse({});

  test('every flag means something to some mode', () => {
    const taken = new Set<string>(Object.values(modes).flat());
    expect(Object.keys(benchFlags.shape).filter(name => !taken.has(name))).toEqual([]);
  });

  test('a flag that means nothing to the mode is refused with those that do', () => {
    expect(chooseMode('train', ['rival', 'lengths', 'json'])).toBe('train');
    expect(() => chooseMode('tokenizer', ['json', 'rival'])).toThrow(
      'bench tokenizer: --rival: expected one of --rounds, --precision, --batch, --steps, --json, got --rival',
    );
    expect(() => chooseMode('sample', ['lengths'])).toThrow(UserError);
    expect(() => chooseMode('scaling', [])).toThrow(
      'bench: expected one of train, sample, tokenizer, roofline, precision, gpu, plan, got scaling',
    );
  });

  test('what depends on the mode has its default there', () => {
    expect(shapeOf(defaults)).toMatchObject({ captionLength: 256, grid: 32, width: 256, layers: 6, heads: 4 });
    expect(shapeOf({ ...defaults, grid: 8 }, { captionLength: 64, grid: 16 })).toMatchObject({
      captionLength: 64,
      grid: 8,
    });
    expect(oneBatch('train', defaults, 4)).toBe(4);
    expect(oneBatch('train', { ...defaults, batch: [2] }, 4)).toBe(2);
    expect(() => oneBatch('train', { ...defaults, batch: [1, 16] }, 4)).toThrow('expected one number, got 1,16');
  });

  test.each([
    [320, 64, 16],
    [640, 384, 16],
    [1280, 256, 32],
    [2560, 1536, 32],
    [1024, 768, 16], // the caption needs a position
    [2, 1, 1],
  ])('a sequence of %i is %i caption positions and a grid of %i', (T, captionLength, grid) => {
    expect(splitLength(T)).toEqual({ captionLength, grid });
  });
});

describe('the arithmetic', () => {
  const measured = (unitsPerSecond: number, peakMib: number, more: Partial<Measured> = {}): Measured => ({
    unitsPerSecond,
    msPerStep: 1000 / unitsPerSecond,
    peakMib,
    ...more,
  });
  const row = (who: Row['who'], precision: Row['precision'], m: Measured, name = ''): Row => ({
    case: name,
    who,
    precision,
    ...m,
  });

  test('rounds are summarised figure by figure; what one of them does not know is left out', () => {
    const rounds = [measured(1, 30, { gflops: 5 }), measured(2, 10, { gflops: 7 }), measured(4, 20, { gflops: 6 })];
    expect(summarize(rounds)).toEqual({ unitsPerSecond: 2, msPerStep: 500, peakMib: 20, gflops: 6 });
    expect(summarize([...rounds, measured(4, 20)])).not.toHaveProperty('gflops');
  });

  test('ratios are ours over the rival, greater is better, also for memory', () => {
    const rows = [
      row('tessera', 'fp32', measured(30, 100)),
      row('rival', 'fp32', measured(10, 150)),
      row('tessera', 'bf16', measured(20, 50)),
      row('rival', 'bf16', measured(40, 25)),
    ];
    expect(ratiosOf(rows, '')).toEqual({ fp32: 3, memory_fp32: 1.5, bf16: 0.5, memory_bf16: 0.5, best: 0.75 });
    expect(ratiosOf(rows, 'batch 1')).toEqual({});
    expect(ratiosOf(rows.slice(0, 1), '')).toEqual({});
  });

  test('painting is compared by the better precision of each', () => {
    const workload = { job: 'sample', shape: shapeOf(benchFlags.parse({})), batch: 1, steps: 1 } as const;
    const rows = [
      row('tessera', 'fp32', measured(30, 1), 'batch 1'),
      row('rival', 'fp32', measured(10, 1), 'batch 1'),
      row('tessera', 'bf16', measured(20, 1), 'batch 1'),
      row('rival', 'bf16', measured(40, 1), 'batch 1'),
    ];
    const cases = ['batch 1', 'batch 16'].map(name => ({ name, workload }));
    expect(sampleRatios(cases, rows)).toEqual({ ratio_batch1: 0.75, ratio_batch1_fp32: 3, ratio_batch1_bf16: 0.5 });
  });

  test('the time of an operation at each length is compared with T = 1280, precision by precision', () => {
    const at = (name: string, precision: Row['precision'], ms: number, gflopPerStep: number) =>
      row('tessera', precision, { ...measured(1, 1), msPerStep: ms, gflopPerStep }, name);
    const rows = [
      at('T 640', 'fp32', 30, 10),
      at('T 640', 'bf16', 9, 10),
      at('T 1280', 'fp32', 80, 40),
      at('T 1280', 'bf16', 40, 40),
      row('rival', 'fp32', measured(1, 1), 'T 640'),
    ];
    const deviations = (of: readonly Row[]) => withDeviations(of).map(({ deviation }) => deviation);
    expect(deviations(rows)).toEqual([0.5, expect.closeTo(-0.1, 12), 0, 0, undefined]);
    expect(deviations(rows.slice(0, 1))).toEqual([0]);
  });

  test('the peak is the best that any round has seen', () => {
    const peaks = [
      { gflops: { fp32: 100, bf16: 400 }, bandwidth: 30 },
      { gflops: { fp32: 200, bf16: 300 }, bandwidth: 20 },
    ];
    expect(bestPeak(peaks)).toEqual({ gflops: { fp32: 200, bf16: 400 }, bandwidth: 30 });
    expect(bestPeak([{ gflops: { fp32: 1 }, bandwidth: 2 }])).toEqual({ gflops: { fp32: 1 }, bandwidth: 2 });
  });
});

test('what is not known is a dash', () => {
  expect([fixed(undefined), fixed(Number.NaN, 2), percent(undefined), change(undefined)]).toEqual(['-', '-', '-', '-']);
  expect([fixed(1.256, 2), percent(0.256), change(0.031, 1), change(-0.5), change(0)]).toEqual([
    '1.26',
    '26%',
    '+3.1%',
    '-50%',
    '0%',
  ]);
});

describe('the precision mode', () => {
  const shape: Shape = { ...shapeOf(benchFlags.parse({})), captionLength: 6, grid: 8 };

  test('the gaps of two curves are found where they are', () => {
    const { absolute, relative, mean } = findGaps([8, 4, 1, 2], [8.5, 3, 1.5, 2]);
    expect(absolute).toEqual({ step: 1, absolute: 1, relative: 0.25 });
    expect(relative).toEqual({ step: 2, absolute: 0.5, relative: 0.5 });
    expect(mean).toBe(0.5);
  });

  test('captions determine codes but for the noise, and are padded as the model expects', () => {
    const { captions, codes } = drawStripes(shape, 400, new Random(3));
    const N = shape.grid ** 2;
    const L = shape.captionLength;
    const counts = new Map<string, number>();
    const words = new Set<string>();
    for (let b = 0; b < 400; b++) {
      const [colour, pattern, ...pads] = captions.subarray(b * L, (b + 1) * L);
      expect(pads).toEqual([2, 3, 4, 5].map(i => shape.captionVocab + i));
      words.add(`${colour} ${pattern}`);
      for (let i = 0; i < N; i++) {
        const key = `${colour} ${pattern} ${i} ${codes[b * N + i]}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    // Of the codes that a caption has at a place, the commonest should have all but the noise.
    const commonest = new Map<string, number>();
    for (const [key, count] of counts) {
      const place = key.slice(0, key.lastIndexOf(' '));
      commonest.set(place, Math.max(commonest.get(place) ?? 0, count));
    }
    const share = [...commonest.values()].reduce((a, b) => a + b, 0) / (400 * N);
    expect(words.size).toBeGreaterThan(50);
    expect(share).toBeGreaterThan(0.89);
    expect(share).toBeLessThan(0.93);
    expect(Math.max(...codes)).toBeLessThan(shape.imageVocab);
  });

  test('a model without room for the words is refused', () => {
    expect(() => drawStripes({ ...shape, imageVocab: 64 }, 1, new Random(0))).toThrow(UserError);
  });
});

describe.skipIf('reason' in loadAddon())('the program', () => {
  const rival = join(folder, 'rival.mjs');
  const broken = join(folder, 'broken.mjs');
  const small = '--width 16 --layers 1 --heads 2 --caption-length 3 --grid 2 --caption-vocab 8 --image-vocab 16'.split(
    ' ',
  );
  const once = ['--rounds', '1', '--steps', '1', '--precision', 'fp32', '--python', process.execPath, '--json'];

  beforeAll(() => {
    // Its speed is the length of the sequence that it was told of, its memory the vocabulary.
    writeFileSync(
      rival,
      `const at = name => Number(process.argv[process.argv.indexOf('--' + name) + 1]);
       console.log('loading');
       console.log(JSON.stringify({ tokens_per_s: at('seq'), s_per_step: 2, maxrss_mib: at('vocab'), gflops: 1 }));`,
    );
    writeFileSync(broken, `console.log(JSON.stringify({ speed: 'fast' }));`);
  });

  test('measures ours and the rival and prints one JSON object', () => {
    const { status, stdout, stderr } = bench('train', ...small, ...once, '--batch', '2', '--rival', rival);
    expect(status, stderr).toBe(0);
    const report = JSON.parse(stdout);
    const [ours, theirs] = report.table as Row[];
    expect(report.table).toHaveLength(2);
    expect(theirs).toMatchObject({ who: 'rival', unitsPerSecond: 7, msPerStep: 2000, peakMib: 3 + 8 + 16, gflops: 1 });
    expect(ours).toMatchObject({ who: 'tessera', precision: 'fp32' });
    expect(ours.unitsPerSecond).toBeCloseTo((1000 * 2 * 7) / ours.msPerStep, 6);
    expect(ours.share).toBeCloseTo((ours.gflops as number) / report.peak.gflops.fp32, 9);
    expect(report.ratio_fp32).toBeCloseTo(ours.unitsPerSecond / 7, 9);
    expect(report.ratio_memory_fp32).toBeCloseTo(27 / ours.peakMib, 9);
  });

  test('a rival that says something else is named', () => {
    const { status, stderr } = bench('train', ...small, ...once, '--rival', broken);
    expect(stderr).toContain('expected a JSON line with tokens_per_s');
    expect(status).toBe(2);
  });

  test('the patch tokenizer has no rival', () => {
    const { status, stdout, stderr } = bench('tokenizer', '--rival', rival);
    expect(stderr).toContain('hint: --rival is for train and sample');
    expect(stderr).not.toMatch(/^ +at /m);
    expect([status, stdout]).toEqual([2, '']);
  });

  test('painting more codes than an image has is refused', () => {
    const { status, stderr } = bench('sample', ...small, '--steps', '4');
    expect(stderr).toContain('bench sample: --steps: expected at most 3 codes, got 4');
    expect(status).toBe(2);
  });
});
