/** @file What `tessera doctor` tells of a GPU: what it is, what it can, what it cannot and why, and how fast it is. */
import { type GpuPeak, measureGpu } from '../../kernels/peak/gpupeak.ts';
import { startGpu } from '../../kernels/start.ts';
import type { Session } from '../../runs/session.ts';

/** Features that kernels use, and what is lost without them. */
const wanted = [
  ['shader-f16', 'f16', 'products are fp32; a newer driver may have it'],
  ['subgroups', 'subgroups', 'no matrix units without; a newer driver may have them'],
  [
    'chromium-experimental-subgroup-matrix',
    'matrix units',
    'products are fp32; needs a driver with VK_KHR_cooperative_matrix (or Metal)',
  ],
  ['timestamp-query', 'timestamps', 'kernels are timed by the clock'],
] as const;

/** Opens the GPU. @returns lines for the user @throws UserError if there is none */
export async function describeGpu({ now }: Pick<Session, 'now'>): Promise<string[]> {
  const gpu = await startGpu();
  const { name, vendor, architecture, driver, software, subgroups, matrices, features } = gpu.summary;
  const sizes = subgroups === undefined ? '' : ` of ${range(subgroups)}`;
  const has = wanted.filter(([feature]) => features.has(feature)).map(([, title]) => title);
  const shapes = matrices.map(({ M, N, K }) => `${M} x ${N} x ${K}`).join(', ');
  const { matrixUnits: units, noMatrixUnits } = gpu;
  return [
    `${name} (${[vendor, architecture].filter(part => part !== '').join(' ')}), driver ${driver}`,
    ...(software ? ['a program on the CPU, for tests: --backend auto does not take it'] : []),
    `has ${has.length === 0 ? 'nothing beyond the standard' : has.join(', ').replace('subgroups', `subgroups${sizes}`)}`,
    ...(shapes === '' ? [] : [`matrix units for f16 with sums in fp32: ${shapes}`]),
    ...wanted.filter(([feature]) => !features.has(feature)).map(([, title, loss]) => `no ${title}: ${loss}`),
    units === undefined
      ? `products in f16: no (${noMatrixUnits ?? 'the matrix units were not looked at'})`
      : `products in f16: checked, on units of ${units.M} x ${units.N} x ${units.K}`,
    `tensors of at most ${Math.round(gpu.largestTensor / 2 ** 20).toLocaleString('en')} MiB`,
    describeRates(await measureGpu(gpu, { now })),
  ];
}

function range({ min, max }: { readonly min: number; readonly max: number }): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}

/** Three digits, and the unit that leaves them before or just behind the point. */
function describeRate(tflops: number): string {
  return tflops >= 1 ? `${Number(tflops.toPrecision(3))} TFLOP/s` : `${Number((1000 * tflops).toPrecision(3))} GFLOP/s`;
}

function describeRates({ tflops, bandwidth }: GpuPeak): string {
  const rates = Object.entries(tflops).map(([precision, rate]) => `${describeRate(rate)} ${precision}`);
  return `${rates.join(', ')}; copies at ${Number(bandwidth.toPrecision(3))} GB/s`;
}
