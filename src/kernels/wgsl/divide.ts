/**
 * @file Quotients by sizes that are only known when a kernel is sent, for indices into images. A power of two, as most
 * sizes of images are, takes one shift; a GPU has no instruction for other divisors and needs some twenty.
 */

export interface Divisors {
  /** Belongs into the kernel's `variant`. */
  readonly variant: string;
  /** Each size under its name, and what it takes to divide by it. */
  readonly uniforms: Readonly<Record<string, number>>;
  /** Declares `fn over_NAME(n: u32) -> u32`, n / size rounded down, for each of them. */
  readonly functions: string;
}

const isPower = (size: number) => size > 0 && (size & (size - 1)) === 0;

/** @param sizes by name; the WGSL sees them as `u.name`. Only together are they all powers of two, or not: two variants */
export function divisors(sizes: Readonly<Record<string, number>>): Divisors {
  const names = Object.keys(sizes);
  const shifts = Object.values(sizes).every(isPower);
  const bits = names.map(name => [`${name}_bits`, shifts ? Math.log2(sizes[name]) : 0]);
  return {
    variant: shifts ? 'shifts' : '',
    uniforms: { ...sizes, ...Object.fromEntries(bits) },
    functions: names
      .map(name => `fn over_${name}(n: u32) -> u32 { return n ${shifts ? `>> u.${name}_bits` : `/ u.${name}`}; }`)
      .join('\n'),
  };
}

/**
 * The same for numbers below 1024, by any size, without a division: `fn over_NAME(n: u32) -> u32`.
 * @param size at most 64
 */
export function smallDivisor(name: string, size: number): Divisors {
  return {
    variant: '',
    // n (2^16 / size + e) / 2^16 with e < 1 is less than 1/64 above n / size, too little to reach the next integer.
    uniforms: { [name]: size, [`${name}_factor`]: Math.ceil(65536 / size) },
    functions: `fn over_${name}(n: u32) -> u32 { return (n * u.${name}_factor) >> 16u; }`,
  };
}
