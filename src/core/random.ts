/**
 * @file Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 * A draw depends only on (seed, stream, counter), so any draw can be made again without replaying the ones before it:
 * a resumed run needs two integers, and a kernel can make the same dropout mask forward and backward.
 */

import { UserError } from './errors.ts';

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const mid = aHigh * bLow + ((aLow * bLow) >>> 16);
  const mid2 = aLow * bHigh + (mid & 0xffff);
  return (aHigh * bHigh + Math.floor(mid / 65536) + Math.floor(mid2 / 65536)) >>> 0;
}

/**
 * One Philox4x32-10 block.
 * @param counter four unsigned 32-bit words, overwritten with the output
 * @param key0 low word of the key; @param key1 high word of the key
 */
export function philox(counter: Uint32Array, key0: number, key1: number): void {
  let [c0, c1, c2, c3] = counter;
  let k0 = key0 >>> 0;
  let k1 = key1 >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  counter[0] = c0;
  counter[1] = c1;
  counter[2] = c2;
  counter[3] = c3;
}

/**
 * A 64-bit hash of the UTF-8 bytes, as two words: turns names into streams and items into split buckets. The first word is
 * FNV-1a of 32 bits; the second is a like product that the first is mixed into (not FNV-1a of 64 bits).
 */
export function hashString(text: string): readonly [number, number] {
  let a = 0x811c9dc5;
  let b = 0x050c5d1f;
  for (const byte of new TextEncoder().encode(text)) {
    a = Math.imul(a ^ byte, 0x01000193) >>> 0;
    b = Math.imul(b ^ byte ^ (a >>> 15), 0x01000193) >>> 0;
  }
  return [a, b];
}

/** Where a generator stands; small enough for a JSON file. */
export interface RandomState {
  readonly seed: number;
  /** In [0, 2^53). */
  readonly stream: number;
  readonly counter: number;
}

function expectInteger(name: string, value: number, end: number): void {
  if (Number.isSafeInteger(value) && value >= 0 && value < end) return;
  throw new UserError(`Random: ${name}`, `expected a whole number from 0 to ${end - 1}, got ${value}`);
}

/** A stream of random numbers. Two generators with equal state draw equal numbers, on every platform. */
export class Random {
  readonly seed: number;
  readonly stream: number;
  private counter: number;
  private readonly block = new Uint32Array(4);
  private left = 0;

  /**
   * @param seed integer in [0, 2^32)
   * @param stream which of the seed's independent streams, an integer in [0, 2^53): its low 32 bits are the second word of
   * the key, as in the kernels that draw, and its high bits the third word of the counter
   * @param counter blocks that were drawn before, an integer in [0, 2^53)
   * @throws UserError if one lies outside
   */
  constructor(seed: number, stream = 0, counter = 0) {
    expectInteger('seed', seed, 2 ** 32);
    expectInteger('stream', stream, 2 ** 53);
    expectInteger('counter', counter, 2 ** 53);
    this.seed = seed;
    this.stream = stream;
    this.counter = counter;
  }

  /** An independent generator named by a label (and a number), e.g. `random.fork('dropout', step)`. */
  fork(label: string, index = 0): Random {
    const [a, b] = hashString(`${this.stream}/${label}/${index}`);
    return new Random(this.seed, a + (b & 0x1fffff) * 2 ** 32);
  }

  /** Unsigned 32-bit integer. */
  uint32(): number {
    if (this.left === 0) {
      this.block[0] = this.counter >>> 0;
      this.block[1] = Math.floor(this.counter / 2 ** 32);
      this.block[2] = Math.floor(this.stream / 2 ** 32);
      this.block[3] = 0;
      philox(this.block, this.seed, this.stream >>> 0);
      this.counter++;
      this.left = 4;
    }
    return this.block[4 - this.left--];
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  /** Uniform integer in [0, n), without modulo bias. @throws UserError unless n is a whole number from 1 to 2^32 */
  integer(n: number): number {
    if (!(Number.isInteger(n) && n >= 1 && n <= 2 ** 32)) {
      throw new UserError('Random.integer', `expected a whole number from 1 to ${2 ** 32}, got ${n}`);
    }
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const x = this.uint32();
      if (x < limit) return x % n;
    }
  }

  /** Standard normal, by the Box-Muller transform. */
  normal(): number {
    const u = (this.uint32() + 1) / 2 ** 32;
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Fills and returns an array of independent normals with the given standard deviation. */
  normals(length: number, deviation = 1): Float32Array {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) values[i] = deviation * this.normal();
    return values;
  }

  /** A random order of 0..n-1 (Fisher-Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** Where the generator stands; draws left in a half-used block are dropped so that the state is two integers. */
  state(): RandomState {
    this.left = 0;
    return { seed: this.seed, stream: this.stream, counter: this.counter };
  }

  static from(state: RandomState): Random {
    return new Random(state.seed, state.stream, state.counter);
  }
}
