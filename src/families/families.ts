/** @file The list of families, one line each, and the look-up of one by its name. */

import { nearest } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import type { Family } from './family.ts';
import { registeredFamilies } from './registry.ts';
import './transformer/family.ts';
import './gan/family.ts'; // dcgan, r3gan
import './diffusion/family.ts';

/** Names of all families, those from outside last. */
export function familyNames(): [string, ...string[]] {
  return [...registeredFamilies().keys()] as [string, ...string[]];
}

/** All families, those from outside last. */
export function allFamilies(): readonly Family[] {
  return [...registeredFamilies().values()];
}

/**
 * A family by its name.
 * @param where opens the message, e.g. the file that names it
 * @throws UserError if there is none
 */
export function familyOf(name: string, where?: string): Family {
  const family = registeredFamilies().get(name);
  if (family !== undefined) return family;
  const names = familyNames();
  const near = nearest(name, names);
  throw new UserError(
    where === undefined ? 'family' : `${where}: family`,
    `expected one of ${names.join(', ')}, got ${JSON.stringify(name)}`,
    near === undefined
      ? 'a family from outside is known once the file that defines it was imported'
      : `did you mean ${near}?`,
  );
}
