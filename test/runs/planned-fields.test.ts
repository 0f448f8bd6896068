/** @file The fields that help calls planned are those that plans change, and no others. */
import { describe, expect, test } from 'vitest';
import { flattenConfig } from '../../src/config/schema.ts';
import { familyNames } from '../../src/families/families.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { PLANNED_FROM, plannedFields } from '../../src/runs/plan/planned-fields.ts';
import { drawings, machines, planFor } from './plan-machines.ts';

/** With longer captions than drawings have. */
const photographs = {
  kind: 'photographs',
  whiteGround: false,
  side: 32,
  captions: { distinct: 9, sampled: 9, bytes: 200, ids: 60 },
} as const;

describe.each(familyNames())('a plan of a %s', family => {
  const before = flattenConfig(resolveConfig({ preset: PLANNED_FROM, fields: { family } }));
  const plans = Object.values(machines).flatMap(machine =>
    [9, 120, 5000, 300_000].flatMap(pictures => [
      planFor(drawings(pictures), machine, { family }),
      planFor(drawings(pictures, photographs), machine, {
        family,
        minutes: 3,
      }),
    ]),
  );
  const changed = new Set(
    plans.flatMap(({ config }) => {
      const now = flattenConfig(config);
      return Object.keys(now).filter(field => JSON.stringify(now[field]) !== JSON.stringify(before[field]));
    }),
  );

  test('changes nothing else', () => {
    const planned = new Set(plannedFields(family));
    expect([...changed].filter(field => !planned.has(field))).toEqual([]);
  });

  test('changes each of them, for some data', () => {
    expect(plannedFields(family).filter(field => !changed.has(field))).toEqual([]);
  });
});
