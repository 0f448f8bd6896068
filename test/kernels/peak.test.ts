/**
 * @file The kernels that measure the machine's roof do the work that they are timed for: every multiply-add is counted by its
 * own sum, and every value that is read or copied arrives.
 */
import { expect, test } from 'vitest';
import { measurePeak, peakCopyCall, peakFlopsCall, peakReadCall } from '../../src/kernels/peak/peak.ts';
import { useNative } from '../support.ts';

/** What `measurePeak` takes a piece for. */
const MULTIPLY_ADDS = 3 * 2 ** 20;
const PIECE = 2 ** 18;

test.for(['fp32', 'bf16'] as const)(
  'peakFlops makes as many multiply-adds as it is said to, in %s',
  async precision => {
    const backend = await useNative();
    const counts = new Float64Array(7);
    backend.call(peakFlopsCall, { counts }, { pieces: counts.length, precision });
    expect([...counts]).toEqual(Array(7).fill(MULTIPLY_ADDS));
  },
);

test.for([1, 1000, PIECE, 3 * PIECE + 77])('peakRead adds up all of %i values, peakCopy copies them', async size => {
  const backend = await useNative();
  const values = Float32Array.from({ length: size }, (_, i) => (i * 7) % 11); // sums are exact
  const sums = new Float32Array(Math.ceil(size / PIECE));
  backend.call(peakReadCall, { x: values, sums }, { size: values.length });
  const expected = Array.from(sums, (_, piece) =>
    values.subarray(piece * PIECE, (piece + 1) * PIECE).reduce((a, b) => a + b, 0),
  );
  expect([...sums]).toEqual(expected);

  const copy = new Float32Array(size);
  backend.call(peakCopyCall, { x: values, y: copy }, { size: values.length });
  expect(Buffer.compare(Buffer.from(copy.buffer), Buffer.from(values.buffer))).toBe(0);
});

test('the peak is the best of the runs, and its memory is given back', async () => {
  const backend = await useNative();
  backend.memoryPool.trim();
  const before = backend.memoryPool.statistics();
  // A clock by which the runs take 3, 1, 2, 3, 1, 2 ... ms.
  const durations = [3, 1, 2];
  let calls = 0;
  let time = 0;
  const now = () => {
    if (calls % 2 === 1) time += durations[((calls - 1) / 2) % 3];
    calls++;
    return time;
  };
  const peak = measurePeak(backend, now, { runs: 3, pieces: 4, floats: 1000 });
  expect(peak.gflops.fp32).toBeCloseTo((2 * 4 * MULTIPLY_ADDS) / 1e6, 9); // in 1 ms
  expect(peak.gflops.bf16).toEqual(backend.supportsBf16 ? peak.gflops.fp32 : undefined);
  expect(peak.bandwidth).toBeCloseTo(8000 / 1e6, 9); // copying: 4 bytes read and 4 written a value
  expect(backend.memoryPool.statistics()).toMatchObject({ used: before.used, held: before.held });
});
