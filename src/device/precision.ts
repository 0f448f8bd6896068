/**
 * @file Operands of matrix products: fp32 everywhere, bf16 where the processor of the native backend has it (`auto` where it is faster, too), f16 where a
 * GPU has matrix units that were seen to multiply as they should. Sums are fp32 always.
 */
import { UserError } from '../core/errors.ts';

export const precisionNames = ['auto', 'fp32', 'bf16', 'f16'] as const;
export type PrecisionName = (typeof precisionNames)[number];
/** What products are really multiplied in. */
export type OperandPrecision = Exclude<PrecisionName, 'auto'>;

/**
 * Says no to a precision that a backend does not have.
 * @param able what it has
 * @param why what keeps it from having it, if that is known
 */
export function refusePrecision(
  wanted: PrecisionName,
  { backend, able, why }: { readonly backend: string; readonly able: readonly string[]; readonly why?: string },
): UserError {
  const places: Readonly<Partial<Record<PrecisionName, string>>> = {
    bf16: 'bf16 is for --backend native, on a processor with AVX512-BF16 or AMX',
    f16: 'f16 is for --backend webgpu, on a GPU with matrix units',
  };
  return new UserError(
    'precision',
    `expected ${['auto', ...able].join(' or ')} on the ${backend} backend, got ${wanted}${why === undefined ? '' : ` (${why})`}`,
    places[wanted],
  );
}
