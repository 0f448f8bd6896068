/** @file What `defineFamily` asks of what a family says for plans. */
import {
  type Check,
  checkOptions,
  choiceCheck,
  functionCheck,
  listCheck,
  objectCheck,
  wholeCheck,
} from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { type FamilyPlanning, pictureKinds } from './planning.ts';

const checks = {
  rungs: listCheck('rungs', objectCheck, { least: 1 }),
  fieldsFor: functionCheck,
  regularisation: listCheck('rows', objectCheck),
  operations: functionCheck,
  passes: functionCheck,
  shape: functionCheck,
  network: functionCheck,
};
const rungChecks: Record<string, Check> = {
  imageSize: wholeCheck({ least: 8, most: 4096 }),
  fields: objectCheck,
  steps: wholeCheck({ least: 1 }),
};
const rowChecks = { kind: choiceCheck(pictureKinds), below: wholeCheck({ least: 1 }), fields: objectCheck };

/**
 * @param where the family and the field, for messages; @param known sections of its config
 * @throws UserError naming the first field that is not what it must be
 */
export function checkPlanning(where: string, planning: FamilyPlanning, known: readonly string[]): void {
  checkOptions(where, planning, checks);
  const { rungs = [], regularisation = [] } = planning;
  for (const [i, rung] of rungs.entries()) {
    const at = `${where}: rungs: ${i}`;
    checkOptions(at, rung, rungChecks, ['imageSize', 'steps']);
    expectSections(`${at}: fields`, rung.fields ?? {}, known);
  }
  for (const [i, row] of regularisation.entries()) {
    const at = `${where}: regularisation: ${i}`;
    checkOptions(at, row, rowChecks, ['kind', 'below', 'fields']);
    expectSections(`${at}: fields`, row.fields, known);
  }
}

/** @throws UserError naming what is no section of a config, or not an object of fields */
export function expectSections(where: string, fields: object, known: readonly string[]): void {
  const stray = Object.entries(fields).find(
    ([key, section]) => !known.includes(key) || objectCheck.fits(section) !== true,
  );
  if (stray === undefined) return;
  throw new UserError(where, `expected objects under some of ${known.join(', ')}, got ${stray[0]}`);
}
