/**
 * @file Fields whose value is the name of something that a program may add to (a mask pattern, say): they take the names
 * that there are when they are used.
 */
import { z } from 'zod';

/** A schema that takes the names there are when it is used, in help and in errors as well. */
export function openChoice(names: () => readonly string[]): z.ZodType<string, string> {
  return z
    .string()
    .superRefine((value, context) => {
      const values = [...names()];
      if (!values.includes(value)) context.addIssue({ code: 'invalid_value', values, input: value });
    })
    .meta({
      get enum() {
        return names();
      },
    });
}

/** What the name of a licence is, as the hub lists them. */
export const LICENSE_WORDS = "a licence's name of small letters, digits, dots and hyphens, e.g. cc-by-4.0";

/** Whether a text may be the name of a licence. */
export function isLicenseName(text: unknown): text is string {
  return typeof text === 'string' && /^[a-z0-9][a-z0-9.-]{0,39}$/.test(text);
}
