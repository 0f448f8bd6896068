/** @file The random numbers: Philox against the vectors its authors publish, streams against statistics of their draws. */
import { describe, expect, test } from 'vitest';
import { philox, Random } from '../../src/core/random.ts';

/** Pearson's statistic of counts against equal expected counts. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((a, b) => a + b, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe('philox', () => {
  // Random123 (Salmon et al. 2011), kat_vectors, philox4x32 10.
  const vectors: readonly { counter: number[]; key: [number, number]; output: number[] }[] = [
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      output: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      output: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      output: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ];
  for (const { counter, key, output } of vectors) {
    test(`gives the published block for counter ${counter[0].toString(16)}...`, () => {
      const block = Uint32Array.from(counter);
      philox(block, key[0], key[1]);
      expect([...block]).toEqual(output);
    });
  }

  test('equals the definition in 64-bit arithmetic for arbitrary counters and keys', () => {
    const source = new Random(1);
    for (let trial = 0; trial < 200; trial++) {
      const block = Uint32Array.from({ length: 4 }, () => source.uint32());
      const [key0, key1] = [source.uint32(), source.uint32()];
      const expected = philoxBigInt([...block], key0, key1);
      philox(block, key0, key1);
      expect([...block]).toEqual(expected);
    }
  });
});

/** The algorithm as its paper writes it, in integers without a limit. */
function philoxBigInt(counter: number[], key0: number, key1: number): number[] {
  const mask = 0xffffffffn;
  let [c0, c1, c2, c3] = counter.map(BigInt);
  let [k0, k1] = [BigInt(key0), BigInt(key1)];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3].map(Number);
}

test('what is out of range is refused, not turned into something else', () => {
  for (const seed of [-1, 1.5, 2 ** 32, Number.NaN]) {
    expect(() => new Random(seed)).toThrow(`Random: seed: expected a whole number from 0 to 4294967295, got ${seed}`);
  }
  expect(() => new Random(0, -1)).toThrow('Random: stream: expected');
  expect(() => Random.from({ seed: 0, stream: 0, counter: 0.5 })).toThrow('Random: counter: expected');
  for (const n of [0, -1, 1.5, 2 ** 32 + 1]) {
    expect(() => new Random(0).integer(n)).toThrow(`Random.integer: expected a whole number from 1 to 4294967296`);
  }
  expect(new Random(0).integer(1)).toBe(0);
});

describe('a stream', () => {
  test('is the blocks of its counter, word by word', () => {
    const random = new Random(7, 9);
    const drawn = Array.from({ length: 12 }, () => random.uint32());
    const blocks = [0, 1, 2].flatMap(counter => philoxBigInt([counter, 0, 0, 0], 7, 9));
    expect(drawn).toEqual(blocks);
  });

  test('goes beyond 2^32 blocks without repeating', () => {
    const late = new Random(7, 9, 2 ** 32);
    expect(late.uint32()).toBe(philoxBigInt([0, 1, 0, 0], 7, 9)[0]);
    expect(late.uint32()).not.toBe(new Random(7, 9).uint32());
  });

  test('goes on from its saved state as it goes on itself, wherever in a block it was', () => {
    for (let before = 0; before < 9; before++) {
      const random = new Random(3, 4);
      for (let i = 0; i < before; i++) random.uint32();
      const restored = Random.from(JSON.parse(JSON.stringify(random.state())));
      const ahead = Array.from({ length: 10 }, () => random.uint32());
      expect(Array.from({ length: 10 }, () => restored.uint32())).toEqual(ahead);
    }
  });

  test('draws nothing twice over a saved state', () => {
    const random = new Random(3, 4);
    const first = Array.from({ length: 6 }, () => random.uint32());
    random.state();
    const second = Array.from({ length: 6 }, () => random.uint32());
    expect(second.filter(x => first.includes(x))).toEqual([]);
  });

  test('forks depend on seed, parent, label and index, and not on what the parent has drawn', () => {
    const first = (random: Random) => random.uint32();
    const parent = new Random(1);
    const reference = first(parent.fork('a', 2));
    parent.uint32();
    expect(first(parent.fork('a', 2))).toBe(reference);
    const others = [
      new Random(2).fork('a', 2),
      new Random(1).fork('b', 2),
      new Random(1).fork('a', 3),
      new Random(1).fork('x').fork('a', 2),
      new Random(1).fork('a/2'),
    ];
    for (const other of others) expect(first(other)).not.toBe(reference);
  });

  test('300,000 names give 300,000 streams, whose first draws differ too', () => {
    // 32 bits would collide about ten times; two of these pairs did ("0/image/57019" and "0/image/61115").
    const random = new Random(0);
    const forks = Array.from({ length: 300_000 }, (_, i) => random.fork('image', i));
    expect(new Set(forks.map(({ stream }) => stream)).size).toBe(300_000);
    expect(new Set(forks.map(fork => `${fork.uint32()} ${fork.uint32()}`)).size).toBe(300_000);
    expect(forks.every(({ stream }) => Number.isSafeInteger(stream))).toBe(true);
  });

  test('a stream above 32 bits survives its state, and its high bits change the draws', () => {
    const fork = new Random(3).fork('x');
    expect(fork.stream).toBeGreaterThan(2 ** 32);
    fork.uint32();
    const again = Random.from(JSON.parse(JSON.stringify(fork.state())) as ReturnType<Random['state']>);
    const low = new Random(3, fork.stream % 2 ** 32, again.state().counter);
    const next = again.uint32();
    expect(next).toBe(fork.uint32());
    expect(next).not.toBe(low.uint32());
  });
});

