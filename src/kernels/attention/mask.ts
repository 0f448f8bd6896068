/**
 * @file A mask of attention as a table: which keys a query may see, the same for all heads. A mask is known by being the
 * same object; it owns the forms in which kernels read it, which are made when first asked for and freed by `dispose`.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { ShapeError } from '../../core/errors.ts';

/** Which keys a query may see: all, those up to its own position, or what a table says. */
export type AttentionMask = 'none' | 'causal' | Mask;

/** A form of a mask in a device's memory. */
export interface DeviceForm {
  readonly tensor: TensorInfo;
  readonly free: () => void;
}

/** Bytes past the end of a row of `transposed`: more than a tile of queries. */
const TABLE_ROOM = 64;

export class Mask {
  /** For messages. */
  readonly name: string;
  /** T: queries are positions 0 .. T - 1, and so are keys. */
  readonly positions: number;
  /** [T, T], row = query, not 0 = may see; what src/kernels/decode reads. */
  readonly table: Uint8Array;
  private transposedForm: { readonly bytes: Uint8Array; readonly stride: number } | undefined;
  private bitsForm: Int32Array | undefined;
  private readonly deviceForms = new Map<object, DeviceForm>();

  /**
   * @param table [T, T], row = query, not 0 = may see; stays the mask's
   * @throws ShapeError if it is no square, or a query does not see its own position
   */
  constructor(name: string, table: Uint8Array) {
    const T = Math.sqrt(table.length);
    if (!Number.isInteger(T)) throw new ShapeError(`mask ${name}: expected T * T entries, got ${table.length}`);
    for (let i = 0; i < T; i++) {
      if (table[i * T + i] === 0) throw new ShapeError(`mask ${name}: position ${i} may not attend to itself`);
    }
    this.name = name;
    this.positions = T;
    this.table = table;
  }

  sees(query: number, key: number): boolean {
    return this.table[query * this.positions + key] !== 0;
  }

  /** For native/attention.cc: 0 or 1 by [key, query], rows `stride` apart with room for a tile of queries past the end. */
  get transposed(): { readonly bytes: Uint8Array; readonly stride: number } {
    this.transposedForm ??= transpose(this.table, this.positions);
    return this.transposedForm;
  }

  /** For WGSL: a bit for each key, 32 to a word, every query's row of `maskWords(T)` words after the one before. */
  get bits(): Int32Array {
    this.bitsForm ??= packBits(this.table, this.positions);
    return this.bitsForm;
  }

  /** The form in a device's memory, which `make` puts there when it is first asked for. */
  onDevice(device: object, make: () => DeviceForm): TensorInfo {
    let form = this.deviceForms.get(device);
    if (form === undefined) {
      form = make();
      this.deviceForms.set(device, form);
    }
    return form.tensor;
  }

  /** Frees every form but the table; a later use makes them again. */
  dispose(): void {
    for (const { free } of this.deviceForms.values()) free();
    this.deviceForms.clear();
    this.transposedForm = undefined;
    this.bitsForm = undefined;
  }
}

/** Words of 32 bits in a row of bits. */
export function maskWords(positions: number): number {
  return Math.ceil(positions / 32);
}

function transpose(table: Uint8Array, T: number): { bytes: Uint8Array; stride: number } {
  const stride = T + TABLE_ROOM;
  const bytes = new Uint8Array(T * stride);
  for (let i = 0; i < T; i++) {
    for (let j = 0; j < T; j++) bytes[j * stride + i] = table[i * T + j] === 0 ? 0 : 1;
  }
  return { bytes, stride };
}

function packBits(table: Uint8Array, T: number): Int32Array {
  const words = maskWords(T);
  const bits = new Int32Array(T * words);
  for (let i = 0; i < T; i++) {
    for (let j = 0; j < T; j++) {
      if (table[i * T + j] !== 0) bits[i * words + (j >> 5)] |= 1 << (j & 31);
    }
  }
  return bits;
}
