/** @file WGSL that several kernels share: sums over a workgroup, and loops of a workgroup over a row. */

/**
 * Declares `fn sum_workgroup(value: f32, lane: u32) -> f32`, the sum over all invocations of a workgroup, in an order that
 * depends on nothing but `size`. Must be called by all of them.
 * @param size invocations, a power of two; @param type of what is summed, for several sums at once
 */
export function sumWorkgroup(size: number, type: 'f32' | 'vec2f' = 'f32'): string {
  return reduceWorkgroup('sum', size, (a, b) => `${a} + ${b}`, type);
}

/** Declares `fn max_workgroup(value: f32, lane: u32) -> f32`, likewise. */
export function maxWorkgroup(size: number): string {
  return reduceWorkgroup('max', size, (a, b) => `max(${a}, ${b})`);
}

function reduceWorkgroup(name: string, size: number, join: (a: string, b: string) => string, type = 'f32'): string {
  return `
    var<workgroup> ${name}_parts: array<${type}, ${size}>;
    fn ${name}_workgroup(value: ${type}, lane: u32) -> ${type} {
      workgroupBarrier();
      ${name}_parts[lane] = value;
      workgroupBarrier();
      for (var half = ${size / 2}u; half > 0u; half >>= 1u) {
        if (lane < half) { ${name}_parts[lane] = ${join(`${name}_parts[lane]`, `${name}_parts[lane + half]`)}; }
        workgroupBarrier();
      }
      return ${name}_parts[0];
    }`;
}
