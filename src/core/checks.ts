/**
 * @file Checks of what a program hands to a public function. A check says what it expects, and the first value that does
 * not fit becomes a `UserError` of one line: `paint: temperature: expected a number from 0 to 100, got -1`.
 */
import { UserError } from './errors.ts';

/** What a value must be. */
export interface Check {
  /** In words that follow "expected". */
  readonly expected: string;
  /** @returns false, or more precisely what was found, where the value does not fit */
  fits(value: unknown): boolean | string;
}

/** The range of a number, both ends included; `above` is not. */
interface Range {
  readonly least?: number;
  readonly above?: number;
  readonly most?: number;
}

/** A number that is not NaN and lies in a range; infinite ones do not. */
export function numberCheck(range: Range = {}): Check {
  return rangeCheck('number', range, Number.isFinite);
}

/** A whole number in a range. */
export function wholeCheck(range: Range = {}): Check {
  return rangeCheck('whole number', range, Number.isSafeInteger);
}

/** A seed: a whole number from 0 to 2^32 - 1. */
export const seedCheck: Check = wholeCheck({ least: 0, most: 0xffffffff });

/** Text. */
export const textCheck: Check = { expected: 'text', fits: value => typeof value === 'string' };

/** The path of a file or folder. */
export const pathCheck: Check = {
  expected: 'a path',
  fits: value => typeof value === 'string' && value !== '' && !value.includes('\0'),
};

export const booleanCheck: Check = { expected: 'true or false', fits: value => typeof value === 'boolean' };

export const functionCheck: Check = { expected: 'a function', fits: value => typeof value === 'function' };

/** An object with fields of any names. */
export const objectCheck: Check = {
  expected: 'an object',
  fits: value => typeof value === 'object' && value !== null && !Array.isArray(value),
};

/** An `AbortSignal`. */
export const signalCheck: Check = { expected: 'an AbortSignal', fits: value => value instanceof AbortSignal };

/** One of some words. */
export function choiceCheck(words: readonly string[]): Check {
  return {
    expected: `one of ${words.join(', ')}`,
    fits: value => typeof value === 'string' && words.includes(value),
  };
}

/** An array, every element of which fits. @param what in the plural, e.g. `captions` */
export function listCheck(what: string, element: Check, { least = 0, length }: ListSize = {}): Check {
  const count = length !== undefined ? `${length} ` : least > 0 ? `at least ${least} ` : '';
  return {
    expected: `an array of ${count}${what}`,
    fits: value => {
      if (!Array.isArray(value)) return false;
      if (value.length < least || (length !== undefined && value.length !== length)) return `${value.length || 'none'}`;
      for (const [i, one] of value.entries()) {
        const fits = element.fits(one);
        if (typeof fits === 'string') return `${fits} at ${i}`;
        if (!fits) return `${found(one)} at ${i}, where ${element.expected} should be`;
      }
      return true;
    },
  };
}

interface ListSize {
  readonly least?: number;
  readonly length?: number;
}

/** A picture: `{ width, height, data }` with three bytes a pixel. @param side of a square one, in pixels */
export function pictureCheck(side?: number): Check {
  const size = side === undefined ? '' : ` of ${side} x ${side} pixels`;
  return {
    expected: `a picture${size} ({ width, height, data }, three bytes a pixel)`,
    fits: value => {
      if (!isRecord(value) || !(value.data instanceof Uint8Array)) return false;
      const { width, height, data } = value;
      if (!isSide(width) || !isSide(height)) return `a size of ${found(width)} x ${found(height)}`;
      if (data.length !== width * height * 3) return `${data.length} bytes for ${width} x ${height} pixels`;
      return side === undefined || (width === side && height === side) || `${width} x ${height} pixels`;
    },
  };
}

/**
 * Checks one value.
 * @param where the function and the argument, e.g. `paint: seed`
 * @throws UserError in one line
 */
export function checkValue(where: string, value: unknown, check: Check): void {
  const fits = check.fits(value);
  if (fits === true) return;
  throw new UserError(where, `expected ${check.expected}, got ${fits === false ? found(value) : fits}`);
}

/**
 * Checks an options object: fields that are undefined are left out, unknown ones are refused.
 * @param where the function, e.g. `paint`
 * @param checks of every field that there is
 * @param required names of fields that must be given
 * @throws UserError in one line, naming the field
 */
export function checkOptions(
  where: string,
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  required: readonly string[] = [],
): void {
  if (!isRecord(options)) throw new UserError(where, `expected an object of options, got ${found(options)}`);
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) {
      throw new UserError(where, `unknown option ${name}`, `there are ${Object.keys(checks).join(', ')}`);
    }
    if (value !== undefined) checkValue(`${where}: ${name}`, value, check);
  }
  for (const name of required) {
    if (options[name] === undefined) checkValue(`${where}: ${name}`, undefined, checks[name]);
  }
}

/** A value as it reads in a message, on one line and short. */
export function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return cut(JSON.stringify(value));
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const { length = 0 } = value as { readonly length?: number };
    return `${value.constructor.name} of ${length}`;
  }
  if (typeof value === 'object' && value !== null) return `an object (${value.constructor?.name ?? 'without class'})`;
  return cut(String(value));
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57).replace(/[\ud800-\udbff]$/, '')}...` : text;
}

/** Whether a value is an object and no list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSide(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function rangeCheck(what: string, { least, above, most }: Range, isOne: (value: unknown) => boolean): Check {
  const lower = least !== undefined ? ` of at least ${least}` : above !== undefined ? ` above ${above}` : '';
  const upper = most === undefined ? '' : ` of at most ${most}`;
  const range =
    least !== undefined && most !== undefined
      ? ` from ${least} to ${most}`
      : [lower, upper].filter(Boolean).join(' and');
  return {
    expected: `a ${what}${range}`,
    fits: value => {
      if (!isOne(value)) return false;
      const number = value as number;
      return number >= (least ?? -Infinity) && number > (above ?? -Infinity) && number <= (most ?? Infinity);
    },
  };
}
