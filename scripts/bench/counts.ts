/**
 * @file What a kernel call has to do, from its numbers (each kernel's are listed above it in native/): floating-point
 * operations as the model needs them, so that work done twice to save memory counts once, and bytes, each buffer once.
 */
import type { KernelCall, Precision } from '../../src/device/native/native.ts';

export interface Work {
  /** The sizes that matter most; calls of a kernel that agree in them are alike. */
  readonly shape: string;
  /** Zero where there are no products: such kernels are bound by memory. */
  readonly flops: number;
  readonly bytes: number;
  /** Of the operands of products. */
  readonly precision: Precision;
}

interface Rule {
  readonly shape: (numbers: readonly number[]) => string;
  readonly flops?: (numbers: readonly number[], call: KernelCall) => number;
  /** Where among the numbers the precision is. */
  readonly precision?: number;
  /** Where not all of every buffer is touched. */
  readonly bytes?: (numbers: readonly number[], call: KernelCall) => number;
}

const linear: Rule = {
  shape: ([M, N, K]) => `${M}x${N}x${K}`,
  flops: ([M, N, K]) => 2 * M * N * K,
  precision: 4,
};

const conv2d: Rule = {
  shape: ([B, H, W, C, O, KH, KW]) => `${B}x${H}x${W}x${C} ${KH}x${KW} ${O}`,
  flops: ([B, H, W, C, O, KH, KW, stride]) => 2 * B * Math.ceil(H / stride) * Math.ceil(W / stride) * O * KH * KW * C,
  precision: 9,
};

/** Pairs of a query and a key in each head. Tables are counted as causal, the most that they let through here. */
function attendedPairs([, , Tq, Tk, , , kind]: readonly number[]): number {
  return kind === 0 ? Tq * Tk : Tq * (Tk - Tq) + (Tq * (Tq + 1)) / 2;
}

/** @param products of a pair's scores and values: two forward, four more for the gradient */
function attention(products: number): Rule {
  return {
    shape: ([B, H, Tq, Tk, D]) => `${B}x${H}x${Tq}x${Tk}x${D}`,
    flops: numbers => 2 * products * numbers[0] * numbers[1] * numbers[4] * attendedPairs(numbers),
    precision: 8,
  };
}

/** As ITERATIONS in src/kernels/muon/muon.ts. */
const MUON_ITERATIONS = 5;

/** x xᵀ, its square, and that times x, for every matrix in every iteration. */
function muonFlops(numbers: readonly number[]): number {
  let flops = 0;
  for (let i = 4; i < numbers.length; i += 4) {
    const [m, n] = [numbers[i], numbers[i + 1]].sort((a, b) => a - b);
    flops += MUON_ITERATIONS * 2 * (m * m * n + m * m * m + m * m * n);
  }
  return flops;
}

const FLOAT = 4;

/** What the decoder's step reads: `n` positions of every row after `start` others, the first `prefix` of them shared. */
function decoderSizes(numbers: readonly number[]) {
  const [rows, layers, C, , inner, vocabulary, , prefix, gated] = numbers;
  const [precision, start, n, wanted] = numbers.slice(-4);
  return { rows, layers, C, inner, vocabulary, prefix, gated: gated === 1, precision, start, n, wanted };
}

/** Every layer's products, attention, and the head where logits are wanted. */
function decoderFlops(numbers: readonly number[]): number {
  const { rows, layers, C, inner, vocabulary, gated, start, n, wanted } = decoderSizes(numbers);
  const weights = layers * (4 * C * C + (gated ? 3 : 2) * C * inner);
  const pairs = n * start + (n * (n + 1)) / 2;
  const heads = [0, 1, n][wanted];
  return 2 * rows * (n * weights + 2 * layers * C * pairs + heads * C * vocabulary);
}

/** The packed weights, keys and values of the positions read, what is shared once, and what goes in and out. */
function decoderBytes(numbers: readonly number[], { buffers }: KernelCall): number {
  const { rows, layers, C, prefix, precision, start, n } = decoderSizes(numbers);
  const [weights, , shared, sharedRow, x] = buffers;
  const sharedRows = shared === null ? 0 : new Set(sharedRow as Int32Array).size; // as its kernel reads it
  const positions = rows * (start + n - prefix) + sharedRows * prefix;
  const cache = 2 * layers * C * positions * (precision === 1 ? FLOAT / 2 : FLOAT);
  return cache + FLOAT * (elements(weights) + elements(x) + elements(buffers[buffers.length - 1]));
}

const rules: Readonly<Record<string, Rule>> = {
  linear,
  linearInputGradient: linear,
  linearWeightGradient: linear,
  matmul: {
    shape: ([batch, M, N, K]) => `${batch}x${M}x${N}x${K}`,
    flops: ([batch, M, N, K]) => 2 * batch * M * N * K,
    precision: 9,
  },
  linearCrossEntropy: {
    shape: ([, counted, V, C]) => `${counted}x${V}x${C}`,
    // The logits, and where gradients are wanted those of both factors.
    flops: ([, counted, V, C], { buffers }) => (buffers[4] === null ? 2 : 6) * counted * V * C,
    precision: 6,
  },
  conv2d,
  conv2dInputGradient: conv2d,
  conv2dWeightGradient: conv2d,
  attention: attention(2),
  attentionGradient: attention(4),
  attentionCached: {
    ...attention(2),
    shape: ([B, H, n, , D]) => `${B}x${H}x${n}x${D}`, // one more key every step
    bytes: ([B, H, n, Tk, D]) => FLOAT * B * H * D * (4 * n + 2 * Tk),
  },
  gatherCache: {
    shape: ([H, capacity, , D]) => `${H}x${capacity}x${D}`,
    bytes: ([H, , length, D], { buffers: [, rows] }) => 2 * FLOAT * elements(rows) * H * length * D,
  },
  embedding: {
    shape: ([N, C]) => `${N}x${C}`,
    bytes: ([N, C]) => FLOAT * (2 * N * C + N),
  },
  copyRows: {
    shape: ([rows, width]) => `${rows}x${width}`,
    bytes: ([rows, width]) => 2 * FLOAT * rows * width,
  },
  decoderStep: {
    shape: numbers => `${numbers[0]}x${decoderSizes(numbers).n}`,
    flops: decoderFlops,
    precision: 13,
    bytes: decoderBytes,
  },
  muon: { shape: () => '', flops: muonFlops, precision: 0 },
  // Some tensors a call, of any size: the calls of a step are one row.
  adamw: { shape: () => '' },
  squaredNorm: { shape: () => '' },
};

function elements(buffer: ArrayBufferView | null): number {
  return (buffer?.byteLength ?? 0) / FLOAT;
}

/** Counts one call. */
export function countWork(call: KernelCall): Work {
  const { kernel, buffers, numbers } = call;
  const rule = rules[kernel];
  // An operand may be given twice.
  const distinct = buffers.filter(
    (b, i) => b !== null && buffers.findIndex(o => o?.buffer === b.buffer && o.byteOffset === b.byteOffset) === i,
  );
  const bytes = rule?.bytes?.(numbers, call) ?? distinct.reduce((sum, b) => sum + (b?.byteLength ?? 0), 0);
  return {
    shape: rule?.shape(numbers) ?? `${Math.max(...buffers.map(elements))}`,
    flops: rule?.flops?.(numbers, call) ?? 0,
    bytes,
    precision: rule?.precision !== undefined && numbers[rule.precision] === 1 ? 'bf16' : 'fp32',
  };
}
