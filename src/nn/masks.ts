/**
 * @file Who may attend to whom in the sequence of a caption and an image: patterns, each a rule for a pair of positions or
 * one for every layer, by the name that the config's `model.attention` gives; `defineMask` adds one. Position 0 is the
 * start token, then the caption, then the image codes in raster order; the last code is never an input, so there are
 * captionLength + grid * grid positions. A position never sees a later one, whatever its rule says.
 *
 * `full` is plain causal attention, `dalle` is DALL·E's (Ramesh et al. 2021, appendix B.1 and figure 11): the caption is
 * causal, every image position sees all of it, and layers differ in what an image position sees of the image.
 */
import { checkOptions, functionCheck, textCheck } from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { isPlainName, Registry } from '../core/registry.ts';

export interface SequenceShape {
  readonly captionLength: number;
  /** Codes along each side of the image. */
  readonly grid: number;
}

/** What a rule may go by. */
export interface MaskShape extends SequenceShape {
  /** The config's `convKernel`: side of the square that a convolutional mask sees, odd. */
  readonly convKernel: number;
}

/** Whether `query` may attend to `key`, both input positions; asked where key <= query. A position sees itself. */
export type MaskRule = (query: number, key: number, shape: MaskShape) => boolean;

/** A pattern: one rule for all layers, or for layer `layer` (from 0) of `layers` the one that `ruleOf` gives. */
export type MaskPattern = { readonly name: string } & (
  | { readonly rule: MaskRule }
  | { readonly ruleOf: (layer: number, layers: number) => MaskRule }
);

/** Number of input positions. */
export function sequenceLength({ captionLength, grid }: SequenceShape): number {
  return captionLength + grid * grid;
}

/** Plain causal attention; needs no table. */
export const full: MaskRule = (query, key) => key <= query;

/**
 * A rule by what an image position sees of the image; the caption is causal and the image sees all of it.
 * @param sees whether code `query` sees code `key`, both numbered from 0 in raster order, key <= query
 */
export function overImage(sees: MaskRule): MaskRule {
  return (query, key, shape) => {
    if (key > query) return false;
    const first = shape.captionLength + 1;
    return key < first || sees(query - first, key - first, shape);
  };
}

/** The previous grid codes and itself: back to the same column of the row above. */
export const row = overImage((query, key, { grid }) => query - key <= grid);

/** The codes above it. */
export const column = overImage((query, key, { grid }) => (query - key) % grid === 0);

/** The causal half of a square around the query; it wraps around at the sides, as offsets in raster order do. */
export const conv = overImage((query, key, { grid, convKernel }) => {
  const distance = query - key;
  const half = (convKernel - 1) / 2;
  const above = Math.floor(distance / grid);
  return (
    (above <= half && distance - above * grid <= half) || (above + 1 <= half && (above + 1) * grid - distance <= half)
  );
});

/** Layer `layer` (from 0) of `layers`: row, column, row, row, ... and a convolution at the end (appendix B.1). */
export function dalleRule(layer: number, layers: number): MaskRule {
  if (layer === layers - 1) return conv;
  return (layer + 1 - 2) % 4 === 0 ? column : row;
}

const registry = new Registry<MaskPattern>('Mask');
registry.add({ name: 'full', rule: full }, { builtIn: true });
registry.add({ name: 'dalle', ruleOf: dalleRule }, { builtIn: true });

/** All patterns by name, the built-in ones first. */
export function maskPatterns(): ReadonlyMap<string, MaskPattern> {
  return registry.all();
}

const checks = { name: textCheck, rule: functionCheck, ruleOf: functionCheck };

/**
 * Adds a pattern, which configs can then name as their `model.attention`. Training, painting and every backend take it
 * as they take the built-in ones. A run that was trained with it is opened by programs that have defined it.
 * `removeMask` takes it out again.
 * @throws UserError if a field is not what it must be, or there is a pattern of that name
 * @example
 *   defineMask({ name: 'strided', rule: overImage((query, key) => (query - key) % 2 === 0) });
 */
export function defineMask(pattern: MaskPattern): void {
  checkOptions('defineMask', pattern, checks, ['name']);
  const { name } = pattern;
  if (!isPlainName(name)) {
    throw new UserError(
      'defineMask: name',
      `expected a name of lower-case words with hyphens, got ${JSON.stringify(name)}`,
    );
  }
  const [rule, ruleOf] = ['rule', 'ruleOf'].map(field => (pattern as Partial<Record<string, unknown>>)[field]);
  if ((rule === undefined) === (ruleOf === undefined)) {
    throw new UserError('defineMask', `expected either rule or ruleOf, got ${rule === undefined ? 'neither' : 'both'}`);
  }
  registry.add(pattern);
}

/** Takes a pattern out again; models made with it keep their masks. @throws UserError if `defineMask` has added none so */
export function removeMask(name: string): void {
  registry.remove(name);
}
