/** @file What `doctor` tells of a GPU, a software one: what it is, has and lacks, and how fast it is. */
import { existsSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { describeGpu } from '../../src/cli/doctor/gpu.ts';
import { activeGpu } from '../../src/device/webgpu/webgpu.ts';
import { measureGpu } from '../../src/kernels/peak/gpupeak.ts';
import { noWebgpu } from '../support.ts';
import { startTessera } from './program.ts';

const skipped = noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`;

test.skipIf(noWebgpu !== undefined)(`a GPU is told of in lines that name what it lacks${skipped}`, async () => {
  const lines = await describeGpu({ now: () => performance.now() });
  const gpu = activeGpu();
  const { name = '', driver = '', features = new Set(), software } = gpu?.summary ?? {};
  expect(lines[0]).toContain(name);
  expect(lines[0]).toContain(driver);
  expect(lines.includes('a program on the CPU, for tests: --backend auto does not take it')).toBe(software);
  expect(lines.some(line => line.startsWith('no f16: '))).toBe(!features.has('shader-f16'));
  expect(lines.some(line => line.startsWith('no timestamps: '))).toBe(!features.has('timestamp-query'));
  const f16 =
    gpu?.matrixUnits === undefined ? /^products in f16: no \(.+\)$/ : /^products in f16: checked, on units of/;
  expect(lines.filter(line => f16.test(line))).toHaveLength(1);
  expect(lines.some(line => /^tensors of at most [\d,]+ MiB$/.test(line))).toBe(true);
  expect(lines.at(-1)).toMatch(/^[\d.e-]+ [TG]FLOP\/s fp32(, [\d.e-]+ [TG]FLOP\/s f16)?; copies at [\d.]+ GB\/s$/);
});

test.skipIf(noWebgpu !== undefined)(
  `measuring a GPU leaves its precision and its memory as they were${skipped}`,
  async () => {
    const gpu = activeGpu();
    if (gpu === undefined) throw new Error('no GPU is active');
    const { precision } = gpu;
    const before = gpu.memory().numBytesInGPU;
    const { tflops, bandwidth } = await measureGpu(gpu, { now: () => performance.now(), enough: 0, mostSide: 256 });
    expect(Math.min(tflops.fp32, bandwidth)).toBeGreaterThan(0);
    expect(gpu.precision).toBe(precision);
    expect(gpu.memory().numBytesInGPU).toBe(before);
  },
);

const drivers = ['/etc', '/usr/share', '/usr/local/etc', '/usr/local/share'].some(
  folder => existsSync(`${folder}/vulkan/icd.d`) && readdirSync(`${folder}/vulkan/icd.d`).length > 0,
);
const spoken = process.platform !== 'linux' || drivers;

test.skipIf(spoken)(
  `where Linux has no driver, that is one line, and Dawn says nothing${spoken ? ' (skipped: there is one)' : ''}`,
  async () => {
    const argv = ['sample', '--text', 'x', '--backend', 'webgpu'];
    const { code, stdout, stderr } = await startTessera(argv, { env: { VK_ICD_FILENAMES: '/nowhere.json' } });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.split('\n').map(line => line.slice(0, 25))).toEqual([
      'using the model that come',
      'backend webgpu: no GPU ad',
      '  hint: install the drive',
      '',
    ]);
  },
);
