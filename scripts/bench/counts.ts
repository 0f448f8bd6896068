/**
 * @file What a kernel call has to do, as its declaration counts it (`work` in src/kernels): floating-point
 * operations as the model needs them, so that work done twice to save memory counts once, and bytes, each buffer once.
 */
import { declaredCalls, unpackCall } from '../../src/device/native/calls.ts';
import type { KernelCall, Precision } from '../../src/device/native/native.ts';

const FLOAT = 4;

export interface Work {
  /** The sizes that matter most; calls of a kernel that agree in them are alike. */
  readonly shape: string;
  /** Zero where there are no products: such kernels are bound by memory. */
  readonly flops: number;
  readonly bytes: number;
  /** Of the operands of products. */
  readonly precision: Precision;
}

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

/** Pairs of a query and a key in each head. Tables are counted as causal, the most that they let through here. */
function attendedPairs([, , Tq, Tk, , , kind]: readonly number[]): number {
  return kind === 0 ? Tq * Tk : Tq * (Tk - Tq) + (Tq * (Tq + 1)) / 2;
}

interface Rule {
  readonly shape: (numbers: readonly number[]) => string;
  readonly flops: (numbers: readonly number[]) => number;
  /** Where among the numbers the precision is. */
  readonly precision: number;
  /** Where not all of every buffer is touched. */
  readonly bytes?: (numbers: readonly number[], call: KernelCall) => number;
}

/** @param products of a pair's scores and values: two forward, four more for the gradient */
function attention(products: number): Rule {
  return {
    shape: ([B, H, Tq, Tk, D]) => `${B}x${H}x${Tq}x${Tk}x${D}`,
    flops: numbers => 2 * products * numbers[0] * numbers[1] * numbers[4] * attendedPairs(numbers),
    precision: 8,
  };
}

/** Kernels that are called by position. */
const rules: Readonly<Record<string, Rule>> = {
  attention: attention(2),
  attentionGradient: attention(4),
  decoderStep: {
    shape: numbers => `${numbers[0]}x${decoderSizes(numbers).n}`,
    flops: decoderFlops,
    precision: 13,
    bytes: decoderBytes,
  },
};

function elements(buffer: ArrayBufferView | null): number {
  return (buffer?.byteLength ?? 0) / FLOAT;
}

/** Counts one call. */
export function countWork(call: KernelCall): Work {
  const { kernel, buffers, numbers } = call;
  const declaration = declaredCalls().get(kernel);
  const named = declaration && unpackCall(declaration, buffers, numbers);
  const work = named && declaration?.work?.(named);
  const rule = rules[kernel];
  // An operand may be given twice.
  const distinct = buffers.filter(
    (b, i) => b !== null && buffers.findIndex(o => o?.buffer === b.buffer && o.byteOffset === b.byteOffset) === i,
  );
  const bytes =
    work?.bytes ?? rule?.bytes?.(numbers, call) ?? distinct.reduce((sum, b) => sum + (b?.byteLength ?? 0), 0);
  return {
    shape: work?.shape ?? rule?.shape(numbers) ?? `${Math.max(...buffers.map(elements))}`,
    flops: work?.flops ?? rule?.flops(numbers) ?? 0,
    bytes,
    precision:
      named?.numbers.precision === 'bf16' || (rule !== undefined && numbers[rule.precision] === 1) ? 'bf16' : 'fp32',
  };
}
