/**
 * @file The calls of C++ kernels: the committed C++ is what the declarations say, numbers and buffers arrive where their
 * names say, and a call whose buffers are shorter than its numbers is refused before a kernel sees it.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nativeSources } from '../../scripts/native-calls.ts';
import { declaredCalls, nativeCall, optional, reads, unpackCall, writes } from '../../src/device/native/calls.ts';
import { NativeBackend } from '../../src/device/native/native.ts';
import '../../src/kernels/linear/linear.ts';
import { noKernels, useNative } from '../support.ts';

const builds = (['native', 'wasm'] as const).filter(build => noKernels[build] === undefined);

test('native/calls.h and native/kernels.cc are those of the declarations', async () => {
  for (const [path, text] of await nativeSources()) {
    expect(readFileSync(path, 'utf8'), `${path} is stale: run npx tsx scripts/native-calls.ts`).toBe(text);
  }
});

test('a packed call has its values under their names again', () => {
  const call = nativeCall({
    kernel: 'onlyOfThisTest',
    buffers: { x: reads('n'), y: optional(writes('n')) },
    numbers: { n: 'size', sizes: { list: 3 }, loud: 'flag', which: { enum: 'OnlyOfThisTest', names: ['a', 'b'] } },
    slots: { most: 4, buffers: { term: reads('n') }, numbers: { weight: 'float', keep: 'flag' } },
  });
  const [x, first, second] = [1, 2, 3].map(n => new Float32Array(n));
  const given = { n: 5, sizes: [7, 8, 9], loud: true, which: 'b' } as const;
  const slots = [
    { buffers: { term: first }, numbers: { weight: 0.5, keep: false } },
    { buffers: { term: second }, numbers: { weight: 2, keep: true } },
  ];
  const packed: { views?: readonly (ArrayBufferView | null)[]; numbers?: readonly number[] } = {};
  const recorder = Object.create(NativeBackend.prototype, {
    callPacked: {
      value: (_: string, views: readonly (ArrayBufferView | null)[], numbers: readonly number[]) =>
        Object.assign(packed, { views, numbers }),
    },
  }) as NativeBackend; // the method under test needs no addon
  recorder.call(call, { x, y: undefined }, given, slots);
  expect(packed).toEqual({ views: [x, null, first, second], numbers: [5, 7, 8, 9, 1, 1, 0.5, 0, 2, 1] });
  const declaration = declaredCalls().get('onlyOfThisTest');
  if (declaration === undefined) throw new Error('not declared');
  expect(unpackCall(declaration, packed.views ?? [], packed.numbers ?? [])).toEqual({
    buffers: { x, y: null },
    numbers: given,
    slots,
  });
  expect(() => nativeCall({ kernel: 'onlyOfThisTest', buffers: {}, numbers: {} })).toThrow('declared twice');
});

test.for(builds)('C++ refuses what would leave an array, on %s', async build => {
  const backend = await useNative(build);
  const [x, weight, y] = [6, 12, 8].map(n => new Float32Array(n)); // 2 x 3 times 3 x 4
  const call = (views: readonly (ArrayBufferView | null)[], numbers: readonly number[]) => () =>
    backend.callPacked('linear', views, numbers);
  const names = Object.keys(declaredCalls().get('linear')?.numbers ?? {});
  const numbers = (given: Readonly<Record<string, number>>) => names.map(name => given[name] ?? 0);
  const good = numbers({ M: 2, N: 4, K: 3 });
  expect(call([x, weight, null, null, y, null], good)).not.toThrow();
  expect(call([x, weight, null, null, y.subarray(1), null], good)).toThrow(
    'linear: expected y of M * N elements, 8, got 7',
  );
  expect(call([x, weight, y.subarray(5), null, y, null], good)).toThrow(
    'linear: expected bias of N elements, 4, got 3',
  );
  expect(call([x, null, null, null, y, null], good)).toThrow('linear: expected weight of N * K elements, 12, got 0');
  expect(call([x, new Uint8Array(12), null, null, y, null], good)).toThrow(
    'linear: expected weight of N * K elements, 12, got 3',
  );
  for (const M of [-1, Number.NaN, 2 ** 60, 2 ** 40]) {
    expect(call([x, weight, null, null, y, null], numbers({ M, N: 4, K: 3 }))).toThrow('linear: ');
  }
  expect(call([x, weight, null, null, y, null], numbers({ M: 2, N: 4, K: 3, activation: 9 }))).toThrow(
    'linear: activation is not what',
  );
  expect(call([x, weight, null, null, y], good)).toThrow('other buffers or numbers than this build takes');
  expect(call([x, weight, null, null, y, null], good.slice(1))).toThrow('other buffers or numbers');
});

test.for(builds)('slots are checked one by one, on %s', async build => {
  const backend = await useNative(build);
  const [sum, x] = [new Float64Array(1), Float32Array.of(1, 2, 3)];
  backend.callPacked('squaredNorm', [sum, x, x], [3, 2]);
  expect(sum[0]).toBe(14 + 5);
  expect(() => backend.callPacked('squaredNorm', [sum, x, x], [3, 4])).toThrow(
    'squaredNorm: expected x of size elements, 4, got 3',
  );
  expect(() => backend.callPacked('squaredNorm', [sum, x], [3, 2])).toThrow('other buffers or numbers');
});
