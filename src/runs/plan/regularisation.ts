/** @file What keeps a model from learning few pictures by heart, by what its family says of it. */
import { familyOf } from '../../families/families.ts';
import { planningOf } from '../../families/planning.ts';
import type { Survey } from './survey.ts';

/** The fields for so many pictures; none where its family has none. */
export function regularisationFor(
  { pictures, kind }: Pick<Survey, 'pictures' | 'kind'>,
  family: string,
): Readonly<Record<string, unknown>> {
  const { regularisation } = planningOf(familyOf(family));
  return { ...regularisation.find(row => row.kind === kind && pictures < row.below)?.fields };
}
