/** @file Named float32 values, as parameters have them, and tensors of safetensors files: one from the other. */
import { UserError } from '../core/errors.ts';
import { firstNotFinite, type TensorData, toFloat32 } from '../io/safetensors.ts';
import type { NamedValues } from '../nn/module.ts';

/** Named float32 values as tensors of a safetensors file. */
export function asTensors(values: NamedValues): Map<string, TensorData> {
  return new Map<string, TensorData>(
    [...values].map(([name, { shape, values: data }]) => [name, { dtype: 'F32', shape, data }]),
  );
}

/**
 * Tensors of a safetensors file as named float32 values.
 * @param where the file, for errors
 * @throws UserError naming the first tensor that is not of floating-point numbers, or holds NaN or an infinity
 */
export function namedValues(tensors: ReadonlyMap<string, TensorData>, where: string): NamedValues {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const values = toFloat32(tensor, `${where}: ${name}`);
      const at = firstNotFinite(values);
      if (at < 0) return [name, { shape: tensor.shape, values }];
      const what = `${name}: expected finite numbers, got ${values[at]} at ${at}`;
      throw new UserError(where, what, 'the file is damaged, or of a training that diverged; take other weights');
    }),
  );
}
