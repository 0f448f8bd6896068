/**
 * @file Masks against a pair-by-pair definition written from the paper's text (Ramesh et al. 2021, section 2.2, appendix B.1
 * and figure 11), in rows and columns rather than distances.
 */
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { modelSchema } from '../../src/families/transformer/config.ts';
import { Mask } from '../../src/kernels/attention/mask.ts';
import { layerMasks, maskOf } from '../../src/nn/layer-masks.ts';
import {
  column,
  conv,
  dalleRule,
  defineMask,
  full,
  type MaskPattern,
  maskPatterns,
  overImage,
  removeMask,
  row,
  sequenceLength,
} from '../../src/nn/masks.ts';

const rules = { full, row, column, conv };
type MaskKind = keyof typeof rules;

function mayAttend(kind: MaskKind, shape: Shape, query: number, key: number, convKernel = 11): boolean {
  return rules[kind](query, key, { ...shape, convKernel });
}

function dalleMaskKind(layer: number, layers: number): string | undefined {
  return Object.entries(rules).find(([, rule]) => rule === dalleRule(layer, layers))?.[0];
}

interface Shape {
  readonly captionLength: number;
  readonly grid: number;
}

/** Where a position lies: in the text (start token and caption), or at a row and column of the image. */
function place({ captionLength, grid }: Shape, position: number) {
  const text = captionLength + 1;
  if (position < text) return undefined;
  return { row: Math.floor((position - text) / grid), column: (position - text) % grid };
}

/** The positions of the image that one of its positions may see, as a set of rows * grid + column. */
function visibleInImage(kind: MaskKind, grid: number, row: number, column: number, kernel: number): Set<number> {
  const here = row * grid + column;
  const seen = new Set<number>();
  if (kind === 'full') for (let i = 0; i <= here; i++) seen.add(i);
  // "Each token attends the previous grid + 1 tokens in raster order", itself among them.
  if (kind === 'row') for (let back = 0; back < grid + 1; back++) seen.add(here - back);
  if (kind === 'column') for (let above = 0; above <= row; above++) seen.add(above * grid + column);
  if (kind === 'conv') {
    // The causal half of a square of kernel x kernel, slid over the raster: what leaves it on the left comes back in on
    // the right of the row above.
    const half = (kernel - 1) / 2;
    for (let down = -half; down <= half; down++) {
      for (let right = -half; right <= half; right++) {
        const target = here + down * grid + right;
        if (target <= here) seen.add(target);
      }
    }
  }
  return seen;
}

function naive(kind: MaskKind, shape: Shape, query: number, key: number, kernel: number): boolean {
  const q = place(shape, query);
  const k = place(shape, key);
  if (q === undefined) return k === undefined && key <= query; // text to text is causal; text sees no image
  if (k === undefined) return true; // every image position sees all text
  return visibleInImage(kind, shape.grid, q.row, q.column, kernel).has(k.row * shape.grid + k.column);
}

const cases: readonly { readonly shape: Shape; readonly kernel: number }[] = [
  { shape: { captionLength: 3, grid: 4 }, kernel: 3 },
  { shape: { captionLength: 3, grid: 4 }, kernel: 11 }, // wider than the image
  { shape: { captionLength: 0, grid: 3 }, kernel: 5 },
  { shape: { captionLength: 5, grid: 7 }, kernel: 11 },
  { shape: { captionLength: 2, grid: 12 }, kernel: 11 },
  { shape: { captionLength: 1, grid: 1 }, kernel: 1 },
];

describe('every rule equals the definition from the paper', () => {
  for (const { shape, kernel } of cases) {
    for (const kind of ['full', 'row', 'column', 'conv'] as const) {
      test(`${kind}, caption ${shape.captionLength}, grid ${shape.grid}, kernel ${kernel}`, () => {
        const T = sequenceLength(shape);
        expect(T).toBe(shape.captionLength + shape.grid ** 2);
        const wrong: string[] = [];
        for (let query = 0; query < T; query++) {
          for (let key = 0; key < T; key++) {
            const expected = naive(kind, shape, query, key, kernel);
            if (mayAttend(kind, shape, query, key, kernel) !== expected) wrong.push(`${query} -> ${key}: ${!expected}`);
          }
        }
        expect(wrong).toEqual([]);
      });
    }
  }
});

