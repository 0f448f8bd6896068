/**
 * @file What this machine can do at most, measured: multiply-adds from registers alone, and bytes streamed through memory,
 * on all threads of the native backend. Other kernels are judged by it (Williams et al. 2009, "Roofline"). C++:
 * native/peak.cc.
 */
import { nativeCall, precisionNumber, reads, writes } from '../../device/native/calls.ts';
import type { NativeBackend, Precision } from '../../device/native/native.ts';

/** The machine's roof. */
export interface Peak {
  /** GFLOP/s of products with operands of each precision; a multiply-add is two. bf16 where the processor has it. */
  readonly gflops: Readonly<Partial<Record<Precision, number>>> & { readonly fp32: number };
  /** GB/s from and to memory: reading, or copying, whichever is more. */
  readonly bandwidth: number;
}

/** As kMultiplyAdds and kFloats in native/peak.cc. */
const MULTIPLY_ADDS = 3 << 20;
const PIECE_FLOATS = 1 << 18;

/** How many multiply-adds each piece has made. */
export const peakFlopsCall = nativeCall({
  kernel: 'peakFlops',
  buffers: { counts: writes('pieces', 'float64') },
  numbers: { pieces: 'size', precision: precisionNumber },
});

/** The sum of each piece of PIECE_FLOATS. */
export const peakReadCall = nativeCall({
  kernel: 'peakRead',
  buffers: { x: reads('size'), sums: writes(`ceil(size / ${PIECE_FLOATS})`) },
  numbers: { size: 'size' },
});

/** A copy past the caches. */
export const peakCopyCall = nativeCall({
  kernel: 'peakCopy',
  buffers: { x: reads('size'), y: writes('size') },
  numbers: { size: 'size' },
});

/** A run of some 10 ms on two cores, and enough pieces for many. */
const PIECES = 512;
/** Larger than the caches of most processors: 128 MiB. */
const FLOATS = 1 << 25;

/**
 * Measures the peak: the best of several short runs of each kind, because others can only slow them down.
 * @param now a clock in milliseconds
 */
export function measurePeak(
  backend: NativeBackend,
  now: () => number,
  { runs = 8, pieces = PIECES, floats = FLOATS }: { runs?: number; pieces?: number; floats?: number } = {},
): Peak {
  const best = (work: () => void) => {
    work(); // warms up
    let shortest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < runs; i++) {
      const started = now();
      work();
      shortest = Math.min(shortest, now() - started);
    }
    return shortest * 1e6; // nanoseconds
  };
  const flops = (precision: Precision) =>
    (2 * pieces * MULTIPLY_ADDS) / best(() => multiply(backend, precision, pieces));
  const gflops = { fp32: flops('fp32'), ...(backend.supportsBf16 ? { bf16: flops('bf16') } : {}) };

  const [x, y] = [backend.output([floats]), backend.output([floats])];
  (backend.values(x) as Float32Array).fill(1); // memory that nobody has written yet is not there
  const sums = new Float32Array(Math.ceil(floats / PIECE_FLOATS));
  const bytes = 4 * floats;
  const reading = bytes / best(() => backend.call(peakReadCall, { x, sums }, { size: floats }));
  const copying = (2 * bytes) / best(() => backend.call(peakCopyCall, { x, y }, { size: floats }));
  for (const { dataId } of [x, y]) backend.disposeData(dataId);
  backend.memoryPool.trim();
  return { gflops, bandwidth: Math.max(reading, copying) };
}

function multiply(backend: NativeBackend, precision: Precision, pieces: number): void {
  backend.call(peakFlopsCall, { counts: new Float64Array(pieces) }, { pieces, precision });
}
