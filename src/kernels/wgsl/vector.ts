/**
 * @file WGSL for kernels that read memory four floats at a time where an axis allows it and one at a time where not, from
 * f32 or from pairs of halves.
 */

/** How an axis is read: `lanes` floats at a time, kept in memory as f32 or as f16. */
export interface VectorFormat {
  readonly lanes: 1 | 4;
  /** Four halves in two words; only with four lanes. */
  readonly half: boolean;
}

/** @param channels of an axis that is contiguous in memory */
export function vectorFormat(channels: number, half: boolean): VectorFormat {
  return channels % 4 === 0 ? { lanes: 4, half } : { lanes: 1, half: false };
}

/** WGSL's type of a vector in registers. */
export function vectorType({ lanes }: VectorFormat): string {
  return lanes === 4 ? 'vec4<f32>' : 'f32';
}

/** WGSL's type of a vector in memory. */
export function storedType(format: VectorFormat): string {
  return format.half ? 'vec2<u32>' : vectorType(format);
}

/** 32-bit words of a vector in memory. */
export function storedWords({ lanes, half }: VectorFormat): number {
  return half ? 2 : lanes;
}

/**
 * Declares `V`, a vector in registers; `product(a, b)`, the sum of its lanes' products; `total(a)`, that of its lanes;
 * `widen` and `narrow` from and to memory. The packing of halves is core WGSL, so that this needs no shader-f16.
 */
export function vectorFunctions(format: VectorFormat): string {
  const stored = storedType(format);
  return `
    alias V = ${vectorType(format)};
    ${
      format.lanes === 4
        ? `fn product(a: V, b: V) -> f32 { return dot(a, b); }
           fn total(a: V) -> f32 { return (a.x + a.y) + (a.z + a.w); }`
        : `fn product(a: V, b: V) -> f32 { return a * b; }
           fn total(a: V) -> f32 { return a; }`
    }
    ${
      format.half
        ? `fn widen(a: ${stored}) -> V { return vec4f(unpack2x16float(a.x), unpack2x16float(a.y)); }
           fn narrow(a: V) -> ${stored} { return vec2u(pack2x16float(a.xy), pack2x16float(a.zw)); }`
        : `fn widen(a: V) -> V { return a; }
           fn narrow(a: V) -> V { return a; }`
    }`;
}
