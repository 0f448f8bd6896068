/** @file `npm run bench -- gpu`: what it prints where there is no GPU, its arithmetic, and all of it on a GPU in software. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { knownPeak } from '../../scripts/bench/gpupeaks.ts';
import { kernelTable, notMeasured, resultTable } from '../../scripts/bench/gputable.ts';
import { root, temporaryFolder } from '../cli/program.ts';
import { noWebgpu } from '../support.ts';

const folder = temporaryFolder();

function bench(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawnSync(process.execPath, ['--import', 'tsx', join('scripts', 'bench', 'bench.ts'), 'gpu', ...argv], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

describe('the table', () => {
  test('says of every row that it was not measured where there is no GPU', () => {
    const lines = notMeasured({ models: ['small'], parts: ['train', 'sample'] }, [1, 16]);
    expect(lines).toEqual([
      '| 256 + 1024 positions, vocabulary 256 + 1024 + 8192 | Tessera | PyTorch | ratio |',
      '| --- | --- | --- | --- |',
      '| `small`: training | not measured | not measured | |',
      '| `small`: most memory of that training | not measured | not measured | |',
      '| `small`: dispatches of that step | not measured | | |',
      '| `small`: painting 1 image | not measured | not measured | |',
      '| `small`: painting 16 images at once | not measured | not measured | |',
    ]);
  });

  test('has speed, share and ratio, and the batch of a rival that needed a smaller one', () => {
    const ours = { tokensPerSecond: 1234567.8, share: 0.356, ms: 12.345 };
    const [, , train, sample, memory, dispatches] = resultTable([
      {
        kind: 'train',
        model: 'base',
        batch: 64,
        precision: 'f16',
        ours,
        rival: { ...ours, tokensPerSecond: 2469135.6, batch: 32 },
        ratio: 0.5,
      },
      { kind: 'sample', model: 'base', batch: 1, precision: 'f16', ours: { tokensPerSecond: 500, ms: 2 } },
      { kind: 'memory', model: 'base', ours: 3000, rival: 6000 },
      { kind: 'dispatches', model: 'base', dispatches: 300, dispatchesPerLayer: 24, cpuPerDispatch: 4.56 },
    ]);
    expect(train).toBe(
      '| `base`: training, batch 64, f16 | 1,234,568 tokens/s, 36% of the peak ' +
        '| 2,469,136 tokens/s, 36% of the peak (batch 32) | 0.5 |',
    );
    expect(sample).toBe('| `base`: painting 1 image | 500 tokens/s, 2.00 ms a step | | |');
    expect(memory).toBe('| `base`: most memory of that training | 3,000 MiB | 6,000 MiB | 0.5 |');
    expect(dispatches).toBe('| `base`: dispatches of that step | 300, 24 a layer, 4.6 µs of the CPU each | | |');
  });

  test('of kernels has the smallest in one row', () => {
    const kernels = [
      { name: 'linear', calls: 40, ms: 9, share: 0.9 },
      { name: 'norm', calls: 12, ms: 0.97, share: 0.097 },
      { name: 'x', calls: 1, ms: 0.02, share: 0.002 },
      { name: 'y', calls: 2, ms: 0.01, share: 0.001 },
    ];
    expect(kernelTable(kernels).slice(2)).toEqual([
      '| linear | 40 | 9.000 | 90.0% |',
      '| norm | 12 | 0.970 | 9.7% |',
      '| 2 smaller | 3 | 0.030 | 0.3% |',
      '| all | 55 | 10.000 | 100.0% |',
    ]);
  });
});

test('peaks are known by the names that Dawn gives', () => {
  const titles = ['nvidia-h100-80gb-hbm3', 'nvidia-h100-pcie', 'nvidia-a100-sxm4-80gb', 'nvidia-geforce-rtx-4090'];
  expect(titles.map(name => knownPeak(name)?.tflops)).toEqual([989, 756, 312, 165]);
  expect(knownPeak('nvidia-a10g')).toBeUndefined();
  expect(knownPeak('apple-m2')).toBeUndefined();
});

describe('the program', () => {
  test.skipIf(process.platform !== 'linux')('prints the empty table and a hint where there is no GPU', () => {
    const { status, stdout, stderr } = bench(['--rival', 'torch_gpt.py'], {
      VK_ICD_FILENAMES: join(folder, 'none.json'),
    });
    expect(stdout.trim().split('\n')).toEqual(
      notMeasured({ models: ['small', 'base'], parts: ['train', 'sample'] }, [1, 16, 256]),
    );
    expect(stderr).toMatch(/^not measured: backend webgpu: .*\n {2}hint: install/m);
    expect(status).toBe(0);
  });

  const missing = noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`;
  test.skipIf(noWebgpu !== undefined)(
    `runs from end to end in tiny sizes, beside a rival whose memory is soon full${missing}`,
    () => {
      const rival = join(folder, 'rival.mjs');
      writeFileSync(
        rival,
        `const at = name => Number(process.argv[process.argv.indexOf('--' + name) + 1]);
         if (!process.argv.includes('--bf16') || !process.argv.includes('cuda')) throw new Error('not asked for a GPU');
         if (at('batch') > 1) throw new Error('out of memory');
         console.log(JSON.stringify({ tokens_per_s: 7, s_per_step: 2, maxrss_mib: 1, peak_gib: 2, gflops: 1 }));`,
      );
      const flags = ['--smoke', '--json', '--models', 'small', '--batch', '1', '--peak', '1', '--rival', rival];
      const { status, stdout, stderr } = bench([...flags, '--python', process.execPath]);
      expect(status, stderr).toBe(0);
      const { gpu, roof, table, date } = JSON.parse(stdout);
      expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(roof).toEqual({ tflops: 1, source: 'as given' });
      expect(gpu.peak.tflops.fp32).toBeGreaterThan(0);
      expect(gpu.peak.bandwidth).toBeGreaterThan(0);
      const [train, sample] = table;
      expect(table).toHaveLength(2);
      expect(train.growth.tried.map(({ batch }: { batch: number }) => batch)).toContain(1);
      expect(train.ours.gflops).toBeCloseTo(train.ours.gflopPerStep / (train.ours.msPerStep / 1000), 9);
      expect(train.ours.dispatches).toBeGreaterThan(train.ours.dispatchesPerLayer);
      expect(train.ours.dispatchesPerLayer).toBeGreaterThan(0);
      expect(train.ours.cpuPerDispatch).toBeGreaterThan(0);
      expect(train.ours.peakMib).toBeGreaterThan(0);
      const kernels = train.ours.kernels as { calls: number; share: number }[];
      expect(kernels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
      expect(kernels.reduce((sum, { calls }) => sum + calls, 0)).toBe(train.ours.dispatches);
      expect(train.rival).toMatchObject({ batch: 1, unitsPerSecond: 7, peakMib: 2048 });
      expect(train.ratio).toBeCloseTo(train.ours.unitsPerSecond / 7, 9);
      expect(sample.what).toBe('sample');
      expect(sample.ours.kernels).toBeUndefined();
    },
    900_000,
  );
});
