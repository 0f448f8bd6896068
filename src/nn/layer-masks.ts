/** @file The masks of a model's layers, made of the pattern that its config names. */
import { UserError } from '../core/errors.ts';
import { type AttentionMask, Mask } from '../kernels/attention/mask.ts';
import { full, type MaskRule, type MaskShape, maskPatterns, sequenceLength } from './masks.ts';

/**
 * The masks of all layers; layers of one rule have the same mask. The caller disposes them.
 * @throws UserError if there is no such pattern, or a position would not see itself
 */
export function layerMasks(name: string, shape: MaskShape, layers: number): readonly AttentionMask[] {
  const pattern = maskPatterns().get(name);
  if (pattern === undefined) {
    throw new UserError(
      'model.attention',
      `expected one of ${[...maskPatterns().keys()].join(', ')}, got ${name}`,
      'import the code that defines the pattern first',
    );
  }
  const masks = new Map<MaskRule, AttentionMask>();
  return Array.from({ length: layers }, (_, layer) => {
    const rule = 'rule' in pattern ? pattern.rule : pattern.ruleOf(layer, layers);
    const mask = masks.get(rule) ?? maskOf(name, rule, shape);
    masks.set(rule, mask);
    return mask;
  });
}

/** The rule as a mask of all input positions. */
export function maskOf(name: string, rule: MaskRule, shape: MaskShape): AttentionMask {
  if (rule === full) return 'causal';
  const length = sequenceLength(shape);
  const table = new Uint8Array(length * length);
  for (let query = 0; query < length; query++) {
    if (!rule(query, query, shape)) {
      throw new UserError(`mask ${name}`, `expected every position to see itself, got false for position ${query}`);
    }
    for (let key = 0; key <= query; key++) {
      if (rule(query, key, shape)) table[query * length + key] = 1;
    }
  }
  return new Mask(name, table);
}
