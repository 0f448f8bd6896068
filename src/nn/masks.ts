/**
 * @file Who may attend to whom in DALL·E's sequence, written as one rule for a pair of positions (Ramesh et al. 2021,
 * appendix B.1 and figure 11). Position 0 is the start token, then the caption, then the image codes in raster order; the
 * last code is never an input, so there are captionLength + grid * grid positions. The caption is causal and every image
 * position sees all of it; the kinds differ in what an image position sees of the image.
 */
import type { AttentionMask } from '../kernels/attention/attention.ts';

export const maskKinds = ['full', 'row', 'column', 'conv'] as const;
export type MaskKind = (typeof maskKinds)[number];

export interface SequenceShape {
  readonly captionLength: number;
  /** Codes along each side of the image. */
  readonly grid: number;
}

/** Number of input positions. */
export function sequenceLength({ captionLength, grid }: SequenceShape): number {
  return captionLength + grid * grid;
}

/**
 * Whether `query` may attend to `key`, both input positions.
 * @param kernel side of the square that the convolutional mask sees, odd
 */
export function mayAttend(kind: MaskKind, shape: SequenceShape, query: number, key: number, kernel = 11): boolean {
  if (key > query) return false;
  const text = shape.captionLength + 1;
  if (key < text || query < text) return true;
  const { grid } = shape;
  const distance = query - key;
  switch (kind) {
    case 'full':
      return true;
    case 'row':
      // The previous grid positions and itself: back to the same column of the row above.
      return distance <= grid;
    case 'column':
      return distance % grid === 0;
    case 'conv': {
      // The causal half of a square around the query; it wraps around at the sides, as offsets in raster order do.
      const half = (kernel - 1) / 2;
      const above = Math.floor(distance / grid);
      return (
        (above <= half && distance - above * grid <= half) ||
        (above + 1 <= half && (above + 1) * grid - distance <= half)
      );
    }
    default:
      return kind satisfies never;
  }
}

/** Layer `layer` (from 0) of `layers`: row, column, row, row, ... and a convolution at the end (appendix B.1). */
export function dalleMaskKind(layer: number, layers: number): MaskKind {
  if (layer === layers - 1) return 'conv';
  return (layer + 1 - 2) % 4 === 0 ? 'column' : 'row';
}

/** The rule as a table of bytes [T, T] for the attention kernel. */
export function attentionMask(kind: MaskKind, shape: SequenceShape, kernel = 11): AttentionMask {
  if (kind === 'full') return { kind: 'causal' };
  const length = sequenceLength(shape);
  const table = new Uint8Array(length * length);
  for (let query = 0; query < length; query++) {
    for (let key = 0; key <= query; key++) {
      if (mayAttend(kind, shape, query, key, kernel)) table[query * length + key] = 1;
    }
  }
  return { kind: 'table', table, key: `${kind}/${shape.captionLength}/${shape.grid}/${kernel}` };
}
