/**
 * @file What a kernel call has to do, as its declaration counts it (`work` in src/kernels): floating-point operations as the
 * model needs them, so that work done twice to save memory counts once, and bytes, each buffer once.
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

/** Counts one call. */
export function countWork({ kernel, buffers, numbers }: KernelCall): Work {
  const declaration = declaredCalls().get(kernel);
  if (declaration === undefined) throw new Error(`bench: no kernel ${kernel} is declared`);
  const call = unpackCall(declaration, buffers, numbers);
  const { shape, flops = 0, bytes } = declaration.work?.(call) ?? {};
  // An operand may be given twice.
  const distinct = buffers.filter(
    (b, i) => b !== null && buffers.findIndex(o => o?.buffer === b.buffer && o.byteOffset === b.byteOffset) === i,
  );
  return {
    shape: shape ?? `${Math.max(...buffers.map(buffer => (buffer?.byteLength ?? 0) / FLOAT))}`,
    flops,
    bytes: bytes ?? distinct.reduce((sum, b) => sum + (b?.byteLength ?? 0), 0),
    precision: call.numbers.precision === 'bf16' ? 'bf16' : 'fp32',
  };
}
