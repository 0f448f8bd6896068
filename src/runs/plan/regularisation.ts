/**
 * @file What keeps a model from learning few pictures by heart, by how many there are. One table, filled in by measurement
 * (scripts/studies/small-data.ts).
 */
import { flattenConfig } from '../../config/schema.ts';
import type { Survey } from './survey.ts';

/** Fields of a config for up to so many pictures. */
interface Regularisation {
  readonly below: number;
  readonly fields: Readonly<Record<string, Readonly<Record<string, number | boolean>>>>;
}

/** From few pictures to many; the first that fits counts, and above the last nothing is added. */
const table: readonly Regularisation[] = [{ below: 1000, fields: { model: { codeNoise: 0.15 } } }];

/** The fields for so many pictures; of transformers only. */
export function regularisationFor(
  { pictures }: Pick<Survey, 'pictures'>,
  family: string,
): Readonly<Record<string, unknown>> {
  if (family !== 'transformer') return {};
  return table.find(({ below }) => pictures < below)?.fields ?? {};
}

/** Every field of the table. */
export function regularisedFields(): readonly string[] {
  return [...new Set(table.flatMap(({ fields }) => Object.keys(flattenConfig(fields))))];
}
