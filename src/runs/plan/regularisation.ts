/**
 * @file What keeps a model from learning few pictures by heart, by how many there are. One table, filled in by measurement
 * (scripts/studies/small-data.ts).
 */
import { flattenConfig } from '../../config/schema.ts';
import type { ModelConfig } from '../../families/transformer/config.ts';
import { variantNames } from '../../image/variants.ts';
import type { Survey } from './survey.ts';

/** Fields of a config for up to so many pictures of a kind. */
interface Regularisation {
  readonly kind: Survey['kind'];
  readonly below: number;
  readonly fields: { readonly model: Partial<Pick<ModelConfig, 'codeNoise' | 'variants' | 'dropout'>> };
}

/** The first that fits counts; where none does, nothing is added. */
const table: readonly Regularisation[] = [
  { kind: 'drawings', below: 1000, fields: { model: { variants: [...variantNames], codeNoise: 0 } } },
  { kind: 'photographs', below: 1000, fields: { model: { variants: ['mirrored'], codeNoise: 0.15 } } },
];

/** The fields for so many pictures; of transformers only. */
export function regularisationFor(
  { pictures, kind }: Pick<Survey, 'pictures' | 'kind'>,
  family: string,
): Readonly<Record<string, unknown>> {
  if (family !== 'transformer') return {};
  return table.find(row => row.kind === kind && pictures < row.below)?.fields ?? {};
}

/** Every field of the table. */
export function regularisedFields(): readonly string[] {
  return [...new Set(table.flatMap(({ fields }) => Object.keys(flattenConfig(fields))))];
}