describe('the masks of the paper', () => {
  const shape = { captionLength: 256, grid: 32 };
  const at = (row: number, column: number) => 257 + row * 32 + column;
  const seenBy = (kind: MaskKind, query: number) =>
    Array.from({ length: sequenceLength(shape) }, (_, key) => key).filter(
      key => key >= 257 && mayAttend(kind, shape, query, key),
    );

  test('a row mask reaches 33 tokens back on a grid of 32, to the same column of the row above', () => {
    const seen = seenBy('row', at(5, 7));
    expect(seen.length).toBe(33);
    expect(seen[0]).toBe(at(4, 7));
    expect(seen.at(-1)).toBe(at(5, 7));
  });

  test('a column mask sees the column above', () => {
    expect(seenBy('column', at(3, 7))).toEqual([at(0, 7), at(1, 7), at(2, 7), at(3, 7)]);
  });

  test('a convolution of 11 sees 5 rows of 11 and 6 of its own row', () => {
    expect(seenBy('conv', at(10, 16)).length).toBe(5 * 11 + 6);
    expect(seenBy('conv', at(10, 0))).toContain(at(9, 31)); // wraps around
  });

  test('the image sees all of the caption, the caption none of the image', () => {
    for (const kind of ['full', 'row', 'column', 'conv'] as const) {
      for (const query of [at(0, 0), at(31, 30)]) {
        expect(Array.from({ length: 257 }, (_, key) => mayAttend(kind, shape, query, key)).every(Boolean)).toBe(true);
      }
      expect(mayAttend(kind, shape, 256, at(0, 0))).toBe(false);
    }
  });

  test('64 layers: column where (i - 2) mod 4 is 0 for the i-th, a convolution at the end, row elsewhere', () => {
    for (let i = 1; i <= 63; i++) {
      expect(`${i} ${dalleMaskKind(i - 1, 64)}`).toBe(`${i} ${(i - 2) % 4 === 0 ? 'column' : 'row'}`);
    }
    expect(dalleMaskKind(63, 64)).toBe('conv');
    expect([0, 1, 2, 3, 4, 5].map(i => dalleMaskKind(i, 6))).toEqual(['row', 'column', 'row', 'row', 'row', 'conv']);
    expect(dalleMaskKind(0, 1)).toBe('conv');
  });
});