describe('draws', () => {
  test('uniform numbers are in [0, 1) and uniform: 100 bins by chi-square', () => {
    const random = new Random(5);
    const counts = new Array<number>(100).fill(0);
    for (let i = 0; i < 50000; i++) counts[Math.floor(random.uniform() * 100)]++;
    expect(counts.length).toBe(100); // nothing fell outside
    expect(counts.reduce((a, b) => a + b)).toBe(50000);
    expect(chiSquare(counts)).toBeLessThan(149); // 0.1% of 99 degrees of freedom
    expect(chiSquare(counts)).toBeGreaterThan(58);
  });

  test('neighbouring numbers are independent: pairs in 10 x 10 bins', () => {
    const random = new Random(6);
    const counts = new Array<number>(100).fill(0);
    for (let i = 0; i < 25000; i++)
      counts[Math.floor(random.uniform() * 10) * 10 + Math.floor(random.uniform() * 10)]++;
    expect(chiSquare(counts)).toBeLessThan(149);
  });

  test('integers have no modulo bias: 3 * 2^30 falls below 2^30 a third of the time, not half', () => {
    const random = new Random(7);
    const n = 3 * 2 ** 30;
    const draws = 20000;
    let low = 0;
    for (let i = 0; i < draws; i++) {
      const x = random.integer(n);
      if (x < 2 ** 30) low++;
      if (!(x >= 0 && x < n)) throw new Error(`${x} is outside [0, ${n})`);
    }
    const deviation = Math.sqrt((draws * (1 / 3) * 2) / 3);
    expect(Math.abs(low - draws / 3)).toBeLessThan(4 * deviation);
  });

  test('integers of a small range are uniform, and integer(1) is 0', () => {
    const random = new Random(8);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 21000; i++) counts[random.integer(7)]++;
    expect(chiSquare(counts)).toBeLessThan(22.5); // 0.1% of 6
    expect(random.integer(1)).toBe(0);
  });

  test('normals have the moments of a normal distribution, and its tails', () => {
    const n = 100000;
    const x = new Random(9).normals(n, 2);
    const moment = (power: number) => x.reduce((sum, value) => sum + (value / 2) ** power, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(4 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(4 * Math.sqrt(96 / n));
    const beyond = x.filter(value => Math.abs(value) > 2 * 1.959964).length / n;
    expect(Math.abs(beyond - 0.05)).toBeLessThan(4 * Math.sqrt((0.05 * 0.95) / n));
    expect(x.every(Number.isFinite)).toBe(true);
  });

  test('permutations are permutations, and all of them are equally likely', () => {
    const random = new Random(10);
    expect([...random.permutation(100)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const counts = new Map<string, number>();
    for (let i = 0; i < 12000; i++) {
      const order = random.permutation(4).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()])).toBeLessThan(49.7); // 0.1% of 23
    expect(random.permutation(0).length).toBe(0);
  });
});