describe('masks of layers', () => {
  const shape = { captionLength: 4, grid: 3, convKernel: 3 };
  const T = sequenceLength(shape);

  test('are the rules as tables, and causal where everything before may be seen', () => {
    expect(maskOf('full', full, shape)).toBe('causal');
    for (const kind of ['row', 'column', 'conv'] as const) {
      const mask = maskOf(kind, rules[kind], shape);
      if (!(mask instanceof Mask)) throw new Error('expected a table');
      const expected = Uint8Array.from({ length: T * T }, (_, i) =>
        Number(naive(kind, shape, Math.floor(i / T), i % T, 3)),
      );
      expect(mask.table).toEqual(expected);
      expect(mask.positions).toBe(T);
    }
  });

  test('are one object for all layers of one rule', () => {
    const masks = layerMasks('dalle', shape, 6);
    expect(new Set(masks).size).toBe(3);
    expect(masks[0]).toBe(masks[2]);
    expect(masks[0]).not.toBe(masks[1]);
    expect(layerMasks('full', shape, 2)).toEqual(['causal', 'causal']);
  });

  test('the names in the config are those of the patterns', () => {
    expect([...maskPatterns().keys()]).toEqual(['full', 'dalle']);
    for (const name of maskPatterns().keys()) {
      expect(layerMasks(name, shape, 2)).toHaveLength(2);
      expect(modelSchema.parse({ attention: name }).attention).toBe(name);
    }
  });

  test('an unknown name, a taken one and a rule that hides a position from itself are named', () => {
    expect(() => layerMasks('spiral', shape, 2)).toThrow(/model.attention: expected one of full, dalle, got spiral/);
    expect(() => defineMask({ name: 'dalle', rule: full })).toThrow(/defineMask: expected a new name, got dalle/);
    defineMask({ name: 'blind', rule: (query, key) => key < query || query < 7 });
    expect(() => layerMasks('blind', shape, 1)).toThrow(
      /mask blind: expected every position to see itself.*position 7/,
    );
    removeMask('blind');
    expect(() => removeMask('blind')).toThrow(
      new UserError('removeMask', 'expected a name that defineMask was given, got blind, which is not defined'),
    );
    expect(() => removeMask('full')).toThrow(
      new UserError('removeMask', 'expected a name that defineMask was given, got full, which is built in'),
    );
    expect(() => layerMasks('blind', shape, 1)).toThrow(/expected one of full, dalle, got blind/);
  });

  test.each<[object, RegExp]>([
    [{ name: 'a b', rule: full }, /^defineMask: name: expected a name of lower-case words with hyphens, got "a b"/],
    [{ name: 'odd', rule: 'full' }, /^defineMask: rule: expected a function, got "full"/],
    [{ name: 'odd' }, /^defineMask: expected either rule or ruleOf, got neither/],
    [{ name: 'odd', rule: full, ruleOf: dalleRule }, /^defineMask: expected either rule or ruleOf, got both/],
    [{ name: 'odd', rule: full, rules: full }, /^defineMask: unknown option rules/],
  ])('%s is refused', (pattern, message) => {
    expect(() => defineMask(pattern as MaskPattern)).toThrow(message);
    expect([...maskPatterns().keys()]).toEqual(['full', 'dalle']);
  });

  test('never let a position see a later one, whatever the rule says', () => {
    defineMask({ name: 'careless', rule: overImage(() => true) });
    const [mask] = layerMasks('careless', shape, 1);
    removeMask('careless');
    if (!(mask instanceof Mask)) throw new Error('expected a table');
    for (let query = 0; query < T; query++) {
      for (let key = 0; key < T; key++) expect(mask.sees(query, key)).toBe(key <= query);
    }
  });
});

describe('the forms of a mask', () => {
  const T = 70; // more than two words of bits
  const table = Uint8Array.from({ length: T * T }, (_, i) => {
    const [query, key] = [Math.floor(i / T), i % T];
    return Number(key === query || (key < query && (query * key) % 3 === 1));
  });

  test('agree with the table', () => {
    const mask = new Mask('test', table);
    const { bytes, stride } = mask.transposed;
    const words = mask.bits.length / T;
    for (let query = 0; query < T; query++) {
      for (let key = 0; key < T; key++) {
        const expected = table[query * T + key];
        const bit = (mask.bits[query * words + (key >> 5)] >>> (key & 31)) & 1;
        if (bytes[key * stride + query] !== expected || bit !== expected) throw new Error(`${query} -> ${key}`);
      }
    }
  });

  test('are made once, freed once, and made again after that', () => {
    const mask = new Mask('test', table);
    const device = {};
    const counts = { made: 0, freed: 0 };
    const tensor = { dataId: {}, shape: [1], dtype: 'int32' as const };
    const get = () => {
      counts.made++;
      return { tensor, free: () => counts.freed++ };
    };
    expect(mask.transposed).toBe(mask.transposed);
    expect(mask.bits).toBe(mask.bits);
    mask.onDevice(device, get);
    expect(mask.onDevice(device, get)).toBe(tensor);
    expect(counts).toEqual({ made: 1, freed: 0 });
    const { bits } = mask;
    mask.dispose();
    mask.dispose();
    expect(counts).toEqual({ made: 1, freed: 1 });
    expect(mask.bits).not.toBe(bits);
    expect(mask.bits).toEqual(bits);
    mask.onDevice(device, get);
    expect(counts.made).toBe(2);
  });
});
